/*
 * walk.c - a folder and everything below it, one entry after the other.
 *
 * The folders on the way down are open, one for each level, and what is below is looked up in the
 * open folder: a folder that is renamed meanwhile, or one above it, leads nowhere else.  A link
 * that is put in a folder's place is not followed.  Where links are followed on request, a folder
 * that is one of those above it is an error of that entry, so that nothing goes round in circles.
 *
 *     levels: each has an open folder, and its path is the first `path_len` bytes of w->path
 *     next()  takes the next name of the innermost; hands it out;
 *             if that was a folder, goes down before the next one
 */
#include <string.h>

#include "await/error.h"
#include "await/file.h"
#include "await/io.h"
#include "await/loop.h"
#include "fs/fs.h"

struct level {
    struct level *up;
    aw_dir *dir;
    size_t path_len;                    /* of w->path, with the slash at the end */
    uint64_t dev_major, dev_minor, ino; /* where links are followed */
};

struct aw_walk {
    struct level *in; /* the innermost; NULL at the end */
    int max_depth, depth;
    bool follow;
    bool goes_down;     /* the entry handed out last is a folder to go into */
    bool asking;        /* the entry in `path` was not handed out yet, as its type is asked for */
    unsigned char type; /* of it, as the folder has it */
    size_t name_at;     /* of that entry in `path` */
    size_t room;
    char *path;
};

/* ---- levels ---- */

static int same_folder(const struct level *a, const struct level *b)
{
    return a->ino == b->ino && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

/* Which folder it is, and that it is none of those above. */
static int look_for_a_circle(const aw_walk *w, struct level *l)
{
    struct statx st;
    AW_TRY(aw_sys.statx(aw_dir_fd(l->dir), "", AT_EMPTY_PATH, STATX_INO, &st));
    l->dev_major = st.stx_dev_major;
    l->dev_minor = st.stx_dev_minor;
    l->ino = st.stx_ino;
    for (const struct level *up = w->in; up; up = up->up)
        if (same_folder(up, l))
            return -ELOOP;
    return 0;
}

static void free_level(struct level *l)
{
    aw_dir_close(l->dir);
    aw_mem_free(l);
}

static int open_level(const aw_walk *w, struct level *l, int dir, const char *name, int flags)
{
    l->dir = aw_dir_open_with(dir, name, flags);
    if (!l->dir)
        return aw_errno();
    return w->follow ? look_for_a_circle(w, l) : 0;
}

static int go_down(aw_walk *w, int dir, const char *name, int flags)
{
    struct level *l = aw_mem_zalloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    int err = open_level(w, l, dir, name, flags);
    if (err < 0) {
        free_level(l);
        return err;
    }
    l->up = w->in;
    w->in = l;
    w->depth++;
    return 0;
}

static void go_up(aw_walk *w)
{
    struct level *l = w->in;
    w->in = l->up;
    w->depth--;
    free_level(l);
}

/* ---- paths ---- */

/* Put `name` behind the first `at` bytes. */
static int set_path(aw_walk *w, size_t at, const char *name)
{
    size_t n = strlen(name), room = at + n + 2;
    if (room > w->room) {
        char *path = aw_mem_alloc(room * 2);
        if (!path)
            return -ENOMEM;
        if (at)
            memcpy(path, w->path, at);
        aw_mem_free(w->path);
        w->path = path;
        w->room = room * 2;
    }
    memcpy(w->path + at, name, n + 1);
    w->name_at = at;
    return 0;
}

/* The room for the slash is there. */
static size_t end_in_slash(aw_walk *w)
{
    size_t n = strlen(w->path);
    if (n > 0 && w->path[n - 1] != '/') {
        w->path[n++] = '/';
        w->path[n] = 0;
    }
    return n;
}

/* ---- the walk ---- */

aw_walk *aw_walk_open_(const aw_walk_opts *opts)
{
    if (!opts->path || opts->max_depth < 0)
        return aw_refuse(-EINVAL, opts->path ? "the depth is negative" : "the path is NULL");
    aw_walk *w = aw_mem_zalloc(sizeof *w);
    if (!w)
        return aw_refuse(-ENOMEM, "no memory for a walk");
    w->follow = opts->follow;
    w->max_depth = opts->max_depth ? opts->max_depth : INT32_MAX;
    int err = set_path(w, 0, opts->path);
    if (err >= 0)
        err = go_down(w, opts->dir ? opts->dir : AT_FDCWD, opts->path, 0);
    if (err < 0) {
        aw_fs_fail(err, opts->path, NULL);
        aw_walk_close(w);
        return aw_refuse(err, aw_errmsg());
    }
    w->in->path_len = end_in_slash(w);
    return w;
}

/* The type of the entry in `path`: is it a folder, or a link to one that is to be followed?  What
 * leads nowhere, or has gone, is what it was. */
static int find_type(aw_walk *w)
{
    struct statx st;
    bool is_link = w->type == DT_LNK && w->follow;
    if (w->type != DT_UNKNOWN && !is_link)
        return 0;
    int flags = w->follow ? 0 : AT_SYMLINK_NOFOLLOW;
    int err = aw_statx(aw_dir_fd(w->in->dir), w->path + w->name_at, flags, STATX_TYPE, &st);
    if (err >= 0)
        w->type = (unsigned char)IFTODT(st.stx_mode);
    return err == -ECANCELED || err == AW_EMISUSE ? err : 0;
}

static void hand_out(const aw_walk *w, aw_walk_entry *ret, unsigned char type, int error)
{
    *ret = (aw_walk_entry){.path = w->path,
                           .name = w->path + w->name_at,
                           .dir = w->in ? aw_dir_fd(w->in->dir) : -1,
                           .depth = w->depth,
                           .type = type,
                           .error = error};
}

/* An error of one entry, with its words; of the task itself, when it is cancelled. */
static int tell(const aw_walk *w, aw_walk_entry *ret, int err)
{
    if (err == -ECANCELED || err == AW_EMISUSE)
        return err;
    hand_out(w, ret, DT_DIR, aw_fs_fail(err, w->path, "opening the folder"));
    return 1;
}

/* 0: it is open, or the entry handed out last was none. */
static int enter(aw_walk *w, aw_walk_entry *ret)
{
    if (!w->goes_down)
        return 0;
    int err = go_down(w, aw_dir_fd(w->in->dir), w->path + w->name_at, w->follow ? 0 : O_NOFOLLOW);
    w->goes_down = err == -ECANCELED || err == AW_EMISUSE; /* the next call begins here */
    if (err < 0)
        return tell(w, ret, err);
    w->in->path_len = end_in_slash(w);
    return 0;
}

/* The folder itself could not be read on: told as an entry, and it is left. */
static int unreadable(aw_walk *w, aw_walk_entry *ret, int err)
{
    if (err == -ECANCELED || err == AW_EMISUSE)
        return err;
    w->path[w->in->path_len - 1] = 0;
    const char *slash = strrchr(w->path, '/');
    w->name_at = slash ? (size_t)(slash - w->path) + 1 : 0;
    go_up(w);
    hand_out(w, ret, DT_DIR, aw_fs_fail(err, w->path, "reading the folder"));
    return 1;
}

static int hand_out_next(aw_walk *w, aw_walk_entry *ret)
{
    int err = find_type(w);
    w->asking = err < 0;
    if (err < 0)
        return err;
    w->goes_down = w->type == DT_DIR && w->depth < w->max_depth;
    hand_out(w, ret, w->type, 0);
    return 1;
}

static int take(aw_walk *w, aw_walk_entry *ret, const aw_dirent *e)
{
    int err = set_path(w, w->in->path_len, e->name);
    if (err < 0)
        return aw_raise(err, "no memory for the path of an entry");
    w->type = e->type;
    return hand_out_next(w, ret);
}

int aw_walk_next(aw_walk *w, aw_walk_entry *ret)
{
    if (!w || !ret)
        return aw_raise(-EINVAL, w ? "the room for the entry is NULL" : "the walk is NULL");
    if (w->asking)
        return hand_out_next(w, ret);
    int told = enter(w, ret);
    if (told != 0)
        return told;
    while (w->in) {
        aw_dirent e;
        int more = aw_dir_read(w->in->dir, &e);
        if (more < 0)
            return unreadable(w, ret, more);
        if (more > 0)
            return take(w, ret, &e);
        go_up(w);
    }
    return 0;
}

void aw_walk_skip(aw_walk *w)
{
    if (w)
        w->goes_down = false;
}

void aw_walk_close(aw_walk *w)
{
    if (!w)
        return;
    while (w->in)
        go_up(w);
    aw_mem_free(w->path);
    aw_mem_free(w);
}
