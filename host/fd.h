/* host/fd.h - small things about file descriptors. Any thread. */
#ifndef HOST_FD_H
#define HOST_FD_H

#include "base/types.h"
#include <glib.h>

/*
 * A second, non-blocking, close-on-exec descriptor for writing to the terminal or pipe behind `fd`,
 * with an open file description of its own: O_NONBLOCK on the shared one would change the shell's
 * too. -1 when that is impossible (a file, a socket, no permission). The caller closes it.
 */
int host_fd_reopen_for_writing(int fd);

/* True when a write of a few bytes will not block now. */
bool host_fd_is_writable(int fd);

/* As many descriptors for the process as it may have; the number. */
u64 host_fd_raise_limit(void);
/* It was there when the process began, and nobody has made it his own: whatever is opened here is close-on-exec. */
bool host_fd_is_inherited(int fd);
/* Makes a descriptor that somebody named by its number the caller's. False: it is not inherited, but perhaps somebody else's here. */
bool host_fd_adopt(int fd);
/* For host_fd_adopt by whoever is told the number. */
void host_fd_release(int fd);
/* Close-on-exec; -1 with errno. */
int host_fd_copy(int fd);
bool host_fd_is_socket(int fd);
/* What is behind it, the same as long as it is open; 0: it is not. */
u64 host_fd_identity(int fd);

/* Opens a file, device or named pipe for reading without blocking; -1 with error. */
int host_fd_open_for_reading(const char *path, GError **error);
/* Bytes read, 0 at the end or when it is broken, -1: nothing now. */
s64 host_fd_read(int fd, void *to, u64 size);
/* -1 is fine. */
void host_fd_close(int fd);
bool host_fd_set_nonblocking(int fd, GError **error);

#endif
