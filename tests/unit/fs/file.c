/*
 * Files: opened, read, written and closed by coroutines, with the same results on every backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "await.h"
#include "harness/test.h"
#include "sys/sys.h"

/* A folder of its own for each test, and one file's name in it. */
struct place {
    char path[32];
    int dir;
};

static struct place open_place(void)
{
    struct place p = {.path = "/tmp/await-file-XXXXXX"};
    assert_non_null(mkdtemp(p.path));
    p.dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p.dir >= 0);
    return p;
}

static void close_place(const struct place *p)
{
    unlinkat(p->dir, "f", 0);
    close(p->dir);
    assert_int_equal(rmdir(p->path), 0);
}

static void run_at_place(aw_fn *fn)
{
    struct place p = open_place();
    assert_int_equal(aw_run(fn, &p), 0);
    close_place(&p);
}

static int new_file(const struct place *p)
{
    return aw_openat(p->dir, "f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
}

/* ---- what the calls do ---- */

static int use_a_file(void *arg)
{
    struct place *p = arg;
    struct stat st;
    char buf[16];
    int fd = new_file(p);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(aw_pwrite(fd, "0123456789", 10, 0), 10);
    assert_int_equal(aw_pwrite(fd, "xy", 2, 12), 2);
    assert_int_equal(aw_pread(fd, buf, 4, 3), 4);
    assert_memory_equal(buf, "3456", 4);
    assert_int_equal(aw_pread(fd, buf, sizeof buf, 8), 6);
    assert_memory_equal(buf, "89\0\0xy", 6);
    assert_int_equal(aw_pread(fd, buf, 4, 14), 0);
    assert_int_equal(aw_pread(fd, buf, 0, 0), 0);
    assert_int_equal(aw_read(fd, buf, 2), 2); /* the position was left alone */
    assert_memory_equal(buf, "01", 2);
    assert_int_equal(aw_close(fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    return 0;
}

TEST(file_is_opened_written_read_and_closed)
{
    run_at_place(use_a_file);
}

static int call_badly(void *arg)
{
    struct place *p = arg;
    char buf[4] = "";
    int fd = new_file(p);
    assert_true(fd >= 0);
    assert_int_equal(aw_pread(fd, NULL, 1, 0), -EINVAL);
    assert_string_equal(aw_errmsg(), "the buffer is NULL");
    assert_int_equal(aw_pwrite(fd, NULL, 1, 0), -EINVAL);
    assert_int_equal(aw_pread(fd, buf, 1, -1), -EINVAL);
    assert_string_equal(aw_errmsg(), "the offset is negative");
    assert_int_equal(aw_pwrite(fd, "x", 1, INT64_MIN), -EINVAL);
    assert_int_equal(aw_openat(p->dir, NULL, O_RDONLY, 0), -EINVAL);
    assert_int_equal(aw_openat(p->dir, "none", O_RDONLY, 0), -ENOENT);
    assert_int_equal(aw_openat(fd, "none", O_RDONLY, 0), -ENOTDIR);
    assert_int_equal(aw_pread(p->dir, buf, 1, 0), -EISDIR);
    assert_int_equal(aw_close(fd), 0);
    assert_int_equal(aw_close(fd), -EBADF);
    assert_int_equal(aw_pread(fd, buf, 1, 0), -EBADF);
    assert_int_equal(aw_pwrite(fd, buf, 1, 0), -EBADF);
    assert_int_equal(aw_close(-1), -EBADF);
    return 0;
}

TEST(file_calls_with_bad_arguments)
{
    run_at_place(call_badly);
}

TEST(file_calls_outside_a_task)
{
    char byte;
    assert_int_equal(aw_pread(0, &byte, 1, 0), AW_EMISUSE);
    assert_int_equal(aw_pwrite(0, &byte, 1, 0), AW_EMISUSE);
    assert_int_equal(aw_openat(AT_FDCWD, "/", O_RDONLY, 0), AW_EMISUSE);
    assert_int_equal(aw_close(1000), AW_EMISUSE);
}

/* ---- many at once ---- */

enum { READERS = 300, BLOCK = 512 };

struct reader {
    int fd, number;
};

static int read_own_block(void *arg)
{
    struct reader *r = arg;
    unsigned char buf[BLOCK];
    AW_TRY((int)aw_pread(r->fd, buf, BLOCK, (int64_t)r->number * BLOCK));
    for (int i = 0; i < BLOCK; i++)
        assert_int_equal(buf[i], r->number & 0xff);
    return 0;
}

static int read_all_blocks(void *arg)
{
    static struct reader readers[READERS];
    static aw_work work[READERS];
    int fd = new_file(arg);
    assert_true(fd >= 0);
    for (int i = 0; i < READERS; i++) {
        unsigned char buf[BLOCK];
        memset(buf, i, sizeof buf);
        assert_int_equal(pwrite(fd, buf, BLOCK, (off_t)i * BLOCK), BLOCK);
        readers[i] = (struct reader){fd, i};
        work[i] = AW_CORO(read_own_block, &readers[i]);
    }
    assert_int_equal(aw_gather_array(work, READERS), 0);
    return aw_close(fd);
}

TEST(file_is_read_by_many_at_once)
{
    run_at_place(read_all_blocks);
}

/* ---- what does not lie in the cache ---- */

static ssize_t not_cached(int fd, void *buf, size_t n, int64_t at)
{
    (void)fd;
    (void)buf;
    (void)n;
    (void)at;
    return -EAGAIN;
}

/* Only a part lies there: as the end of a file looks, but it is none. */
static ssize_t half_cached(int fd, void *buf, size_t n, int64_t at)
{
    if (at > 4)
        return -EAGAIN;
    return pread(fd, buf, n > 4 ? 4 : n, at);
}

static void without_the_cache(ssize_t (*pread_now)(int fd, void *buf, size_t n, int64_t at))
{
    struct aw_sys_table real = aw_sys;
    aw_sys.pread_now = pread_now;
    run_at_place(use_a_file);
    aw_sys = real;
}

TEST(file_that_is_not_cached_is_read_all_the_same)
{
    without_the_cache(not_cached);
    without_the_cache(half_cached);
}

/* ---- cancelling ---- */

static int read_when_cancelled(void *arg)
{
    char buf[4] = "....";
    int fd = new_file(arg);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "data", 4, 0), 4);
    assert_true(aw_cancel(aw_current_task()));
    ssize_t n = aw_pread(fd, buf, 4, 0);
    if (n == 4) { /* it took effect, and the request waits for the next call */
        assert_memory_equal(buf, "data", 4);
        assert_int_equal(aw_sleep(0), -ECANCELED);
    } else {
        assert_int_equal(n, -ECANCELED);
        assert_memory_equal(buf, "....", 4);
    }
    assert_int_equal(aw_sleep(0), 0);
    assert_int_equal(aw_close(fd), 0);
    return 0;
}

TEST(file_call_of_a_cancelled_task_has_its_effect_or_none)
{
    run_at_place(read_when_cancelled);
}

static int close_when_cancelled(void *arg)
{
    int fd = new_file(arg);
    assert_true(fd >= 0);
    assert_true(aw_cancel(aw_current_task()));
    assert_int_equal(aw_close(fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(aw_sleep(0), -ECANCELED);
    return 0;
}

TEST(file_close_is_not_broken_off)
{
    run_at_place(close_when_cancelled);
}

struct fifo {
    int dir, fd;
};

static int open_fifo(void *arg)
{
    struct fifo *f = arg;
    f->fd = aw_openat(f->dir, "f", O_RDONLY | O_CLOEXEC, 0);
    return f->fd < 0 ? f->fd : 0;
}

/* The other end comes, or (as a kernel's thread can be interrupted) a cancellation. */
static int meet_at_a_fifo(void *arg)
{
    struct place *p = arg;
    struct fifo f = {p->dir, -1};
    assert_int_equal(mkfifoat(p->dir, "f", 0600), 0);
    aw_task *t = aw_create_task(open_fifo, &f);
    AW_TRY(aw_sleep(0));
    assert_false(aw_done(t));
    int writer = aw_openat(p->dir, "f", O_WRONLY | O_CLOEXEC, 0);
    assert_true(writer >= 0);
    assert_int_equal(aw_join(t), 0);
    assert_true(f.fd >= 0);
    AW_TRY(aw_close(f.fd));
    return aw_close(writer);
}

TEST(file_fifo_is_opened_when_both_ends_are)
{
    run_at_place(meet_at_a_fifo);
}
