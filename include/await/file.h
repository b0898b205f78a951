/*
 * await/file.h - files and folders: objects that read and write them, helpers for whole files, and
 * the POSIX calls, as calls that suspend.
 *
 *     char *text;
 *     ssize_t n = aw_read_file("settings.conf", &text, .limit = 1 << 20);
 *     if (n < 0)
 *         fprintf(stderr, "%s\n", aw_errmsg());  // settings.conf: no such file or directory
 *     ...
 *     aw_mem_free(text);
 *
 * First the POSIX calls.
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

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "await/memory.h"
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

/* ---- whole files ----
 *
 * Each is done in one go by a thread of the loop's pool (await/executor.h).  A call that is
 * cancelled before it has begun has no effect; one that has begun comes to its end and returns
 * that, and the cancellation waits for the next suspension point.  Nothing is left open or lying
 * about, however the task ends.
 *
 * Errors: those of the system, with the path and the step in aw_errmsg() ("app.conf: writing at
 * 4096: no space left on device"); -EISDIR for a folder; -EINVAL for a NULL pointer; those of
 * aw_to_thread(); AW_EMISUSE outside a task.  All suspend. */

typedef struct aw_read_file_opts {
    const char *path;
    char **ret;
    size_t limit; /* bytes; 64 MiB */
} aw_read_file_opts;

/* ssize_t aw_read_file(const char *path, char **ret, .limit = bytes): everything that is in a file.
 *
 * How many bytes; *ret points to them, with a NUL behind the last: the caller's, to be given back
 * with aw_mem_free().  AW_ELIMIT when there are more than .limit, -ESPIPE for a pipe or a socket,
 * which would have to be waited for.  After an error *ret is as it was. */
#ifndef __cplusplus
#define aw_read_file(...) aw_read_file_(&(aw_read_file_opts){.path = __VA_ARGS__})
#endif
AW_API ssize_t aw_read_file_(const aw_read_file_opts *opts) AW_MUST_USE;

typedef struct aw_write_file_opts {
    const char *path;
    const void *data;
    size_t n;
    unsigned perm; /* of a new file, less the umask; 0666 */
    bool append;   /* aw_write_file(): behind what is there */
    bool no_sync;  /* aw_replace_file(): do not wait for the disk */
} aw_write_file_opts;

/* int aw_write_file(const char *path, const void *data, size_t n, .perm, .append): make a file with
 * this content, or write over what was in it.  0; after an error a part may be written.  What
 * others must never see in part is for aw_replace_file(). */
#ifndef __cplusplus
#define aw_write_file(...) aw_write_file_(&(aw_write_file_opts){.path = __VA_ARGS__})
#endif
AW_API int aw_write_file_(const aw_write_file_opts *opts) AW_MUST_USE;

/* int aw_replace_file(const char *path, const void *data, size_t n, .perm, .no_sync): the same at
 * once for all who look, and for a machine that loses power: the old content or the new one.
 *
 * The content is written to a temporary file in the same folder, which is brought to the disk,
 * renamed, and the folder brought to the disk.  It keeps the permissions of the file that it
 * replaces, or has exactly .perm; owner and hard links are not kept, and a symbolic link is itself
 * replaced.  0; after an error the old file is as it was and the temporary one removed, unless the
 * words are "writing its folder to the disk": then it is replaced, but perhaps not for good.  A
 * process that is killed may leave a file .await-*.tmp. */
#ifndef __cplusplus
#define aw_replace_file(...) aw_replace_file_(&(aw_write_file_opts){.path = __VA_ARGS__})
#endif
AW_API int aw_replace_file_(const aw_write_file_opts *opts) AW_MUST_USE;

/* Remove a file, or a folder with everything in it; links are removed and not followed.  0, also
 * for what others remove meanwhile; or the first error, and what could be removed has been;
 * -ENOENT when there was nothing of that name. */
AW_API int aw_remove_tree(const char *path) AW_MUST_USE;

/* ---- open files ---- */

/* An open file with a buffer, a position, and a name for its errors: aw_errmsg() says "app.log:
 * writing at 4096: no space left on device".  One task at a time may use it, any of its loop's. */
typedef struct aw_file aw_file;

typedef struct aw_file_open_opts {
    const char *path;
    const char *mode; /* "r", "r+", "w", "w+", "a", "a+" as fopen(3); "x", "x+": a new file */
    int flags;        /* more of open(2): O_NOFOLLOW, O_DSYNC, ...; O_CLOEXEC is always added */
    unsigned perm;    /* of a new file, less the umask; 0666 */
    int dir;          /* the folder that the path begins in; 0: the working directory */
    size_t limit;     /* bytes of a line, for aw_file_readline(); 64 KiB */
} aw_file_open_opts;

/* aw_file *aw_file_open(const char *path, const char *mode, ...options): open a file ("r" if the
 * mode is NULL).  The caller closes it.  NULL with aw_errno(): -EINVAL for a mode that is none, the
 * errors of aw_openat(), -EISDIR, -ENOMEM.  Suspends; when cancelled nothing is left open. */
#ifndef __cplusplus
#define aw_file_open(...) aw_file_open_(&(aw_file_open_opts){.path = __VA_ARGS__})
#endif
AW_API aw_file *aw_file_open_(const aw_file_open_opts *opts) AW_MUST_USE;

/* Errors of the calls that follow, besides those of the system: -EINVAL for a NULL pointer, -EBADF
 * for a file that is not opened for this, -ENOMEM, -ECANCELED, AW_EMISUSE while another task is in
 * a call with the file, or outside a task.  A call that fails or is cancelled loses nothing: what
 * it has not read is still to be read, and what it has taken to be written stays in the buffer. */

/* Up to n bytes, as soon as there are any; 0 at the end.  Suspends only if nothing is buffered. */
AW_API ssize_t aw_file_read(aw_file *f, void *buf, size_t n) AW_MUST_USE;

/* The next line, up to and with its '\n', which the last one may lack: how many bytes *ret points
 * to, which are valid until the next call; 0 at the end.
 *
 * AW_ELIMIT when the line is longer than .limit without its newline.  It is not read into memory:
 * the next aw_file_readline() goes on behind it, aw_file_read() somewhere within.  Suspends as long
 * as there is no line. */
AW_API ssize_t aw_file_readline(aw_file *f, char **ret) AW_MUST_USE;

/* Write n bytes, all of them: into the buffer, and what does not fit into the file.  0; after an
 * error aw_file_tell() tells how many were taken.  Suspends only when the buffer is full. */
AW_API int aw_file_write(aw_file *f, const void *data, size_t n) AW_MUST_USE;

/* Write what is buffered into the file; aw_file_sync() also brings it to the disk, see aw_fsync().
 * 0.  Both suspend. */
AW_API int aw_file_flush(aw_file *f) AW_MUST_USE;
AW_API int aw_file_sync(aw_file *f) AW_MUST_USE;

/* What a position is counted from: the beginning, where it is, the end. */
enum { AW_SEEK_SET, AW_SEEK_CUR, AW_SEEK_END };

/* Where the next byte is read or written, from the beginning.  And go there: the new position;
 * -EINVAL before the beginning; -ESPIPE for a pipe or a terminal.  Writing in the modes "a" and
 * "a+" always goes to the end.  Seeking suspends if something is to be written first, and for the
 * end. */
AW_API int64_t aw_file_tell(const aw_file *f);
AW_API int64_t aw_file_seek(aw_file *f, int64_t offset, int whence) AW_MUST_USE;

/* The descriptor, and the path as it was given: both are the file's own. */
AW_API int aw_file_fd(const aw_file *f);
AW_API const char *aw_file_path(const aw_file *f);

/* Write what is buffered and close.  0, also for NULL; or the first error, also -ECANCELED: then
 * something may not be written, but the file is closed and freed whatever happens, AW_EMISUSE while
 * another task uses it excepted.  Suspends only if something is to be written. */
AW_API int aw_file_close(aw_file *f);

/* Close at once: what is buffered is dropped.  NULL is nothing.  Does not suspend; from any thread,
 * also without a loop, but no task may be in a call with the file. */
AW_API void aw_file_abort(aw_file *f);

/* ---- temporary files and folders ---- */

typedef struct aw_temporary_opts {
    const char *folder;          /* where; NULL: $TMPDIR, else /tmp */
    const char *prefix, *suffix; /* of the name; "await-" and nothing */
    size_t limit;                /* of a file's lines, as with aw_file_open() */
} aw_temporary_opts;

/* aw_file *aw_temporary_file(const char *folder, .prefix, .suffix, .limit): a new file in the
 * folder (NULL: see above), for reading and writing by this user alone, that is removed when it is
 * closed or aborted; aw_file_path() is where it is meanwhile.  NULL with aw_errno(): errors as of
 * whole files.  Suspends; cancelled, it has made none. */
#ifndef __cplusplus
#define aw_temporary_file(...) aw_temporary_file_(&(aw_temporary_opts){.folder = __VA_ARGS__})
#endif
AW_API aw_file *aw_temporary_file_(const aw_temporary_opts *opts) AW_MUST_USE;

/* A folder that is removed with everything in it. */
typedef struct aw_temporary aw_temporary;

/* aw_temporary *aw_temporary_directory(const char *folder, .prefix, .suffix): the same for a
 * folder. */
#ifndef __cplusplus
#define aw_temporary_directory(...)                                                                \
    aw_temporary_directory_(&(aw_temporary_opts){.folder = __VA_ARGS__})
#endif
AW_API aw_temporary *aw_temporary_directory_(const aw_temporary_opts *opts) AW_MUST_USE;

/* Where it is, and its descriptor: both the folder's own. */
AW_API const char *aw_temporary_path(const aw_temporary *t);
AW_API int aw_temporary_fd(const aw_temporary *t);

/* Remove and free it: 0, also for NULL and if it had gone before; or the first error, and what
 * could be removed has been.  A cancelled call (-ECANCELED) has removed it too.  Suspends. */
AW_API int aw_temporary_close(aw_temporary *t);

/* The same at once, by the calling thread, which waits for the disk: for ends where no task can do
 * it.  From any thread, also without a loop. */
AW_API void aw_temporary_abort(aw_temporary *t);

/* ---- a folder and what is below it ---- */

/* A walk, depth first, each folder before what is in it. */
typedef struct aw_walk aw_walk;

/* One entry; its pointers are valid until the next call with the walk. */
typedef struct aw_walk_entry {
    const char *path;   /* begins with the path that the walk was opened with */
    const char *name;   /* the last part of it */
    int dir;            /* the open folder that has the name in it: for aw_openat(dir, name, ...) */
    int depth;          /* 1: in the folder that the walk was opened with */
    unsigned char type; /* DT_REG, DT_DIR, DT_LNK, ... of <dirent.h>; DT_UNKNOWN: not to be had */
    int error;          /* a folder that cannot be opened or read on: why; aw_errmsg() has words */
} aw_walk_entry;

typedef struct aw_walk_opts {
    const char *path;
    int max_depth; /* folders this deep are not gone into; 0: no limit */
    bool follow;   /* go into folders that symbolic links lead to */
    int dir;       /* the folder that the path begins in; 0: the working directory */
} aw_walk_opts;

/* aw_walk *aw_walk_open(const char *path, .max_depth, .follow, .dir): begin to walk through a
 * folder.  NULL with aw_errno(): -ENOTDIR and others of aw_openat(), -EINVAL, -ENOMEM.  Suspends.
 * The caller closes it.
 *
 * Every folder on the way down is open, and names are looked up in it: what is renamed meanwhile
 * leads nowhere else, and a path may then no longer lead to the entry that `dir` and `name` name.
 * With .follow, a folder that is one of those above it is told as an entry with -ELOOP. */
#ifndef __cplusplus
#define aw_walk_open(...) aw_walk_open_(&(aw_walk_opts){.path = __VA_ARGS__})
#endif
AW_API aw_walk *aw_walk_open_(const aw_walk_opts *opts) AW_MUST_USE;

/* The next entry: 1; 0 at the end; -ECANCELED, and the next call goes on from there; -ENOMEM, and
 * it goes on behind the entry; -EINVAL; AW_EMISUSE outside a task.  A folder that cannot be gone
 * into comes a second time, with its .error; so do those for which no descriptor is left (-EMFILE:
 * a walk has as many open as it is deep).  Suspends. */
AW_API int aw_walk_next(aw_walk *w, aw_walk_entry *ret) AW_MUST_USE;

/* Do not go into the folder that was just handed out. */
AW_API void aw_walk_skip(aw_walk *w);

/* Give the walk up; NULL is nothing.  Does not suspend.  From any thread, also without a loop. */
AW_API void aw_walk_close(aw_walk *w);

#ifdef __cplusplus
}
#endif
#endif
