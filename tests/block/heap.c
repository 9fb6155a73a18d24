/* tests/block/heap.c - counts by AddressSanitizer's hooks, which see every allocation of every library. */
#include "tests/block/heap.h"

#ifdef __has_feature
#define WITH_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define WITH_CLANG_ASAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || WITH_CLANG_ASAN
#include <stdbool.h>

/* <sanitizer/allocator_interface.h>, which Debian's gcc comes without. */
size_t __sanitizer_get_allocated_size(const volatile void *at);
size_t __sanitizer_get_current_allocated_bytes(void);
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t), void (*on_free)(const volatile void *));

/* Of one process, as the hooks are. */
static size_t now, peak;
static bool counting;

static void on_malloc(const volatile void *at, size_t size)
{
    size_t sum = __atomic_add_fetch(&now, size, __ATOMIC_RELAXED), most = __atomic_load_n(&peak, __ATOMIC_RELAXED);

    while (sum > most && !__atomic_compare_exchange_n(&peak, &most, sum, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

static void on_free(const volatile void *at)
{
    if (at)
        __atomic_sub_fetch(&now, __sanitizer_get_allocated_size(at), __ATOMIC_RELAXED);
}

size_t heap_mark(void)
{
    if (!counting) {
        counting = true;
        now = __sanitizer_get_current_allocated_bytes();
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    }
    size_t sum = __atomic_load_n(&now, __ATOMIC_RELAXED);
    __atomic_store_n(&peak, sum, __ATOMIC_RELAXED);
    return sum;
}

size_t heap_peak(void)
{
    return __atomic_load_n(&peak, __ATOMIC_RELAXED);
}
#else
size_t heap_mark(void)
{
    return 0;
}

size_t heap_peak(void)
{
    return 0;
}
#endif
