/*
 * dir.c - folders: names, in batches.
 *
 * A thread fills a buffer with as many entries as it holds (no backend has an operation for it);
 * they are then handed out one by one.
 */
#include "fs/fs.h"

#include <stddef.h>
#include <string.h>

#include "await/error.h"
#include "await/file.h"
#include "await/io.h"

enum { BATCH = 32768 };

/* As getdents64() writes it. */
struct entry {
    uint64_t ino;
    int64_t next;
    unsigned short size; /* of the whole entry */
    unsigned char type;
    char name[];
};

struct aw_dir {
    int fd;
    size_t used, filled; /* of the batch: handed out, there */
    _Alignas(struct entry) char batch[BATCH];
};

static aw_dir *new_dir(int fd)
{
    aw_dir *d = aw_mem_alloc(sizeof *d);
    if (!d) {
        (void)aw_sys.close(fd);
        return aw_refuse(-ENOMEM, "no memory for a folder");
    }
    d->fd = fd;
    d->used = d->filled = 0;
    return d;
}

aw_dir *aw_dir_open_with(int dir, const char *path, int flags)
{
    int fd = aw_openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0);
    return fd < 0 ? aw_null(fd) : new_dir(fd);
}

aw_dir *aw_dir_open(int dir, const char *path)
{
    if (!path)
        return aw_refuse(-EINVAL, "the path is NULL");
    aw_dir *d = aw_dir_open_with(dir, path, 0);
    if (!d)
        aw_fs_fail(aw_errno(), path, NULL);
    return d;
}

/* 1: there is more; 0: that was all. */
static int next_batch(aw_dir *d, const void *caller)
{
    struct aw_op op = {.kind = AW_OP_GETDENTS, .fd = d->fd, .buf = d->batch, .len = BATCH};
    int n = aw_file_call(&op, "aw_dir_read", caller);
    if (n < 0)
        return n;
    d->used = 0;
    d->filled = (size_t)n;
    return n > 0;
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int aw_dir_read(aw_dir *d, aw_dirent *ret)
{
    if (!d || !ret)
        return aw_raise(-EINVAL, d ? "the room for the entry is NULL" : "the folder is NULL");
    for (;;) {
        if (d->used == d->filled) {
            int err = next_batch(d, __builtin_return_address(0));
            if (err <= 0)
                return err;
        }
        const struct entry *e = (const void *)(d->batch + d->used);
        d->used += e->size;
        if (is_self_or_parent(e->name))
            continue;
        *ret = (aw_dirent){.name = e->name, .ino = e->ino, .type = e->type};
        return 1;
    }
}

int aw_dir_fd(const aw_dir *d)
{
    return d ? d->fd : aw_raise(-EINVAL, "the folder is NULL");
}

void aw_dir_close(aw_dir *d)
{
    if (!d)
        return;
    (void)aw_sys.close(d->fd);
    aw_mem_free(d);
}
