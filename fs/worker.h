/*
 * fs/worker.h - a 9P server on a thread of its own: calls into the host's file system may take any time, and nobody waits for
 * them. Requests are carried out one after the other, in order.
 */
#ifndef FS_WORKER_H
#define FS_WORKER_H

#include "fs/p9.h"

struct p9_worker;

/* The outcome of a request: an answer, or NULL when there is none (nonsense, or a reset came between). In the worker's thread. */
typedef void p9_done(void *opaque, void *request, GByteArray *answer);

/* Opens the folder. NULL with *error. */
struct p9_worker *p9_worker_create(const struct fs_options *options, p9_done *done, void *opaque, GError **error);
/* Waits for the request that is being carried out; those behind it come back without an answer. NULL is fine. */
void p9_worker_destroy(struct p9_worker *worker);

/* Takes over a message (a GByteArray). room: bytes for the answer. Any thread. */
void p9_worker_submit(struct p9_worker *worker, GByteArray *message, u32 room, void *request);
/* paused: nothing new is begun; what is being carried out goes on. Does not wait. */
void p9_worker_pause(struct p9_worker *worker, bool paused);
/* All files of the client are closed once what is under way is done; what waits comes back without an answer. Does not wait. */
void p9_worker_reset(struct p9_worker *worker);

#endif
