/*
 * whole.c - files as a whole: read, written, replaced; each in one go, by a thread.
 *
 * A file is replaced by making another one beside it, which takes its name once everything is on
 * the disk.  Whoever looks sees the old content or the new one, never a part, and whatever fails
 * before the name is taken is undone by the same thread.
 */
#include "fs/fs.h"

#include <string.h>

#include "await/error.h"
#include "await/file.h"
#include "await/loop.h"

/* ---- reading ---- */

enum { FIRST_ROOM = 4096 };
#define LIMIT_DEFAULT ((size_t)64 << 20)

struct reading {
    struct aw_fs_job job;
    size_t limit;
    char *data;
    size_t used, room; /* of data; one byte more is there for the NUL */
};

static int make_room(struct reading *r, size_t room)
{
    char *data = aw_mem_alloc(room + 1);
    if (!data)
        return -ENOMEM;
    if (r->used)
        memcpy(data, r->data, r->used);
    aw_mem_free(r->data);
    r->data = data;
    r->room = room;
    return 0;
}

/* One byte more than what was allowed is enough to know. */
static int grow(struct reading *r)
{
    if (r->used < r->room)
        return 0;
    size_t most = r->limit + 1, room = r->room * 2;
    return make_room(r, room < most ? room : most);
}

static int read_all(struct reading *r, int fd)
{
    for (;;) {
        AW_TRY(aw_fs_step(&r->job, grow(r), "reading"));
        ssize_t n =
            aw_sys.pread(fd, r->data + r->used, aw_op_len(r->room - r->used), (int64_t)r->used);
        if (n == -EINTR)
            continue;
        r->job.at = n < 0 ? (int64_t)r->used : -1;
        AW_TRY(aw_fs_step(&r->job, n, "reading"));
        if (n == 0)
            return 0;
        r->used += (size_t)n;
        if (r->used > r->limit)
            return AW_ELIMIT;
    }
}

/* What would keep a thread waiting for somebody is not for it. */
static int look_at(int fd, size_t *ret_size)
{
    struct statx st;
    int err = aw_sys.statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &st);
    if (err < 0)
        return err;
    if (S_ISDIR(st.stx_mode))
        return -EISDIR;
    if (S_ISFIFO(st.stx_mode) || S_ISSOCK(st.stx_mode))
        return -ESPIPE;
    *ret_size = st.stx_size;
    return 0;
}

static int read_open(struct reading *r, int fd)
{
    size_t size = 0;
    AW_TRY(look_at(fd, &size));
    if (size > r->limit)
        return AW_ELIMIT;
    AW_TRY(make_room(r, size >= FIRST_ROOM ? size + 1 : FIRST_ROOM));
    return read_all(r, fd);
}

static int read_it(struct aw_fs_job *job)
{
    struct reading *r = aw_container_of(job, struct reading, job);
    int fd = aw_fs_open(AT_FDCWD, r->job.path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int err = read_open(r, fd);
    (void)aw_sys.close(fd);
    return err;
}

ssize_t aw_read_file_(const aw_read_file_opts *opts)
{
    if (!opts->path || !opts->ret)
        return aw_raise(-EINVAL, opts->path ? "the room for the content is NULL" : "no path");
    struct reading r = {.job = {.path = opts->path, .run = read_it},
                        .limit = opts->limit ? opts->limit : LIMIT_DEFAULT};
    if (r.limit > SIZE_MAX / 4)
        r.limit = SIZE_MAX / 4;
    int err = aw_fs_do(&r.job, "aw_read_file");
    if (err < 0) {
        aw_mem_free(r.data);
        return err;
    }
    r.data[r.used] = 0;
    *opts->ret = r.data;
    return (ssize_t)r.used;
}

/* ---- writing ---- */

struct writing {
    struct aw_fs_job job;
    const aw_write_file_opts *opts;
};

static int close_written(struct aw_fs_job *job, int fd, int err)
{
    int closed = aw_sys.close(fd);
    if (closed == -EINTR)
        closed = 0;
    return err < 0 ? err : aw_fs_step(job, closed, "closing");
}

static int check_writing(const aw_write_file_opts *opts)
{
    if (!opts->path)
        return aw_raise(-EINVAL, "the path is NULL");
    if (!opts->data && opts->n)
        return aw_raise(-EINVAL, "the data are NULL");
    return 0;
}

static unsigned perm_of(const aw_write_file_opts *opts)
{
    return opts->perm ? opts->perm : 0666;
}

/* O_NONBLOCK: what nobody reads is refused in place of being waited for. */
static int write_it(struct aw_fs_job *job)
{
    const aw_write_file_opts *o = aw_container_of(job, struct writing, job)->opts;
    int how = O_WRONLY | O_CREAT | O_NONBLOCK | (o->append ? O_APPEND : O_TRUNC);
    int fd = aw_fs_open(AT_FDCWD, o->path, how, perm_of(o));
    if (fd < 0)
        return fd;
    int err = aw_fs_write_all(job, fd, o->data, o->n, 0);
    return close_written(job, fd, err);
}

int aw_write_file_(const aw_write_file_opts *opts)
{
    AW_TRY(check_writing(opts));
    struct writing w = {.job = {.path = opts->path, .run = write_it}, .opts = opts};
    return aw_fs_do(&w.job, "aw_write_file");
}

/* ---- replacing ---- */

/* What is being made in the folder. */
struct replacing {
    struct aw_fs_job *job;
    const aw_write_file_opts *opts;
    int dir;
    const char *name; /* of the file, in the folder */
    bool keep_mode;   /* `mode` is to be set as it is, not as a new file's */
    unsigned mode;
    char temporary[AW_FS_NAME];
};

static int choose_mode(struct replacing *r)
{
    struct statx st;
    r->mode = perm_of(r->opts);
    r->keep_mode = r->opts->perm != 0;
    int err = aw_sys.statx(r->dir, r->name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MODE, &st);
    if (err == -ENOENT)
        return 0;
    if (err < 0)
        return err;
    if (S_ISDIR(st.stx_mode))
        return -EISDIR;
    if (!r->keep_mode && S_ISREG(st.stx_mode)) {
        r->mode = st.stx_mode & 07777;
        r->keep_mode = true;
    }
    return 0;
}

static int fill(const struct replacing *r, int fd)
{
    if (r->keep_mode)
        AW_TRY(aw_fs_step(r->job, aw_sys.fchmod(fd, r->mode), "setting the permissions"));
    AW_TRY(aw_fs_write_all(r->job, fd, r->opts->data, r->opts->n, 0));
    int err = 0;
    while (!r->opts->no_sync && (err = aw_sys.fsync(fd, false)) == -EINTR)
        ;
    return aw_fs_step(r->job, err, "writing to the disk");
}

static int make_temporary(struct replacing *r)
{
    int fd = aw_fs_make(r->dir, r->temporary, ".await-", ".tmp", O_WRONLY,
                        r->keep_mode ? 0600 : r->mode);
    AW_TRY(aw_fs_step(r->job, fd, "making a temporary file beside it"));
    return close_written(r->job, fd, fill(r, fd));
}

/* The folder's own change; a file system that has no such thing says -EINVAL. */
static int sync_folder(const struct replacing *r)
{
    int err = 0;
    while (!r->opts->no_sync && (err = aw_sys.fsync(r->dir, false)) == -EINTR)
        ;
    return err == -EINVAL ? 0 : aw_fs_step(r->job, err, "writing its folder to the disk");
}

static int replace_in(struct replacing *r)
{
    AW_TRY(choose_mode(r));
    int err = make_temporary(r);
    if (err >= 0)
        err = aw_fs_step(r->job, aw_sys.renameat(r->dir, r->temporary, r->dir, r->name, 0),
                         "taking its place");
    if (err < 0) {
        if (r->temporary[0])
            (void)aw_sys.unlinkat(r->dir, r->temporary, 0);
        return err;
    }
    return sync_folder(r);
}

/* The folder that the path names, and the name in it. */
static int open_folder_of(const char *path, const char **ret_name)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    *ret_name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= sizeof folder)
        return -ENAMETOOLONG;
    if (!**ret_name)
        return *path ? -EISDIR : -ENOENT;
    memcpy(folder, n ? path : ".", n ? n : 1);
    folder[n ? n : 1] = 0;
    return aw_fs_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
}

static int replace_it(struct aw_fs_job *job)
{
    struct replacing r = {.job = job, .opts = aw_container_of(job, struct writing, job)->opts};
    r.dir = open_folder_of(r.opts->path, &r.name);
    AW_TRY(aw_fs_step(job, r.dir, "its folder"));
    int err = replace_in(&r);
    (void)aw_sys.close(r.dir);
    return err;
}

int aw_replace_file_(const aw_write_file_opts *opts)
{
    AW_TRY(check_writing(opts));
    if (opts->append)
        return aw_raise(-EINVAL, "a file cannot be replaced by appending to it");
    struct writing w = {.job = {.path = opts->path, .run = replace_it}, .opts = opts};
    return aw_fs_do(&w.job, "aw_replace_file");
}
