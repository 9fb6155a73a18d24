/* block/file.h - what the files of the file driver share. */
#ifndef BLOCK_FILE_H
#define BLOCK_FILE_H

#include "block/driver.h"

struct file {
    int fd;
    bool is_device;
    bool threads; /* no io_uring */
    bool no_zeroes, no_discard;
    bool lock, lock_wanted;
    u32 locked_perm, locked_unshared; /* bytes that are locked now */
    int broken_sync;
};

/* block/file_lock.c */
bool block_file_set_perm(struct block_node *node, u32 perm, u32 shared, GError **error);
void block_file_unlock(struct block_node *node); /* before it is closed: all of them */

#endif
