/*
 * accel/tcg/window.h - windows: guest pages mapped where generated code finds them by adding a distance (tcg/backend.h), for contexts that run for long.
 * docs/decisions/windows.md. A context's window is its vCPU's, as its L1 is: what may be there is what may be in the L1, and whoever drops that drops this.
 */
#ifndef ACCEL_TCG_WINDOW_H
#define ACCEL_TCG_WINDOW_H

#include "host/fault.h"

struct chunk;
struct context;
struct tcg;
struct tcg_vcpu;
struct walk;
struct window;

enum { WINDOW_MISSED = 16, WINDOWS = 8 /* per vCPU */ };

/* Of the machine. */
struct windows {
    u8 *nowhere;              /* the host address that regions without an area lead to */
    u32 mappings, areas;      /* atomic: how many there are */
    u32 limit;                /* of mappings */
    struct host_fault_watch watch;
};

/* Of a context. */
struct window_use {
    struct window *window; /* NULL: nothing was mapped yet */
    bool on;               /* its code is of MODE_WINDOW */
    u8 failures;           /* how often it was not worth it */
    s32 samples;           /* that met it while it was not on; below 0: still to come until they count */
    u32 mapped, useless;   /* since the last sample: pages that were mapped, and faults after which nothing could be */
    s64 credit;            /* ns that mappings may still cost */
};

/* Of a vCPU. */
struct window_faults {
    bool pending;          /* the access that C does now faulted; set by the signal handler */
    struct window *owned[WINDOWS];
    const struct context *missed_of; /* the context of: */
    struct {
        u64 page;
        s64 where;
    } missed[WINDOW_MISSED]; /* instructions whose faults were useless */
    u32 missed_count;
    u64 faults, maps, unmaps, emptied, promoted, demoted; /* statistics */
};

/* --- window.c: what is mapped --- */

/* Addresses for a region, with nothing there, nor within reach before and behind. NULL: the host has none left. */
u8 *tcg_window_reserve(void);
void tcg_window_release(u8 *area); /* NULL is fine */
/* A context's distances lead nowhere. */
void tcg_window_init(struct tcg *tcg, struct context *context);
/* Nothing is mapped in it any more. */
void tcg_window_empty(struct tcg_vcpu *v, struct context *context);
/* So do the areas go. */
void tcg_window_destroy(struct tcg_vcpu *v, struct context *context);
void tcg_window_drop_page(struct tcg_vcpu *v, struct context *context, u64 va);
/* No mapping of the RAM at this host address can be written by. */
void tcg_window_drop_writes(struct tcg_vcpu *v, struct context *context, const u8 *host_page);
/* The page at va, which *walk is, may be accessed as the L1 says: it is mapped. False: it is not to be, or cannot be. */
bool tcg_window_map(struct tcg_vcpu *v, u64 va, bool write, const struct walk *walk);

/* --- window_use.c: when, and for whom --- */

/* False: the host cannot, or the properties contradict each other. */
bool tcg_windows_start(struct tcg *tcg, GError **error);
void tcg_windows_stop(struct tcg *tcg);
/* The context belongs to another address space from now on. */
void tcg_window_leave(struct tcg_vcpu *v, struct context *context);
/* It was cleared. */
void tcg_window_begin(struct tcg_vcpu *v, struct context *context);
/* The access that C is doing faulted, and needs the page at va, which *walk is. where: of the instruction. */
void tcg_window_faulted(struct tcg_vcpu *v, u64 va, bool write, const struct walk *walk, s64 where);
/* A sample met the vCPU on its way to pc, `spent` ns after the last one. True: the mode of its code is another one now, or blocks were killed. */
bool tcg_window_sampled(struct tcg_vcpu *v, u64 pc, s64 spent);
/* What the back end just emitted into the chunk may fault. translate_lock. */
void tcg_window_note_faults(struct tcg *tcg, struct chunk *chunk);

#endif
