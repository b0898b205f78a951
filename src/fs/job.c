/*
 * job.c - several system calls in one go, by a thread of the loop's pool.
 *
 * A job that has begun is waited for, whatever happens to the task: so what it works on may be the
 * task's, and what it makes on the way is undone by itself.  Its error comes back with the step
 * that failed, and is put into words by the task, whose error it is.
 */
#include "fs/fs.h"

#include <stdio.h>
#include <string.h>

#include "await/error.h"
#include "await/executor.h"
#include "await/loop.h"
#include "base/prng.h"

static int run(void *arg)
{
    struct aw_fs_job *job = arg;
    job->begun = true;
    return job->run(job);
}

int aw_fs_do(struct aw_fs_job *job, const char *name)
{
    job->at = -1;
    int result = aw_to_thread_(
        run, &(aw_job_opts){.file = __FILE__, .line = __LINE__, .fn_name = name, .arg = job});
    return job->begun ? aw_fs_fail_at(result, job->path, job->what, job->at) : result;
}

int aw_fs_step(struct aw_fs_job *job, int64_t result, const char *what)
{
    if (result < 0)
        job->what = what;
    return (int)result;
}

int aw_fs_write_all(struct aw_fs_job *job, int fd, const char *data, size_t n, int64_t at)
{
    while (n > 0) {
        ssize_t written = aw_sys.pwrite(fd, data, aw_op_len(n), at);
        if (written == -EINTR)
            continue;
        if (written <= 0) {
            job->at = at;
            return aw_fs_step(job, written < 0 ? written : -EIO, "writing");
        }
        data += written;
        at += written;
        n -= (size_t)written;
    }
    return 0;
}

int aw_fs_open(int dir, const char *path, int flags, unsigned mode)
{
    int fd;
    do {
        fd = aw_sys.openat(dir, path, flags | O_CLOEXEC, mode);
    } while (fd == -EINTR);
    return fd;
}

/* ---- names that nobody else has ---- */

enum { TRIES = 100 };

/* It need not be a secret, as an existing name is refused; only rarely the same. */
static uint64_t number_of_its_own(void)
{
    aw_prng p;
    uint64_t thread = (uint64_t)aw_thread_id(), number = aw_process_number();
    aw_prng_seed(&p, (uint64_t)aw_clock_real() ^ (thread << 40) ^ (number << 20));
    return aw_prng_next(&p);
}

static int make_folder(int dir, const char *name, unsigned mode)
{
    int err = aw_sys.mkdirat(dir, name, mode);
    if (err < 0)
        return err;
    int fd = aw_fs_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        (void)aw_sys.unlinkat(dir, name, AT_REMOVEDIR);
    return fd;
}

/* 100 names that exist: something else is wrong. */
int aw_fs_make(int dir, char name[AW_FS_NAME], const char *prefix, const char *suffix, int flags,
               unsigned mode)
{
    int fd = -EEXIST;
    for (int i = 0; i < TRIES && fd == -EEXIST; i++) {
        unsigned long long number = number_of_its_own() & 0xffffffffffff;
        int n = snprintf(name, AW_FS_NAME, "%s%012llx%s", prefix, number, suffix);
        if (n < 0 || n >= AW_FS_NAME)
            return -ENAMETOOLONG;
        fd = flags & O_DIRECTORY ? make_folder(dir, name, mode)
                                 : aw_fs_open(dir, name, flags | O_CREAT | O_EXCL, mode);
    }
    if (fd < 0)
        name[0] = 0; /* it is not ours */
    return fd;
}
