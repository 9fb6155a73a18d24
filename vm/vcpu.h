/*
 * vm/vcpu.h - virtual CPUs: the table of functions by which target/ describes a guest CPU (struct cpu_class), by which
 * accel/ runs it (struct accel_class), and the life cycle in between: one thread per vCPU that runs, halts, stops.
 */
#ifndef VM_VCPU_H
#define VM_VCPU_H

#include "base/types.h"
#include "host/lock.h"
#include "host/thread.h"
#include "vm/line.h"
#include "vm/object.h"

struct vm;
struct vcpu;
struct epoch_reader;
struct ram_block;
struct ir_block;
struct quick_insn;
struct ir_reg;

enum mmu_access { MMU_READ, MMU_WRITE, MMU_FETCH };

/* Where a vCPU's addresses are translated: all that decides what an address means and what code may do. */
struct mmu_context {
    u64 root;   /* root table and paging mode (riscv: satp without ASID); 0: addresses are physical, fences do not matter */
    u32 asid;
    u32 mode;   /* privilege, effective privilege, SUM, MXR, FP off, breakpoints ...: the guest's own bits */
};

enum { MMU_KINDS = 32, MMU_NO_KIND = 255 };

/* What one address means. Pages are 4 KiB. */
struct mmu_page {
    u64 physical;      /* of the 4 KiB page */
    u64 leaf_size;     /* bytes of the leaf that maps it (4096, 2 MiB ...); a fence on any address in it drops it */
    bool read, write, execute; /* what may be cached for this context; write is false while D must still be set */
    bool uncached;     /* permissions change inside the page (PMP): check every access, cache nothing */
    bool global;       /* the leaf is the same in all address spaces: a fence for one of them leaves it */
    u8 kind;           /* 0..31: a number for the leaf's own permissions, which cpu_class.permissions explains for each mode;
                          MMU_NO_KIND: they hold for this context alone */
    u32 fault;         /* 0: fine; else the guest's cause, for cpu_class.fault */
    u64 fault_info;    /* guest's own: second address of a nested fault ... */
};

/* An invalidation that the guest's fences ask for. */
struct mmu_flush {
    bool one_address;
    u64 address;
    bool one_asid;
    u32 asid;
    bool everything; /* what protects physical addresses changed too */
};

/* Where a translation goes on at a jump whose targets lie in the page. */
enum code_way {
    CODE_STOP, CODE_NEXT, CODE_TARGET,
    CODE_BOTH,      /* target and next are translated: the target lies ahead */
    CODE_BACK,      /* the same, to one of `heads` that lies behind */
    CODE_BACK_ONLY, /* ... and next leaves the block */
};

/* Code bytes for the front end. */
struct code_source {
    const u8 *page;        /* host bytes of the page, */
    u32 more;              /* and so many behind it, of the next page: 0, or 4096 with `follow` */
    u32 offset;            /* of the first instruction: 0..4095 */
    const u8 *next_page;   /* bytes of the next page by virtual address, or NULL: not walked yet */
    u32 mode;              /* struct mmu_context.mode */
    u32 max_insns;         /* at most so many instructions (1: one-insn mode) */
    bool single_memory;    /* no grouped checks and no shortcuts that would come back here: the variant for where those failed */
    /*
     * Whether translation should stop before this offset (known entry, breakpoint). May be NULL. It is asked where `stops`, a bit for each
     * two bytes of the page, has one; NULL: everywhere.
     */
    bool (*stop_before)(void *opaque, u32 offset);
    const u64 *stops;
    /*
     * What a translation over several branches does at one, at `at`, with the way to `target`, which may lie outside of what there is to read (then
     * it is never CODE_TARGET nor CODE_BOTH), and the one to `next` (the same for a jump that is always taken): the other way, if there is one, leaves the block. NULL: blocks end at branches.
     */
    enum code_way (*follow)(void *opaque, u32 at, s32 target, u32 next);
    bool unfactor;    /* a jump in the page, also back, may be followed where a computed jump is near: each way there has a jump of its own, which hosts predict better */
    const u64 *heads; /* with follow: where loops inside begin, a bit for each two bytes */
    void *opaque;
};

enum translate_result {
    TRANSLATE_OK,
    TRANSLATE_NEEDS_NEXT_PAGE, /* the first instruction crosses the page and next_page is NULL */
};

enum cpu_register_kind { CPU_REGISTER_INT, CPU_REGISTER_FLOAT, CPU_REGISTER_CSR, CPU_REGISTER_CODE, CPU_REGISTER_DATA };

/* For gdb, the monitor, tests. */
struct cpu_register {
    const char *name;
    const char *feature;  /* gdb target-description feature it belongs to: "org.gnu.gdb.riscv.cpu" */
    const char *gdb_type; /* "int", "code_ptr", "data_ptr", "ieee_double" ... */
    const char *group;    /* gdb group: "general", "float", "csr" */
    u16 bits;
    u16 number;           /* gdb register number */
    u32 cookie;           /* the CPU's own */
};

struct cpu_class {
    u32 guest;               /* enum vm_guest */
    const char *arch;        /* "riscv64" */
    const char *gdb_arch;    /* "riscv:rv64" */
    u64 state_size;          /* of the architectural state in the arena */
    u32 line_count;          /* inputs: interrupt numbers 0..line_count-1 */
    u32 timer_count;         /* of vcpu_timer slots */
    u32 data_modes;          /* bits of mmu_context.mode that only loads and stores depend on: code is the same whatever they are */
    /* Offsets in the state, for accel/tcg. */
    s32 state_pc;            /* u64 */
    const struct ir_reg *regs; /* what translated code gets and puts */
    u32 reg_count;
    const u16 *pinned;       /* indices into regs in order of preference */
    u32 pinned_count;
    const u16 *pinned_fp;    /* the same for registers of type f64 */
    u32 pinned_fp_count;
    u16 stack_pointer; /* register (index into regs) that most code uses as such: its accesses ask first for its last page. IR_NONE: none */
    s32 state_fp_rounding, state_fp_flags; /* offsets of u8: code_layout.fp_rounding, fp_flags */
    const struct ir_helper *const *helpers; /* that translate makes calls of, NULL-terminated; may be NULL */
    s32 state_vectors, state_vector_length; /* of code_layout.vectors, vector_length; unused where no vector op is translated */
    /* Once the properties are set: checks them, and sets those that follow from them, as realize does. NULL: there is nothing to do. */
    bool (*complete)(struct vm_object *cpu, GError **error);

    /* The vCPU's own thread, or the main loop while it is stopped. */
    void (*reset)(struct vcpu *vcpu);
    enum translate_result (*translate)(struct vcpu *vcpu, struct ir_block *block, const struct code_source *source);
    /*
     * The same as quick code (tcg/quick.h), which goes by mode and bytes alone: how many entries of `out` it took, QUICK_MAX at most; 0: there is none for the
     * instruction at the source's offset. May be NULL.
     */
    u32 (*quick)(struct vcpu *vcpu, struct ir_block *block, const struct code_source *source, struct quick_insn *out);
    /* A hash of the CPU's configuration: what translate goes by beside the mode and the code's bytes. NULL: translations cannot be kept. */
    u64 (*configuration)(struct vcpu *vcpu);
    void (*context)(struct vcpu *vcpu, struct mmu_context *context);
    /* Walks for an access of `size` bytes that lies within one page. debug: no A/D updates, no permission checks, no side effects. */
    void (*walk)(struct vcpu *vcpu, u64 address, unsigned size, enum mmu_access access, bool debug, struct mmu_page *page);
    /* Which kinds of leaves (bits by mmu_page.kind) a context of this mode may read, write, fetch from: may[enum mmu_access]. NULL: none. */
    void (*permissions)(u32 mode, u32 may[3]);
    /* Takes the trap for a failed access; the state's pc is that of the instruction. */
    void (*fault)(struct vcpu *vcpu, u64 address, enum mmu_access access, const struct mmu_page *page);
    /* Cause for an access that reached nothing or was refused by a device (`page` gets fault). */
    void (*bus_error)(struct vcpu *vcpu, u64 address, enum mmu_access access, struct mmu_page *page);
    /* Cause for an AMO or exclusive that is misaligned. */
    void (*misaligned)(struct vcpu *vcpu, u64 address, enum mmu_access access, struct mmu_page *page);
    /* Whether something ends a halt (RISC-V: a pending interrupt enabled in mie, whatever mstatus says). Own thread. */
    bool (*has_work)(struct vcpu *vcpu);
    /* Takes a pending enabled interrupt, if any: true when the pc changed. */
    bool (*take_interrupt)(struct vcpu *vcpu);
    /* An input line changed, any thread: make it visible to has_work/take_interrupt atomically. The vCPU is kicked afterwards. */
    void (*line_changed)(struct vcpu *vcpu, u32 number, u32 level);
    /* Another vCPU may have stored meanwhile: exclusives that are under way shall fail. Own thread. May be NULL. */
    void (*lose_reservation)(struct vcpu *vcpu);
    /* What time_delta leads to is another value now. Own thread. May be NULL. */
    void (*time_changed)(struct vcpu *vcpu);
    /* A vcpu_timer slot expired, in the vCPU's thread. */
    void (*timer_expired)(struct vcpu *vcpu, u32 slot);
    u64 (*get_pc)(struct vcpu *vcpu);
    void (*set_pc)(struct vcpu *vcpu, u64 pc);

    /* Stopped vCPU. Values little-endian, bits/8 bytes (at most 64). */
    const struct cpu_register *(*registers)(struct vcpu *vcpu, u32 *count);
    bool (*read_register)(struct vcpu *vcpu, const struct cpu_register *reg, void *value);
    bool (*write_register)(struct vcpu *vcpu, const struct cpu_register *reg, const void *value);
    char *(*describe)(struct vcpu *vcpu);      /* info registers; the caller frees */
    char *(*describe_mem)(struct vcpu *vcpu);  /* info mem */
    char *(*describe_tlb)(struct vcpu *vcpu);  /* info tlb */
    /* One instruction as text; returns its length, 0 when bytes are missing. */
    u32 (*disassemble)(const u8 *bytes, u32 available, u64 address, char *text, u32 text_size);
};

/*
 * The host part of a vCPU just below its state, in the same pages, so that generated code reaches both from one base
 * pointer: struct vcpu_host *host = (struct vcpu_host *)state - 1. Never saved.
 */
struct vcpu_host {
    u64 fp_area[16];   /* of the back end */
    u64 scratch[4];
    s64 icount;
    u8 *base;          /* base pointer of the active translation context */
    u32 fp_live;       /* of the back end: 0 outside generated code */
    u32 fp_spare;
    u64 spill[3];      /* of the back end */
    u64 pc_page;
    struct vcpu *vcpu;
    u32 exit_request;  /* atomic: non-zero: leave generated code at the next poll */
    u32 loop_entries;  /* of the back end: how often loops of tier 2 were entered; wraps */
    u64 returns[3];    /* struct tcg_returns */
} __attribute__((aligned(128)));
_Static_assert(sizeof(struct vcpu_host) == 256, "all but fp_area within disp8 below the base pointer");

/*
 * Bytes of a vCPU's slot in the arena below its state: struct vcpu_host at their end, below it the back end's own. Where in a page the state
 * begins is what accel/tcg wants of base pointers (tcg_base_place()).
 */
enum { VCPU_STATE_PREFIX = 12288 + 3584, VCPU_MAX_TIMERS = 4 };

/* Of the slot: whole pages. */
static inline u64 vcpu_slot_size(const struct cpu_class *cpu)
{
    return (VCPU_STATE_PREFIX + cpu->state_size + 4095) & ~UINT64_C(4095);
}

enum vm_watch { VM_WATCH_READ = 1, VM_WATCH_WRITE = 2, VM_WATCH_ACCESS = 3 };

/*
 * Guest memory for helpers of translated code that the guest's pc was stored for: by virtual address, as the instruction's own access.
 * The vCPU's own thread.
 */
struct vcpu_memory {
    /* Host bytes of size (at least 1) at address that may be read (write: and written) right now; NULL: not so, or over a page's end. */
    u8 *(*direct)(struct vcpu *vcpu, u64 address, u64 size, bool write);
    /* 1, 2, 4 or 8 bytes, any alignment. False: left, by a trap or for the debugger; the helper leaves too. */
    bool (*load)(struct vcpu *vcpu, u64 address, unsigned size, u64 *value);
    bool (*store)(struct vcpu *vcpu, u64 address, unsigned size, u64 value);
    /* Whether a load would find RAM; takes no trap. */
    bool (*readable)(struct vcpu *vcpu, u64 address, unsigned size);
    /*
     * 16 bytes at a multiple of 16, as one atomic access: when they equal `expected` they become `desired`; `old` is what was there. Words are
     * little-endian, the lower one first; what is not aligned faults as a store does.
     */
    bool (*cas128)(struct vcpu *vcpu, u64 address, const u64 expected[2], const u64 desired[2], u64 old[2]);
};

/* Why a vCPU stopped last, for gdb. */
struct vcpu_stop {
    enum { VCPU_STOP_NONE, VCPU_STOP_BREAKPOINT, VCPU_STOP_WATCHPOINT, VCPU_STOP_STEP, VCPU_STOP_BUDGET } kind;
    u64 address;
    enum vm_watch watch;
};

enum vcpu_step { VCPU_STEP_OFF, VCPU_STEP_ONE };

/*
 * The part of an interrupt controller that belongs to one vCPU, which reaches it by registers of its own instead of memory. Given to the
 * vCPU while the machine is built. RISC-V: the interrupt files of an IMSIC, port 0 machine level, port 1 supervisor level; registers are
 * numbered as for miselect (AIA specification, section 3.8), VCPU_PORT_TOP is what mtopei reads.
 */
enum { VCPU_PORTS = 2, VCPU_PORT_TOP = 0 };

struct vcpu_port {
    /* What register `number` holds goes to *old (all bits of it 0 where there is none), then its bits in mask become those of value. Any thread. */
    void (*access)(void *opaque, u32 number, u64 *old, u64 value, u64 mask);
    void *opaque; /* access NULL: there is nothing */
};

struct vcpu {
    struct vm_object object;
    struct vm *vm;
    const struct cpu_class *cpu;
    u32 index;               /* 0.. in order of creation */
    void *state;             /* architectural state, in the arena; page-aligned; the page before it is the host part */
    struct vcpu_host *host;
    struct line *line;       /* cpu->line_count inputs */
    void *accel;             /* the accelerator's own */
    const struct vcpu_memory *memory; /* of the accelerator */
    struct epoch_reader *reader;
    u64 executed;            /* statistics */
    bool counting;           /* instructions are counted; set while stopped */
    u64 granted;             /* of all budgets so far: host->icount of them are left */
    s64 counting_since;      /* virtual ns */

    /* Life cycle; under `lock` unless atomic. */
    struct host_thread thread;
    struct host_lock lock;
    struct host_cond wake;
    u64 thread_id;
    bool halted;             /* atomic: WFI; cleared when has_work */
    bool stop, stopped;      /* asked to stop; has stopped */
    bool quit;
    bool outside;            /* not in guest code nor holding pointers */
    u32 sleeping;            /* atomic: waits on `wake`, so a kick must signal it */
    GQueue work;             /* posted functions */
    enum vcpu_step step;     /* gdb: set while stopped */
    struct vcpu_stop stop_reason;
    bool told;               /* gdb: it is where the debugger was told that it stopped: that breakpoint is left, others are come to. Set while stopped */
    u64 told_pc;
    bool held;               /* gdb: stays stopped when the machine goes on; set while stopped */
    struct vcpu_port port[VCPU_PORTS];
    const u64 *time_delta;   /* atomic: what software added to the machine's timer, in ticks, so to the CPU's view of it; NULL: nothing. Set while the machine is reset */
    s64 timer_deadline[VCPU_MAX_TIMERS]; /* atomic; virtual ns, INT64_MAX: none */
    s64 armed;               /* host alarm, virtual ns; INT64_MAX: none */
    void *alarm;             /* host timer that sets exit_request */
};

/* Accelerators register themselves as classes whose data is a struct accel_class ("tcg-accel"). */
struct accel {
    struct vm_object object; /* properties: tb-size, thread ... */
    const struct accel_class *accel_class;
    bool ram_in_file;        /* set by start: wants to map the machine's RAM elsewhere, too (vm_ram_can_alias) */
};

struct accel_class {
    const char *name;        /* "tcg" */
    const char *description;
    bool (*present)(u32 guest);                          /* usable on this host for this guest */
    bool (*start)(struct accel *accel, GError **error);  /* when chosen, before vCPUs exist */
    bool (*vcpu_create)(struct vcpu *vcpu, GError **error);
    void (*vcpu_destroy)(struct vcpu *vcpu);
    /* Runs guest code until exit_request, a halt, or a step is done. The vCPU's thread, inside the epoch, no lock. */
    void (*vcpu_run)(struct vcpu *vcpu);
    /* State was changed from outside (reset, gdb, load) while stopped. */
    void (*vcpu_state_changed)(struct vcpu *vcpu);
    /* The guest asked for an invalidation on this vCPU (own thread). */
    void (*mmu_flush)(struct vcpu *vcpu, const struct mmu_flush *flush);
    /* What data addresses mean changed, and nothing else that code depends on (own thread, from a helper with IR_HELPER_SWITCHES).
       False: code must be left. */
    bool (*data_context_changed)(struct vcpu *vcpu);
    /* Bytes of RAM changed behind translations, which are void when this returns: an instruction fence has nothing to do. Any thread. */
    void (*ram_changed)(struct vm *vm, struct ram_block *block, u64 offset, u64 size);
    /* A block of RAM goes away; no view maps it any more. */
    void (*ram_removed)(struct vm *vm, struct ram_block *block);
    /* Breakpoints or watchpoints changed. Machine stopped. */
    void (*breakpoints_changed)(struct vm *vm);
    char *(*describe)(struct vm *vm);                    /* info jit; the caller frees */
    bool manual_clock;                                   /* qtest */
    bool counts;                                         /* can count instructions: vcpu_count */
};

struct accel *vm_accel(struct vm *vm);
void vm_set_accel(struct vm *vm, struct accel *accel);

/* CPU classes: "rv64-riscv-cpu" etc., instances of which embed struct vcpu; class->data is the struct cpu_class. */
/* For a CPU class's init: allocates state, lines, host part. */
bool vcpu_init(struct vcpu *vcpu, const struct cpu_class *cpu, GError **error);
void vcpu_finish(struct vcpu *vcpu);
/* Creates `model[,properties]` below parent. Boards call it. NULL with error and hint. */
struct vcpu *vcpu_create(struct vm *vm, const char *model_and_properties, struct vm_object *parent, const char *name, GError **error);

u32 vm_vcpu_count(const struct vm *vm);
struct vcpu *vm_vcpu(const struct vm *vm, u32 index); /* NULL beyond */
struct vcpu *vcpu_current(void);                      /* of this thread; NULL elsewhere */

/* Starts the threads (stopped). Main loop. */
bool vm_vcpus_start(struct vm *vm, GError **error);
/* Asks all to stop and waits; machine lock held, dropped while waiting. */
void vm_vcpus_stop(struct vm *vm);
void vm_vcpus_resume(struct vm *vm);

/* Makes a vCPU leave guest code or its sleep soon. Any thread, signal-safe but for the wake-up of a sleeper. */
void vcpu_kick(struct vcpu *vcpu);
/* Halts until has_work (WFI). The vCPU's own thread; returns at once, accel->vcpu_run must then return. */
void vcpu_halt(struct vcpu *vcpu);

/*
 * Runs fn(vcpu, opaque) for each vCPU of the set (NULL: all) at its next safepoint, in its thread, or at once in the
 * caller's thread for those outside; returns when all are done. The caller may be a vCPU thread (its own runs at once)
 * and must hold no lock of rank >= MACHINE but may hold the machine lock.
 */
void vm_handshake(struct vm *vm, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque);
/* As above, but does not wait; fn runs before the vCPU executes on, in its thread (in main's when it is reset first). */
void vcpu_post(struct vcpu *vcpu, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque, GDestroyNotify free_opaque);
/*
 * vCPU thread, at a safepoint with exit_request set: clears it, runs what was posted, parks for exclusives, fires timers.
 * False: vcpu_run must return (stop, halt, reset, end).
 */
bool vcpu_safepoint(struct vcpu *vcpu);
/* All vCPUs parked outside guest code while fn runs, and nobody shakes hands. fn takes no lock that others hold meanwhile. Any vCPU thread or the main loop. */
void vm_exclusive(struct vm *vm, void (*fn)(void *opaque), void *opaque);
/* vCPU thread: declares itself outside (before a lock, a sleep, a blocking call), and comes back (may wait for exclusives). */
void vcpu_enter_outside(struct vcpu *vcpu);
void vcpu_leave_outside(struct vcpu *vcpu);

/* The vCPU's own timers, fired in its thread: deadline in virtual ns; INT64_MAX disarms. Any thread. */
void vcpu_timer_set(struct vcpu *vcpu, u32 slot, s64 deadline);
/* Runs expired ones; own thread; returns the next deadline. */
s64 vcpu_timers_run(struct vcpu *vcpu);

/* Guest virtual memory for gdb and the monitor. Stopped or own thread. False: not mapped. */
bool vcpu_read_memory(struct vcpu *vcpu, u64 address, void *to, u64 size);
bool vcpu_write_memory(struct vcpu *vcpu, u64 address, const void *from, u64 size);

/* Breakpoints by virtual address, watchpoints; kept per vm. Machine stopped. */
bool vm_breakpoint_add(struct vm *vm, u64 address);
bool vm_breakpoint_remove(struct vm *vm, u64 address);
bool vm_has_breakpoint(const struct vm *vm, u64 address);
bool vm_has_breakpoint_in_page(const struct vm *vm, u64 page_address);
bool vm_has_breakpoints(const struct vm *vm);
bool vm_watchpoint_add(struct vm *vm, u64 address, u64 size, enum vm_watch kind);
bool vm_watchpoint_remove(struct vm *vm, u64 address, u64 size, enum vm_watch kind);
/* Whether an access of this vCPU hits one; the address hit goes to *address. */
bool vm_watchpoint_hit(const struct vm *vm, u64 va, u64 size, enum mmu_access access, u64 *address, enum vm_watch *kind);
bool vm_has_watchpoint_in_page(const struct vm *vm, u64 page_address);
void vm_debug_clear(struct vm *vm); /* all of both */
/*
 * Counts instructions exactly from now on, which is slower, and lets the vCPU execute `budget` (> 0) of them before it stops as for a
 * debugger (VCPU_STOP_BUDGET); again: another budget. Counting lasts as long as the vCPU. Stopped. False: the accelerator cannot.
 */
bool vcpu_count(struct vcpu *vcpu, s64 budget);
/*
 * Instructions retired since then: one that traps is none. Own thread or stopped. From a helper of translated code the one that is under
 * way is counted already; helpers that take a trap give it back by vcpu_not_retired.
 */
u64 vcpu_retired(const struct vcpu *vcpu);
static inline void vcpu_not_retired(struct vcpu *vcpu)
{
    vcpu->host->icount += vcpu->counting;
}

/*
 * The vCPU's own thread, at a breakpoint, a watchpoint or after a step: notes why, ends stepping, makes this vCPU stop as
 * soon as vcpu_run returns and the machine soon after (VM_EVENT_DEBUG, then VM_EVENT_STOP).
 */
void vcpu_debug_stop(struct vcpu *vcpu, const struct vcpu_stop *why);
#endif
