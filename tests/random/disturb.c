/* tests/random/disturb.c - the hart without a program: changes the code of the others where they ask for it, by stores or by a disk, and disturbs them. */
#include "tests/random/keeper.h"

void disturb(void) __attribute__((noreturn));

static void add_nothing(u64 address)
{
    __asm__ volatile("amoadd.w zero, zero, (%0)" : : "r"(address & ~3ul) : "memory");
}

static void exchange(u64 line)
{
    for (u64 *a = (u64 *)line, *b = (u64 *)(line + TWIN - CODE), i = 0; i < 8; i++) {
        u64 word = a[i];

        a[i] = b[i];
        b[i] = word;
    }
}

/* --- the disk: virtio 1.2, 4.2 (MMIO), 5.2 (block) --- */

enum { MAGIC = 0x000, DEVICE_ID = 0x008, DRIVER_FEATURES = 0x020, DRIVER_FEATURES_SEL = 0x024, QUEUE_SEL = 0x030, QUEUE_NUM = 0x038,
       QUEUE_READY = 0x044, QUEUE_NOTIFY = 0x050, STATUS = 0x070, QUEUE_DESC = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0 };
enum { SLOTS = 8, QUEUE = 4, SECTOR = 512, NEXT = 1, WRITE = 2 };

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

struct rings {
    struct descriptor descriptor[QUEUE];
    u16 driver[2 + QUEUE]; /* flags, index, heads */
    u16 unused[2];
    u16 device[2 + QUEUE * 4];
    struct {
        u32 type, reserved;
        u64 sector;
    } request;
    unsigned char status;
};

#define rings ((volatile struct rings *)RINGS)

static void put_address(volatile u32 *slot, u32 at, volatile void *address)
{
    slot[at / 4] = (u32)(u64)address;
    slot[at / 4 + 1] = 0;
}

/* Its registers, ready for requests; NULL: there is none. */
static volatile u32 *find_disk(void)
{
    for (u64 i = 0; i < SLOTS; i++) {
        volatile u32 *slot = (volatile u32 *)(0x10001000 + i * 0x1000);

        if (slot[MAGIC / 4] != 0x74726976 || slot[DEVICE_ID / 4] != 2)
            continue;
        slot[STATUS / 4] = 3;
        slot[DRIVER_FEATURES_SEL / 4] = 1;
        slot[DRIVER_FEATURES / 4] = 1; /* VERSION_1 */
        slot[STATUS / 4] = 11;
        slot[QUEUE_SEL / 4] = 0;
        slot[QUEUE_NUM / 4] = QUEUE;
        put_address(slot, QUEUE_DESC, rings->descriptor);
        put_address(slot, QUEUE_DRIVER, rings->driver);
        put_address(slot, QUEUE_DEVICE, rings->device);
        slot[QUEUE_READY / 4] = 1;
        slot[STATUS / 4] = 15;
        return slot;
    }
    return 0;
}

/* The sector comes into memory while its hart and the other go on. */
static void read_sector(volatile u32 *disk, u64 sector, u64 address)
{
    volatile struct descriptor *d = rings->descriptor;
    u16 index = rings->driver[1];

    rings->request.type = 0;
    rings->request.sector = sector;
    d[0].address = (u64)&rings->request, d[0].length = 16, d[0].flags = NEXT, d[0].next = 1;
    d[1].address = address, d[1].length = SECTOR, d[1].flags = NEXT | WRITE, d[1].next = 2;
    d[2].address = (u64)&rings->status, d[2].length = 1, d[2].flags = WRITE;
    rings->driver[2 + index % QUEUE] = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    rings->driver[1] = index + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    disk[QUEUE_NOTIFY / 4] = 0;
    while (rings->device[1] == index)
        continue;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void change(volatile u32 *disk, u64 whose, u64 asked)
{
    u64 line = asked & ~63ul, offset = line - CODE - (whose << INSTANCE_SHIFT), twin = (asked & ASKS_TWIN) != 0;

    if (disk && asked & ASKS_DISK)
        read_sector(disk, ((whose * 2 + twin) * TWIN_PAGES * 4096 + offset) / SECTOR, line & -(u64)SECTOR);
    else
        exchange(line);
}

/* For about so many turns. */
static void do_what_is_asked(volatile u32 *disk, u64 turns)
{
    for (u64 n = 0; n < turns; n++) {
        u64 whose = n & 1, *asks = (u64 *)(STATE + (whose << INSTANCE_SHIFT)) + STATE_ASKS, asked = __atomic_load_n(asks, __ATOMIC_ACQUIRE);

        if (!asked)
            continue;
        change(disk, whose, asked);
        __atomic_store_n(asks, 0, __ATOMIC_SEQ_CST);
        if (asked & ASKS_CALL)
            MSIP[whose] = 1;
    }
}

/*
 * What a hart without a program does to those that have one, at random times: it calls them, and writes over their code, tables and data what is
 * there, by AMOs, so that nothing they store is lost.
 */
void disturb(void)
{
    volatile u32 *disk = find_disk();

    while (state[STATE_CALM])
        do_what_is_asked(disk, 2);
    for (;;) {
        u64 whose = random_below(2) << INSTANCE_SHIFT, code = (random_below(4) ? CODE : TWIN) + random_below(TWIN_PAGES) * 4096 + whose;

        switch (random_below(8)) {
        case 0:
            MSIP[random_below(2)] = 1;
            break;
        case 1:
            __asm__ volatile("fence.i");
            break;
        case 2:
            add_nothing(TABLES + random_below(2 * SET_SIZE) + whose);
            break;
        case 3:
            add_nothing(DATA + random_below(DATA_PAGES * 4096) + whose);
            break;
        case 4:
            for (unsigned i = 0; i < 4096; i += 64)
                add_nothing(code + i);
            break;
        default:
            add_nothing(code + random_below(4096));
        }
        do_what_is_asked(disk, 1ul << random_below(18));
    }
}
