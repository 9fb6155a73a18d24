/*
 * host/epoch.h - memory that readers use without locks. A reader thread registers once and declares quiescent points
 * (no pointer kept across them) or that it is outside; retire() frees when every reader has passed one.
 */
#ifndef HOST_EPOCH_H
#define HOST_EPOCH_H

#include "base/types.h"

struct epoch;
struct epoch_reader;

struct epoch *epoch_create(void);
void epoch_destroy(struct epoch *epoch); /* runs all that is still retired */

/* Per thread; starts outside. */
struct epoch_reader *epoch_reader_add(struct epoch *epoch);
void epoch_reader_remove(struct epoch *epoch, struct epoch_reader *reader);
void epoch_enter(struct epoch *epoch, struct epoch_reader *reader);   /* inside from here */
void epoch_leave(struct epoch_reader *reader);                        /* outside: holds nothing */
void epoch_quiesce(struct epoch *epoch, struct epoch_reader *reader); /* inside, but holds nothing right now */

/* fn(ptr) later, in any thread that retires or quiesces. Any thread. */
void epoch_retire(struct epoch *epoch, void *ptr, void (*fn)(void *));
/* Whether something retired waits for readers. Any thread, roughly. */
bool epoch_waits(const struct epoch *epoch);
/* Does what has become possible of it. Any thread. */
void epoch_reclaim(struct epoch *epoch);

#endif
