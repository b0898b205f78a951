/*
 * temporary.c - files and folders that go when they are closed.
 *
 * Making one is a job of a thread, so that no cancellation comes between the name and the object
 * that will remove it; the object is made before.  The folder in which the name lies is kept open,
 * and the name is removed there: wherever it has been moved to, and whatever has become of the
 * working directory.
 */
#include <stdlib.h>
#include <string.h>

#include "await/error.h"
#include "await/loop.h"
#include "fs/object.h"

static const char *folder_of(const aw_temporary_opts *opts)
{
    const char *given = opts->folder ? opts->folder : getenv("TMPDIR");
    return given && *given ? given : "/tmp";
}

struct making {
    struct aw_fs_job job;
    const aw_temporary_opts *opts;
    const char *folder;
    int flags;
    unsigned mode;
    int dir, fd;
    char name[AW_FS_NAME];
};

static int make_it(struct aw_fs_job *job)
{
    struct making *m = aw_container_of(job, struct making, job);
    m->dir = aw_fs_open(AT_FDCWD, m->folder, O_PATH | O_DIRECTORY, 0);
    if (m->dir < 0)
        return m->dir;
    m->fd = aw_fs_make(m->dir, m->name, m->opts->prefix ? m->opts->prefix : "await-",
                       m->opts->suffix ? m->opts->suffix : "", m->flags, m->mode);
    if (m->fd >= 0)
        return 0;
    (void)aw_sys.close(m->dir);
    return aw_fs_step(job, m->fd, "making a temporary name in it");
}

static struct making making_of(const aw_temporary_opts *opts, int flags, unsigned mode)
{
    const char *folder = folder_of(opts);
    return (struct making){.job = {.path = folder, .run = make_it},
                           .opts = opts,
                           .folder = folder,
                           .flags = flags,
                           .mode = mode,
                           .dir = -1,
                           .fd = -1};
}

static int check(const aw_temporary_opts *opts)
{
    bool slash =
        (opts->prefix && strchr(opts->prefix, '/')) || (opts->suffix && strchr(opts->suffix, '/'));
    return slash ? aw_raise(-EINVAL, "a part of a name has a slash") : 0;
}

/* ---- files ---- */

/* A name of zeroes makes room for the real one. */
static const char *longest(char name[AW_FS_NAME])
{
    memset(name, '0', AW_FS_NAME - 1);
    name[AW_FS_NAME - 1] = 0;
    return name;
}

aw_file *aw_temporary_file_(const aw_temporary_opts *opts)
{
    if (check(opts) < 0)
        return aw_refuse(-EINVAL, aw_errmsg());
    struct making m = making_of(opts, O_RDWR, 0600);
    aw_file *f = aw_file_new(m.folder, longest(m.name), O_RDWR, opts->limit);
    if (!f)
        return aw_refuse(-ENOMEM, "no memory for a temporary file");
    int err = aw_fs_do(&m.job, "aw_temporary_file");
    if (err < 0) {
        aw_file_abort(f);
        return aw_refuse(err, aw_errmsg());
    }
    f->name_at = strlen(f->path) - (AW_FS_NAME - 1);
    memcpy(f->path + f->name_at, m.name, strlen(m.name) + 1);
    f->fd = m.fd;
    f->dir = m.dir;
    f->positional = true;
    return f;
}

/* ---- folders ---- */

struct aw_temporary {
    int dir, fd; /* where its name is, and it */
    size_t name_at;
    char path[];
};

static aw_temporary *new_folder(const char *folder)
{
    size_t n = strlen(folder);
    aw_temporary *t = aw_mem_zalloc(sizeof *t + n + 1 + AW_FS_NAME);
    if (!t)
        return NULL;
    memcpy(t->path, folder, n);
    if (n > 0 && folder[n - 1] != '/')
        t->path[n++] = '/';
    t->name_at = n;
    return t;
}

aw_temporary *aw_temporary_directory_(const aw_temporary_opts *opts)
{
    if (check(opts) < 0)
        return aw_refuse(-EINVAL, aw_errmsg());
    struct making m = making_of(opts, O_DIRECTORY, 0700);
    aw_temporary *t = new_folder(m.folder);
    if (!t)
        return aw_refuse(-ENOMEM, "no memory for a temporary folder");
    int err = aw_fs_do(&m.job, "aw_temporary_directory");
    if (err < 0) {
        aw_mem_free(t);
        return aw_refuse(err, aw_errmsg());
    }
    memcpy(t->path + t->name_at, m.name, strlen(m.name) + 1);
    t->fd = m.fd;
    t->dir = m.dir;
    return t;
}

const char *aw_temporary_path(const aw_temporary *t)
{
    return t ? t->path : "";
}

int aw_temporary_fd(const aw_temporary *t)
{
    return t ? t->fd : aw_raise(-EINVAL, "the folder is NULL");
}

/* ---- the end ---- */

enum { WHERE = 512 };

struct closing {
    struct aw_fs_job job;
    aw_temporary *of;
    char where[WHERE];
};

/* -ENOENT: somebody has removed it before. */
static int remove_it(struct aw_fs_job *job)
{
    struct closing *c = aw_container_of(job, struct closing, job);
    aw_temporary *t = c->of;
    size_t above = t->name_at < sizeof c->where / 2 ? t->name_at : 0;
    memcpy(c->where, t->path, above);
    int err =
        aw_fs_remove_tree(t->dir, t->path + t->name_at, c->where + above, sizeof c->where - above);
    job->path = c->where;
    return err == -ENOENT ? 0 : aw_fs_step(job, err, "removing");
}

static void free_folder(aw_temporary *t)
{
    (void)aw_sys.close(t->fd);
    (void)aw_sys.close(t->dir);
    aw_mem_free(t);
}

/* What kept a thread from it does not keep this one. */
int aw_temporary_close(aw_temporary *t)
{
    if (!t)
        return 0;
    struct closing c = {.job = {.path = t->path, .run = remove_it}, .of = t};
    int err = aw_fs_do(&c.job, "aw_temporary_close");
    if (!c.job.begun)
        aw_ignore(remove_it(&c.job));
    free_folder(t);
    return err;
}

void aw_temporary_abort(aw_temporary *t)
{
    if (!t)
        return;
    char where[WHERE];
    aw_ignore(aw_fs_remove_tree(t->dir, t->path + t->name_at, where, sizeof where));
    free_folder(t);
}
