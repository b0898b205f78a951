/*
 * fs.h - what the calls on files share.
 */
#ifndef AW_FS_H
#define AW_FS_H

#include "core/op.h"
#include "core/upper.h"

/* In a task: the operation's result, by the backend or, where it has no such operation or would
 * block, by a thread of the loop's pool; a call on its way to a thread is cancelled there, and one
 * that has begun is waited for, since what it works on is on the task's stack.  `name` is the
 * call's, for reports. */
int aw_file_call(struct aw_op *op, const char *name, const void *caller);

/* ---- words for errors (fail.c) ---- */

/* "settings.conf: line at 4096: longer than the limit": the detail of an error with a file; `what`
 * may be NULL.  Returns the code.  A cancellation, and the library's own codes, keep the words that
 * they have. */
int aw_fs_fail(int code, const char *path, const char *what);

/* The same with a place in the file: "app.log: writing at 4096: no space left on device". */
int aw_fs_fail_at(int code, const char *path, const char *what, int64_t at);

/* ---- work of several calls, done by one thread in one go (job.c) ----
 *
 * What has to be undone when it fails half-way is not done by the task, which may be cancelled
 * between any two calls, or given up: a thread of the pool does all of it.  Before that has begun
 * the call is cancelled without effect; afterwards it comes to its end. */
struct aw_fs_job {
    const char *path; /* of what the words are about; those that follow are the job's to say */
    const char *what; /* which step failed; NULL: the first, which needs no words */
    int64_t at;       /* where in the file, or -1 */
    bool begun;
    int (*run)(struct aw_fs_job *job);
};

/* In a task: have it run, and its error told.  `name` is the call's, for reports. */
int aw_fs_do(struct aw_fs_job *job, const char *name);

/* In the thread: `result`, noting which step it belongs to if it is an error. */
int aw_fs_step(struct aw_fs_job *job, int64_t result, const char *what);

/* In the thread: write n bytes at `at`, all of them. */
int aw_fs_write_all(struct aw_fs_job *job, int fd, const char *data, size_t n, int64_t at);

/* In the thread: open without being kept from it by a signal. */
int aw_fs_open(int dir, const char *path, int flags, unsigned mode);

/* In the thread: make a file (or, with O_DIRECTORY, a folder) with a name that nobody else has,
 * between `prefix` and `suffix`: its descriptor, and the name in `name`, which is "" after an
 * error.
 */
enum { AW_FS_NAME = 256 };
int aw_fs_make(int dir, char name[AW_FS_NAME], const char *prefix, const char *suffix, int flags,
               unsigned mode);

/* ---- others ---- */

/* aw_dir_open() with more flags of open(2). */
struct aw_dir *aw_dir_open_with(int dir, const char *path, int flags);

/* In any thread: remove `name` and what is below it.  The first error; the rest is still removed.
 * Where it happened in `where`, with what is above it as far as there is room. */
int aw_fs_remove_tree(int dir, const char *name, char *where, size_t size);

#endif
