/*
 * tree.c - a folder is removed with everything below it.
 *
 * Each open folder on the way down is a level; names are looked up in the open folder, never by a
 * path from the top, so that somebody who renames a folder above, or puts a symbolic link in its
 * place, cannot lead the removal elsewhere.  What is no folder is unlinked, links included.
 *
 * A thread does all of it: the task that asked may be ended half-way, and then half would stay.
 */
#include <string.h>

#include "await/error.h"
#include "await/file.h"
#include "await/loop.h"
#include "base/buf.h"
#include "fs/fs.h"

enum { BATCH = 8192, TIMES_MAX = 8 };

/* As getdents64() writes it. */
struct entry {
    uint64_t ino;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

struct level {
    struct level *up;
    int above, fd; /* the folder that has this one's name in it, and this one */
    int times;     /* it was read to its end, and something was in it all the same */
    size_t used, filled;
    _Alignas(struct entry) char batch[BATCH];
    char name[];
};

struct removing {
    struct level *in;
    int err; /* the first */
    char *where;
    size_t size;
};

/* The path of `name` in the innermost level, written from its end; what does not fit is left out at
 * the beginning. */
static void say_where(struct removing *r, const char *name)
{
    size_t at = r->size - 1, n = strlen(name);
    r->where[at] = 0;
    for (const struct level *l = r->in; n < at; l = l->up) {
        at -= n;
        memcpy(r->where + at, name, n);
        if (!l || at == 0)
            break;
        r->where[--at] = '/';
        name = l->name;
        n = strlen(name);
    }
    memmove(r->where, r->where + at, r->size - at);
}

static void failed(struct removing *r, int err, const char *name)
{
    if (r->err < 0 || err >= 0 || err == -ENOENT)
        return;
    say_where(r, name);
    r->err = err;
}

static int go_down(struct removing *r, int above, const char *name)
{
    size_t room = strlen(name) + 1;
    struct level *l = aw_mem_zalloc(sizeof *l + room);
    if (!l)
        return -ENOMEM;
    l->fd = aw_fs_open(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (l->fd < 0) {
        int err = l->fd;
        aw_mem_free(l);
        return err;
    }
    memcpy(l->name, name, room);
    l->above = above;
    l->up = r->in;
    r->in = l;
    return 0;
}

/* -EISDIR: it is a folder, go down. */
static void remove_entry(struct removing *r, int dir, const char *name)
{
    int err = aw_sys.unlinkat(dir, name, 0);
    if (err == -EISDIR)
        err = go_down(r, dir, name);
    failed(r, err, name);
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The next name; NULL at the end, or after an error. */
static const char *next_name(struct removing *r, struct level *l)
{
    for (;;) {
        if (l->used == l->filled) {
            ssize_t n = aw_sys.getdents(l->fd, l->batch, BATCH);
            if (n == -EINTR)
                continue;
            failed(r, (int)n, "");
            if (n <= 0)
                return NULL;
            l->used = 0;
            l->filled = (size_t)n;
        }
        const struct entry *e = (const void *)(l->batch + l->used);
        l->used += e->size;
        if (!is_self_or_parent(e->name))
            return e->name;
    }
}

/* Some file systems leave names out while others are removed: then it is read once more. */
static bool reads_again(struct removing *r, struct level *l, int err)
{
    if (err != -ENOTEMPTY || r->err < 0 || l->times >= TIMES_MAX)
        return false;
    int fd = aw_fs_open(l->fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return false;
    (void)aw_sys.close(l->fd);
    l->fd = fd;
    l->times++;
    l->used = l->filled = 0;
    return true;
}

static void go_up(struct removing *r)
{
    struct level *l = r->in;
    int err = aw_sys.unlinkat(l->above, l->name, AT_REMOVEDIR);
    if (reads_again(r, l, err))
        return;
    r->in = l->up;
    failed(r, err, l->name);
    (void)aw_sys.close(l->fd);
    aw_mem_free(l);
}

int aw_fs_remove_tree(int dir, const char *name, char *where, size_t size)
{
    struct removing r = {.where = where, .size = size};
    int err = aw_sys.unlinkat(dir, name, 0);
    if (err == -EISDIR)
        err = go_down(&r, dir, name);
    if (err < 0) {
        say_where(&r, name);
        return err;
    }
    while (r.in) {
        const char *next = next_name(&r, r.in);
        if (next)
            remove_entry(&r, r.in->fd, next);
        else
            go_up(&r);
    }
    return r.err;
}

/* ---- for tasks ---- */

enum { WHERE = 512 };

struct tree_job {
    struct aw_fs_job job;
    const char *path;
    char where[WHERE];
};

static int remove_it(struct aw_fs_job *job)
{
    struct tree_job *t = aw_container_of(job, struct tree_job, job);
    int err = aw_fs_remove_tree(AT_FDCWD, t->path, t->where, sizeof t->where);
    if (err < 0)
        job->path = t->where;
    return err;
}

int aw_remove_tree(const char *path)
{
    if (!path)
        return aw_raise(-EINVAL, "the path is NULL");
    struct tree_job t = {.job = {.path = path, .run = remove_it}, .path = path};
    return aw_fs_do(&t.job, "aw_remove_tree");
}
