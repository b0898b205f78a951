/*
 * files.c - scenarios of files by name, folders, and sendfile.
 *
 * What a thread of the loop's pool does takes part, see scenarios.h.  Whatever happens, the
 * scenario itself removes what is left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fault/inject.h"

struct place {
    char path[32];
    int dir, fd;
    aw_dir *folder;
};

static int open_place(struct place *p)
{
    *p = (struct place){.path = "/tmp/await-sweep-XXXXXX"};
    CHECK(mkdtemp(p->path));
    p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    p->fd = openat(p->dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(p->dir >= 0 && p->fd >= 0);
    return 0;
}

static void close_place(struct place *p)
{
    aw_dir_close(p->folder);
    close(p->fd);
    unlinkat(p->dir, "f", 0);
    unlinkat(p->dir, "g", 0);
    unlinkat(p->dir, "d", AT_REMOVEDIR);
    close(p->dir);
    rmdir(p->path);
}

/* With a pool that may have fewer threads than it likes. */
static void take_part(void)
{
    threads_take_part();
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_THREAD);
    may_be_silent(SITE_RING_ENTER);
    if (test_is_emulated()) /* it knows no read without waiting: a thread reads */
        may_be_told(SITE_READ);
}

static int in_place(aw_fn *main)
{
    struct place p;
    take_part();
    AW_TRY(open_place(&p));
    int err = run_main(main, &p);
    close_place(&p);
    return err;
}

static int use_contents(void *arg)
{
    const struct place *p = arg;
    char a[4] = "", b[4] = "";
    struct iovec in[2] = {{a, 3}, {b, 3}}, out[2] = {{"abc", 3}, {"def", 3}};
    EXPECT(aw_pwritev(p->fd, out, 2, 10), 6);
    EXPECT(aw_preadv(p->fd, in, 2, 11), 5);
    CHECK(strcmp(a, "bcd") == 0 && strcmp(b, "ef") == 0);
    EXPECT(aw_fallocate(p->fd, 0, 0, 100), 0);
    EXPECT(aw_fsync(p->fd), 0);
    EXPECT(aw_fdatasync(p->fd), 0);
    EXPECT(aw_read(p->fd, a, 3), 3);
    return 0;
}

SCENARIO(file_contents)
{
    return in_place(use_contents);
}

static int use_names(void *arg)
{
    const struct place *p = arg;
    struct statx st;
    EXPECT(aw_statx(p->dir, "f", 0, STATX_SIZE, &st), 0);
    EXPECT(aw_mkdirat(p->dir, "d", 0700), 0);
    EXPECT(aw_renameat(p->dir, "f", p->dir, "g", 0), 0);
    EXPECT(aw_unlinkat(p->dir, "g", 0), 0);
    EXPECT(aw_unlinkat(p->dir, "d", AT_REMOVEDIR), 0);
    return 0;
}

SCENARIO(file_names)
{
    return in_place(use_names);
}

static int read_folder(aw_dir *d)
{
    aw_dirent e;
    int more, names = 0;
    CHECK(aw_dir_fd(d) >= 0);
    while ((more = aw_dir_read(d, &e)) > 0) {
        CHECK(strcmp(e.name, "f") == 0);
        names++;
    }
    AW_TRY(more);
    CHECK(names == 1);
    return 0;
}

/* A task that nothing wakes any more cannot close it. */
static int use_folder(void *arg)
{
    struct place *p = arg;
    p->folder = aw_dir_open(p->dir, ".");
    return p->folder ? read_folder(p->folder) : aw_errno();
}

SCENARIO(file_folder)
{
    return in_place(use_folder);
}

struct sending {
    struct place place;
    struct pipe_ends ends[2]; /* one that does not block, and one that does */
};

static int send_file(void *arg)
{
    const struct sending *s = arg;
    char got[8];
    for (int i = 0; i < 2; i++) {
        EXPECT(aw_sendfile(s->ends[i].w, s->place.fd, 3, 5), 5);
        CHECK(read(s->ends[i].r, got, 8) == 5 && memcmp(got, "tents", 5) == 0);
    }
    return 0;
}

static int send_in_place(struct sending *s)
{
    CHECK(pwrite(s->place.fd, "contents", 8, 0) == 8);
    CHECK(pipe_open(&s->ends[0], O_NONBLOCK) == 0 && pipe_open(&s->ends[1], 0) == 0);
    int err = run_main(send_file, s);
    pipe_close(&s->ends[0]);
    pipe_close(&s->ends[1]);
    return err;
}

SCENARIO(file_sent)
{
    struct sending s;
    take_part();
    AW_TRY(open_place(&s.place));
    int err = send_in_place(&s);
    close_place(&s.place);
    return err;
}

/* ---- open files ---- */

struct objects {
    struct place place;
    aw_file *file, *temporary;
    aw_temporary *folder;
    aw_walk *walk;
    char path[64];
};

static const char *in(struct objects *o, const char *name)
{
    snprintf(o->path, sizeof o->path, "%s/%s", o->place.path, name);
    return o->path;
}

static int names_in(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d))
        n++;
    return d ? closedir(d) + n - 2 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type;
    return at->level ? remove(path) : 0;
}

/* What a task that nothing wakes any more has left open.  Then no other name is there, unless
 * something else failed than the task, and has been told. */
static int in_objects(aw_fn *main, int names)
{
    struct objects o = {0};
    take_part();
    may_be_told(SITE_CLOSE); /* of a file that was written */
    AW_TRY(open_place(&o.place));
    int err = run_main(main, &o);
    aw_file_abort(o.file);
    aw_file_abort(o.temporary);
    aw_temporary_abort(o.folder);
    aw_walk_close(o.walk);
    int left = names_in(o.place.path);
    if (err < 0)
        nftw(o.place.path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    close_place(&o.place);
    CHECK(left == 1 || left == names || (err < 0 && err != -ECANCELED));
    return err;
}

static int close_it(aw_file **f)
{
    int err = aw_file_close(*f);
    *f = NULL;
    return err;
}

static int write_lines(struct objects *o)
{
    char *line;
    EXPECT(aw_file_write(o->file, "one\ntwo\n", 8), 0);
    EXPECT(aw_file_seek(o->file, 0, AW_SEEK_SET), 0);
    EXPECT(aw_file_readline(o->file, &line), 4);
    CHECK(memcmp(line, "one\n", 4) == 0);
    EXPECT(aw_file_seek(o->file, 0, AW_SEEK_END), 8);
    EXPECT(aw_file_write(o->file, "three", 5), 0);
    EXPECT(aw_file_sync(o->file), 0);
    EXPECT(aw_file_flush(o->file), 0);
    CHECK(aw_file_tell(o->file) == 13);
    return 0;
}

static int read_lines(struct objects *o)
{
    char bytes[16];
    EXPECT(aw_file_read(o->file, bytes, 16), 13);
    CHECK(memcmp(bytes, "one\ntwo\nthree", 13) == 0);
    CHECK(aw_file_fd(o->file) >= 0 && strcmp(aw_file_path(o->file), "g") == 0);
    return 0;
}

static int use_objects(void *arg)
{
    struct objects *o = arg;
    o->file = aw_file_open("g", "w+", .dir = o->place.dir);
    if (!o->file)
        return aw_errno();
    AW_TRY(write_lines(o));
    AW_TRY(close_it(&o->file));
    o->file = aw_file_open("g", "r", .dir = o->place.dir);
    if (!o->file)
        return aw_errno();
    AW_TRY(read_lines(o));
    return close_it(&o->file);
}

SCENARIO(file_objects)
{
    return in_objects(use_objects, 2);
}

/* Whatever fails, the old content or the new one is there. */
static int check_replaced(struct objects *o, int err)
{
    char text[8] = "";
    int fd = openat(o->place.dir, "g", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, 7) == 3);
    close(fd);
    CHECK(strcmp(text, "new") == 0 || (err < 0 && strcmp(text, "old") == 0));
    return err;
}

static int use_whole_files(void *arg)
{
    struct objects *o = arg;
    char *text;
    EXPECT(aw_write_file(in(o, "g"), "old", 3), 0);
    AW_TRY(check_replaced(o, aw_replace_file(in(o, "g"), "new", 3)));
    EXPECT(aw_read_file(in(o, "g"), &text), 3);
    bool same = strcmp(text, "new") == 0;
    aw_mem_free(text);
    CHECK(same);
    return 0;
}

SCENARIO(file_whole)
{
    return in_objects(use_whole_files, 2);
}

static int fill_folder(struct objects *o)
{
    o->folder = aw_temporary_directory(in(o, "."));
    if (!o->folder)
        return aw_errno();
    int at = aw_temporary_fd(o->folder);
    CHECK(mkdirat(at, "d", 0700) == 0 && symlinkat("/", at, "d/l") == 0);
    CHECK(strncmp(aw_temporary_path(o->folder), o->place.path, strlen(o->place.path)) == 0);
    return 0;
}

static int use_temporary(void *arg)
{
    struct objects *o = arg;
    o->temporary = aw_temporary_file(in(o, "."));
    if (!o->temporary)
        return aw_errno();
    EXPECT(aw_file_write(o->temporary, "x", 1), 0);
    AW_TRY(close_it(&o->temporary));
    AW_TRY(fill_folder(o));
    int err = aw_temporary_close(o->folder);
    o->folder = NULL;
    return err;
}

SCENARIO(file_temporary)
{
    return in_objects(use_temporary, 1);
}

static int walk_on(struct objects *o)
{
    aw_walk_entry e;
    int more, n = 0;
    while ((more = aw_walk_next(o->walk, &e)) > 0) {
        if (e.error)
            return e.error;
        n++;
        if (strcmp(e.name, "l") == 0)
            aw_walk_skip(o->walk);
    }
    AW_TRY(more);
    CHECK(n == 2);
    return 0;
}

static int use_walk(void *arg)
{
    struct objects *o = arg;
    AW_TRY(fill_folder(o));
    o->walk = aw_walk_open(aw_temporary_path(o->folder));
    if (!o->walk)
        return aw_errno();
    AW_TRY(walk_on(o));
    EXPECT(aw_remove_tree(aw_temporary_path(o->folder)), 0);
    int err = aw_temporary_close(o->folder);
    o->folder = NULL;
    return err;
}

SCENARIO(file_walk)
{
    return in_objects(use_walk, 1);
}
