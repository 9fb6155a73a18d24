/* host/fiber.c - stackful coroutines: a switch of 7 registers on x86-64, ucontext elsewhere. */
#include "host/fiber.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

struct host_fiber {
    char *stack; /* lowest usable byte */
    size_t size;
#if defined(__x86_64__)
    void *own, *caller; /* stack pointers of the side that does not run */
#else
    ucontext_t own, caller;
#endif
    void (*fn)(void *opaque);
    void *opaque;
    bool returned;
    /* AddressSanitizer's view: fake stack of the side that waits, real stack of the caller. */
    void *own_fake, *caller_fake;
    const void *caller_stack;
    size_t caller_size;
};

/* Tells AddressSanitizer which stack comes next, and that it has come. */
static void announce(void **save_fake, const void *bottom, size_t size)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(save_fake, bottom, size);
#else
    (void)save_fake, (void)bottom, (void)size;
#endif
}

static void arrived(void *fake, const void **old_bottom, size_t *old_size)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake, old_bottom, old_size);
#else
    (void)fake, (void)old_bottom, (void)old_size;
#endif
}

#if defined(__x86_64__)
/* System V ABI: rbx, rbp, r12-r15 and the stack pointer survive a call; nothing else needs saving. */
void host_fiber_swap(void **save, void *load);
__asm__(".text\n"
        ".globl host_fiber_swap\n"
        ".hidden host_fiber_swap\n"
        ".type host_fiber_swap, @function\n"
        "host_fiber_swap:\n"
        "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp, (%rdi)\n"
        "    mov %rsi, %rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
        "    ret\n"
        ".size host_fiber_swap, . - host_fiber_swap\n");

static void swap_in(struct host_fiber *fiber)
{
    host_fiber_swap(&fiber->caller, fiber->own);
}

static void swap_out(struct host_fiber *fiber)
{
    host_fiber_swap(&fiber->own, fiber->caller);
}
#else
static void swap_in(struct host_fiber *fiber)
{
    swapcontext(&fiber->caller, &fiber->own);
}

static void swap_out(struct host_fiber *fiber)
{
    swapcontext(&fiber->own, &fiber->caller);
}
#endif

static void leave(struct host_fiber *fiber)
{
    announce(&fiber->own_fake, fiber->caller_stack, fiber->caller_size);
    swap_out(fiber);
    arrived(fiber->own_fake, &fiber->caller_stack, &fiber->caller_size);
}

/* The bottom of every fiber: one function after the other. */
static void __attribute__((noreturn)) body(struct host_fiber *fiber)
{
    arrived(NULL, &fiber->caller_stack, &fiber->caller_size);
    for (;;) {
        fiber->fn(fiber->opaque);
        fiber->returned = true;
        leave(fiber);
    }
}

#if defined(__x86_64__)
/* host_fiber_swap returns here with the fiber in rbx. */
void host_fiber_first(void);
void host_fiber_body(struct host_fiber *fiber);
__asm__(".text\n"
        ".globl host_fiber_first\n"
        ".hidden host_fiber_first\n"
        ".type host_fiber_first, @function\n"
        "host_fiber_first:\n"
        "    mov %rbx, %rdi\n"
        "    call host_fiber_body\n"
        "    ud2\n"
        ".size host_fiber_first, . - host_fiber_first\n");

void __attribute__((visibility("hidden"), used)) host_fiber_body(struct host_fiber *fiber)
{
    body(fiber);
}

static void prepare(struct host_fiber *fiber)
{
    /* Seven words as host_fiber_swap pops them; after its ret the stack is 16-byte aligned, as before a call. */
    void **top = (void **)(fiber->stack + fiber->size) - 9;

    memset(top, 0, 9 * sizeof(*top));
    top[4] = fiber;
    top[6] = (void *)host_fiber_first;
    fiber->own = top;
}
#else
static void start(unsigned low, unsigned high)
{
    body((struct host_fiber *)((uintptr_t)low | (uintptr_t)high << 16 << 16));
}

static void prepare(struct host_fiber *fiber)
{
    getcontext(&fiber->own);
    fiber->own.uc_stack.ss_sp = fiber->stack;
    fiber->own.uc_stack.ss_size = fiber->size;
    fiber->own.uc_link = NULL;
    makecontext(&fiber->own, (void (*)(void))start, 2, (unsigned)(uintptr_t)fiber, (unsigned)((uintptr_t)fiber >> 16 >> 16));
}
#endif

struct host_fiber *host_fiber_create(size_t stack, GError **error)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct host_fiber *fiber = g_new0(struct host_fiber, 1);
    char *map;

    fiber->size = (stack + page - 1) & ~(page - 1);
    map = mmap(NULL, fiber->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED) {
        error_set(error, "cannot allocate a stack: %s", g_strerror(errno));
        g_free(fiber);
        return NULL;
    }
    mprotect(map, page, PROT_NONE);
    fiber->stack = map + page;
    fiber->returned = true;
    prepare(fiber);
    return fiber;
}

void host_fiber_destroy(struct host_fiber *fiber)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!fiber)
        return;
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(fiber->stack, fiber->size);
#endif
    munmap(fiber->stack - page, fiber->size + page);
    g_free(fiber);
}

bool host_fiber_enter(struct host_fiber *fiber, void (*fn)(void *opaque), void *opaque)
{
    if (fiber->returned) {
        fiber->fn = fn;
        fiber->opaque = opaque;
        fiber->returned = false;
    }
    announce(&fiber->caller_fake, fiber->stack, fiber->size);
    swap_in(fiber);
    arrived(fiber->caller_fake, NULL, NULL);
    return fiber->returned;
}

void host_fiber_leave(struct host_fiber *fiber)
{
    leave(fiber);
}
