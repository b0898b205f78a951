/*
 * await/file.h - files and folders: the POSIX calls that work on them, as calls that suspend.
 *
 * aw_openat(), aw_pread(), aw_pwrite() and aw_close() are in await/io.h, with what is said there of
 * results, errors and cancellation: a call that has begun with a disk cannot be broken off, and
 * returns its effect.  With io_uring most of them are done by the kernel; the others, and with
 * epoll all, by a thread of the loop's pool (await/executor.h), with the errors of aw_to_thread()
 * too.
 *
 * Every call suspends, and gives the errors of the call it is named after, negated; -ECANCELED,
 * having done nothing; AW_EMISUSE outside a task; -EINVAL for a NULL pointer.  A directory is a
 * descriptor, or AT_FDCWD.  What is pointed to stays in place until the call returns.
 */
#ifndef AWAIT_FILE_H
#define AWAIT_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "await/task.h"

struct iovec; /* <sys/uio.h> */
struct statx; /* <sys/stat.h>, with _GNU_SOURCE */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- contents ---- */

/* preadv(2) and pwritev(2): aw_pread() and aw_pwrite() with several buffers, at most 1,024.  Fewer
 * bytes than asked for may come, as at the end of the file, where it is 0. */
AW_API ssize_t aw_preadv(int fd, const struct iovec *v, int n, int64_t offset) AW_MUST_USE;
AW_API ssize_t aw_pwritev(int fd, const struct iovec *v, int n, int64_t offset) AW_MUST_USE;

/* fsync(2): 0 when everything that was written to the file is on the disk; aw_fdatasync(): what is
 * needed to read it back. */
AW_API int aw_fsync(int fd) AW_MUST_USE;
AW_API int aw_fdatasync(int fd) AW_MUST_USE;

/* fallocate(2): room on the disk for n bytes from `offset` on, or what else `mode` says. */
AW_API int aw_fallocate(int fd, int mode, int64_t offset, int64_t n) AW_MUST_USE;

/* Send up to n bytes of the file `in`, from `offset` on, to `out`: how many were sent, at least
 * one; 0 at the end of the file.  Neither file's position matters or is moved, but for `out`'s as
 * with aw_write().  Suspends until there is room.
 *
 * Where `out` is non-blocking, the bytes go from the page cache to the socket or pipe without being
 * copied, by sendfile(2): a thread of the pool does it, so that a cold page keeps nobody else
 * waiting, a piece of at most 1 MiB for each call.  Elsewhere they are read and written, in pieces
 * of at most 64 KiB.  No other task may be sending on `out` meanwhile: it would send in between.
 * With -ECANCELED nothing was sent.  SIGPIPE is the program's business, as with aw_write(). */
AW_API ssize_t aw_sendfile(int out, int in, int64_t offset, size_t n) AW_MUST_USE;

/* ---- names ---- */

/* statx(2): what `mask` asks for about `path`; flags such as AT_SYMLINK_NOFOLLOW, or AT_EMPTY_PATH
 * with "" for the descriptor itself. */
AW_API int aw_statx(int dir, const char *path, int flags, unsigned mask,
                    struct statx *ret) AW_MUST_USE;

/* renameat2(2): at once for all who look; `flags` such as RENAME_NOREPLACE. */
AW_API int aw_renameat(int from_dir, const char *from, int to_dir, const char *to,
                       unsigned flags) AW_MUST_USE;

/* unlinkat(2): remove a name; a folder, which has to be empty, with AT_REMOVEDIR. */
AW_API int aw_unlinkat(int dir, const char *path, int flags) AW_MUST_USE;

/* mkdirat(2): make a folder. */
AW_API int aw_mkdirat(int dir, const char *path, unsigned mode) AW_MUST_USE;

/* ---- folders ---- */

/* An open folder, read from its beginning to its end. */
typedef struct aw_dir aw_dir;

/* A name in it.  It is valid until the next call with the folder. */
typedef struct aw_dirent {
    const char *name;
    uint64_t ino;
    unsigned char type; /* DT_REG, DT_DIR, ... of <dirent.h>; DT_UNKNOWN: ask aw_statx() */
} aw_dirent;

/* Open a folder for reading.  NULL with aw_errno(): errors of aw_openat(), -ENOTDIR, -ENOMEM.  The
 * caller closes it. */
AW_API aw_dir *aw_dir_open(int dir, const char *path) AW_MUST_USE;

/* The next name, in no particular order, "." and ".." left out: 1, 0 at the end, or an error, after
 * which it may be called again.  Suspends for one call in some hundred: names come in batches. */
AW_API int aw_dir_read(aw_dir *d, aw_dirent *ret) AW_MUST_USE;

/* The folder's descriptor, for the calls above: the folder's own, do not close it. */
AW_API int aw_dir_fd(const aw_dir *d);

/* Give the folder up; NULL is nothing.  Does not suspend.  From any thread, also without a loop. */
AW_API void aw_dir_close(aw_dir *d);

#ifdef __cplusplus
}
#endif
#endif
