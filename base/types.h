/* base/types.h - short names for fixed-width integers and a few helpers everybody uses. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned __int128 u128;
typedef __int128 s128;

#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define BIT64(n)         (UINT64_C(1) << (n))
#define KIB              UINT64_C(1024)
#define MIB              (1024 * KIB)
#define GIB              (1024 * MIB)
#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)
#define PRINTF_LIKE(f,a) __attribute__((format(printf, f, a)))

/* The struct that contains `member` at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

#endif
