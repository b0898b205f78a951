/*
 * files.c - scenarios of files by name, folders, and sendfile.
 *
 * What a thread of the loop's pool does takes part, see scenarios.h.  Whatever happens, the
 * scenario itself removes what is left.
 */
#include <errno.h>
#include <fcntl.h>
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
