/* tests/ir/run.h - runs blocks on back ends, and the parts of ir-test. */
#ifndef TESTS_IR_RUN_H
#define TESTS_IR_RUN_H

#include "tests/ir/machine.h"

/* A back end with its engine and room for one block at a time. */
struct runner {
    const struct tcg_backend *backend;
    struct tcg_engine *engine;
    struct tcg_engine *maker;  /* another one that emits; what it saved is restored in the first. NULL: the first does */
    void *saved;
    u8 note[16 * 1024];
    struct tcg_link maker_link[2 * IR_MAX_EXITS];
    u64 loads;                 /* blocks so far */
    struct ir_block *prepared; /* the block as the back end's prepare left it */
    struct tcg_code code;
    struct tcg_link link[IR_MAX_EXITS];
    bool single; /* the last run left because a check of several accesses failed: state pc is of the first one's instruction */
};

/* By name: "interp", "x86_64" or, with less of the host, "x86_64:1" to "x86_64:4" (all but the first: "x86_64:N:moved"), "reference"; NULL when
   there is none. */
struct runner *runner_create(const char *backend);
void runner_destroy(struct runner *r);
/* Emits the block at the start of the buffer; false: it did not fit. */
bool runner_load(struct runner *r, const struct ir_block *block);
/* Loads and runs from the indirect entry; a link or miss is reported with the state pc at the target. */
enum tcg_leave runner_run(struct runner *r, struct machine *m, const struct ir_block *block);
/* TCG_LEAVE_LINK out of the page counts as a miss. */
enum tcg_leave runner_reason(enum tcg_leave leave, const struct tcg_link *link);

/* The interpreter and the back end to be tested, each with a machine: what both make of one block. */
struct sides {
    struct runner *plain, *tested;
    struct machine *expected, *m;
    struct ir_block *b;
    bool host; /* the tested one makes code of the host */
};

/* False, with nothing to close: there is no such back end, which has been said, or it has no engine. */
bool sides_open(struct sides *sides, const char *backend);
void sides_close(struct sides *sides);

/* All passes in order, each verified; false and a message when one breaks the contract. */
bool run_passes(struct ir_block *block, GError **error);
const struct ir_pass *find_pass(const char *name);
void copy_block(struct ir_block *to, const struct ir_block *from);

struct test_options {
    const char *backend;
    u64 seed, count, length;
    const char *dump; /* a log of -d ir, for speed */
    const char *image; /* RISC-V code, for speed; --seed first page, --length pages, --count rounds */
    bool quick;        /* as quick code where that can be */
    bool verbose;
};

/* Each returns the number of failures. */
unsigned test_ops(const struct test_options *options);
unsigned test_random(const struct test_options *options);
unsigned test_loops(const struct test_options *options);
unsigned test_strips(const struct test_options *options);
unsigned test_links(const struct test_options *options);
unsigned test_text(const struct test_options *options);
unsigned test_faults(const struct test_options *options);
unsigned test_once(const struct test_options *options); /* back ends of generated code */
unsigned test_damage(const struct test_options *options);
unsigned test_apart(const struct test_options *options);
unsigned test_speed(const struct test_options *options);
unsigned speed_image(const struct test_options *options);
unsigned test_file(const char *path);

#endif
