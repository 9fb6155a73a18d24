/*
 * A hart with Ztso reads an array of floating-point numbers in order, by a loop, while another one writes it from behind: who has seen what was written last
 * sees what was written before. Hosts load several elements at once in any order, at least where they lie in two of its cache's lines.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { RUNS = 10000000, NEWS = 200000 }; /* at most; fewer where there was so often something new: both harts ran at a time */
enum { FS_DIRTY = 3 << 13, GROUP = 4, LINE = 8, CELLS = 4, WORDS = CELLS * LINE + 1, PAUSES = 16 };

static u64 lines[WORDS + LINE] __attribute__((aligned(64))), copies[WORDS + LINE] __attribute__((aligned(64)));
static volatile u64 *const from = lines + LINE - 1; /* groups, each second of which begins with a line's last word */
static volatile u64 ended;

void copy(volatile u64 *to, const volatile u64 *from, const volatile u64 *end);
__asm__(".text\n copy: 1: fld fa5, 0(a1)\n addi a1, a1, 8\n fsd fa5, 0(a0)\n addi a0, a0, 8\n bne a1, a2, 1b\n ret\n");

static void pause(u64 times)
{
    while (times--)
        __asm__ volatile("nop");
}

static void write(void)
{
    for (u64 n = 1; !ended; n++) {
        for (u64 cell = 0; cell < CELLS; cell++) {
            from[cell * LINE + GROUP - 1] = n;
            from[cell * LINE] = n;
        }
        pause(n % PAUSES);
    }
    for (;;)
        __asm__ volatile("wfi");
}

void main(u64 hart)
{
    u64 news = 0, last = 0;

    if (hart == 1)
        write();
    csr_set(mstatus, FS_DIRTY);
    for (u64 run = 0; run < RUNS && news < NEWS; run++) {
        copy(copies, from, from + WORDS);
        for (u64 cell = 0; cell < CELLS; cell++) {
            const volatile u64 *seen = copies + cell * LINE;

            if (seen[GROUP - 1] < seen[0])
                fail("run, the last element, the first one:", run, seen[GROUP - 1], seen[0]);
        }
        news += copies[0] != last;
        last = copies[0];
        pause(run * 7 % PAUSES);
    }
    ended = 1;
    print("times that something was new: ");
    print_number(news);
    print("\n");
    finish(0);
}
