/*
 * Files by name and by content: the same results on every backend.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "await.h"
#include "harness/test.h"
#include "sys/sys.h"

/* ---- a folder for each test ---- */

static int place;

/* A test whose body runs as the main coroutine, with an empty folder at `place`. */
#define FILE_TEST(name)                                                                            \
    static int name##_main(void *arg);                                                             \
    TEST(name)                                                                                     \
    {                                                                                              \
        char path[] = "/tmp/await-names-XXXXXX";                                                   \
        assert_non_null(mkdtemp(path));                                                            \
        place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);                                    \
        assert_int_equal(aw_run(name##_main, NULL), 0);                                            \
        close(place);                                                                              \
        assert_int_equal(rmdir(path), 0);                                                          \
    }                                                                                              \
    static int name##_main(void *arg)

static int new_file(const char *name)
{
    int fd = aw_openat(place, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void drop_file(const char *name, int fd)
{
    assert_int_equal(aw_close(fd), 0);
    assert_int_equal(aw_unlinkat(place, name, 0), 0);
}

/* ---- names ---- */

FILE_TEST(file_names_are_made_moved_and_removed)
{
    (void)arg;
    struct statx st;
    int fd = new_file("f");
    assert_int_equal(aw_pwrite(fd, "12345", 5, 0), 5);
    assert_int_equal(aw_statx(place, "f", 0, STATX_SIZE, &st), 0);
    assert_int_equal(st.stx_size, 5);
    assert_int_equal(aw_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &st), 0);
    assert_int_equal(st.stx_size, 5);
    assert_int_equal(aw_mkdirat(place, "d", 0700), 0);
    assert_int_equal(aw_mkdirat(place, "d", 0700), -EEXIST);
    assert_int_equal(aw_renameat(place, "f", place, "d/g", 0), 0);
    assert_int_equal(aw_statx(place, "f", 0, STATX_SIZE, &st), -ENOENT);
    assert_int_equal(aw_unlinkat(place, "d", AT_REMOVEDIR), -ENOTEMPTY);
    assert_int_equal(aw_unlinkat(place, "d", 0), -EISDIR);
    close(new_file("f"));
    assert_int_equal(aw_renameat(place, "f", place, "d/g", RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(aw_renameat(place, "f", place, "d/g", 0), 0);
    drop_file("d/g", fd);
    assert_int_equal(aw_unlinkat(place, "d", AT_REMOVEDIR), 0);
    assert_int_equal(aw_unlinkat(place, "d", AT_REMOVEDIR), -ENOENT);
    return 0;
}

/* ---- contents ---- */

FILE_TEST(file_vectors_have_an_offset)
{
    (void)arg;
    int fd = new_file("f");
    char a[3], b[4];
    struct iovec out[2] = {{.iov_base = "abc", .iov_len = 3}, {.iov_base = "defg", .iov_len = 4}};
    struct iovec in[2] = {{.iov_base = a, .iov_len = 3}, {.iov_base = b, .iov_len = 4}};
    assert_int_equal(aw_pwritev(fd, out, 2, 2), 7);
    assert_int_equal(aw_preadv(fd, in, 2, 3), 6);
    assert_memory_equal(a, "bcd", 3);
    assert_memory_equal(b, "efg", 3);
    assert_int_equal(aw_preadv(fd, in, 2, 9), 0);
    assert_int_equal(aw_preadv(fd, in, 0, 0), 0);
    assert_int_equal(aw_preadv(fd, in, 2, -1), -EINVAL);
    assert_int_equal(aw_pwritev(fd, NULL, 1, 0), -EINVAL);
    drop_file("f", fd);
    return 0;
}

FILE_TEST(file_is_given_room_and_put_on_the_disk)
{
    (void)arg;
    struct stat st;
    int fds[2], fd = new_file("f");
    assert_int_equal(aw_fallocate(fd, 0, 100, 50), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 150);
    assert_int_equal(aw_fallocate(fd, 0, -1, 50), -EINVAL);
    assert_int_equal(aw_fallocate(fd, 0, 0, 0), -EINVAL);
    assert_int_equal(aw_fsync(fd), 0);
    assert_int_equal(aw_fdatasync(fd), 0);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(aw_fsync(fds[0]), -EINVAL);
    assert_int_equal(aw_fallocate(fds[1], 0, 0, 1), -ESPIPE);
    close(fds[0]);
    close(fds[1]);
    drop_file("f", fd);
    assert_int_equal(aw_fsync(fd), -EBADF);
    return 0;
}

/* ---- at the file's position ---- */

enum { WRITERS = 50 };

struct writer {
    int fd, number;
};

static int write_number(void *arg)
{
    const struct writer *w = arg;
    char line[8];
    snprintf(line, sizeof line, "%6d", w->number);
    return aw_write(w->fd, line, 7) == 7 ? 0 : -EIO;
}

/* Many at once: each is whole, and they are in the order of the calls, and so are the reads. */
static int read_number(void *arg)
{
    const struct writer *w = arg;
    char line[8];
    return aw_read(w->fd, line, 7) == 7 && strtol(line, NULL, 10) == w->number ? 0 : -EIO;
}

static void in_order(aw_fn *fn, int fd)
{
    static struct writer writers[WRITERS];
    static aw_work work[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){fd, i};
        work[i] = AW_CORO(fn, &writers[i]);
    }
    assert_int_equal(aw_gather_array(work, WRITERS), 0);
}

static int move_the_position(void *arg)
{
    (void)arg;
    int fd = new_file("f");
    in_order(write_number, fd);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    in_order(read_number, fd);
    drop_file("f", fd);
    return 0;
}

FILE_TEST(file_position_moves_in_the_order_of_the_calls)
{
    return move_the_position(arg);
}

/* The same where threads do it, and where nothing is in the cache. */
static ssize_t not_cached(int fd, void *buf, size_t n, int64_t at)
{
    (void)fd, (void)buf, (void)n, (void)at;
    return -EAGAIN;
}

TEST(file_position_moves_in_order_by_threads)
{
    setenv("AWAIT_BACKEND", "epoll", 1);
    aw_sys.pread_now = not_cached;
    char path[] = "/tmp/await-names-XXXXXX";
    assert_non_null(mkdtemp(path));
    place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 10; i++)
        assert_int_equal(aw_run(move_the_position, NULL), 0);
    close(place);
    assert_int_equal(rmdir(path), 0);
}

/* One that waits for its turn, or works, is cancelled: the others are not kept. */
FILE_TEST(file_calls_go_on_behind_a_cancelled_one)
{
    (void)arg;
    struct writer w = {new_file("f"), 7};
    aw_task *tasks[5];
    for (int i = 0; i < 5; i++) {
        tasks[i] = aw_create_task(write_number, &w);
        assert_non_null(tasks[i]);
    }
    AW_TRY(aw_sleep(0));
    aw_cancel(tasks[1]);
    aw_cancel(tasks[3]);
    int written = 0;
    for (int i = 0; i < 5; i++)
        written += aw_join(tasks[i]) == 0;
    assert_true(written >= 3);
    assert_int_equal(lseek(w.fd, 0, SEEK_CUR), 7 * written);
    drop_file("f", w.fd);
    return 0;
}

/* ---- folders ---- */

enum { NAMES = 2000 };

static int make_names(void)
{
    char name[32];
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "a file with the number %d", i);
        int fd = openat(place, name, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    return mkdirat(place, "folder", 0700);
}

FILE_TEST(file_folder_is_read_in_batches)
{
    (void)arg;
    static bool seen[NAMES];
    int n = 0, folders = 0, more, number;
    aw_dirent e;
    assert_int_equal(make_names(), 0);
    aw_dir *d = aw_dir_open(place, ".");
    assert_non_null(d);
    while ((more = aw_dir_read(d, &e)) > 0) {
        if (sscanf(e.name, "a file with the number %d", &number) == 1) {
            assert_false(seen[number]);
            seen[number] = true;
            n++;
            assert_int_equal(e.type, DT_REG);
            assert_int_equal(unlinkat(aw_dir_fd(d), e.name, 0), 0);
        } else {
            assert_string_equal(e.name, "folder");
            assert_int_equal(e.type, DT_DIR);
            folders++;
        }
    }
    assert_int_equal(more, 0);
    assert_int_equal(n, NAMES);
    assert_int_equal(folders, 1);
    assert_int_equal(aw_dir_read(d, &e), 0);
    aw_dir_close(d);
    assert_int_equal(aw_unlinkat(place, "folder", AT_REMOVEDIR), 0);
    return 0;
}

FILE_TEST(file_calls_by_name_with_bad_arguments)
{
    (void)arg;
    struct statx st;
    aw_dirent e;
    int fd = new_file("f");
    assert_null(aw_dir_open(place, "f"));
    assert_int_equal(aw_errno(), -ENOTDIR);
    assert_null(aw_dir_open(place, "none"));
    assert_int_equal(aw_errno(), -ENOENT);
    assert_string_equal(aw_errmsg(), "none: no such file or directory");
    assert_null(aw_dir_open(place, NULL));
    assert_int_equal(aw_dir_read(NULL, &e), -EINVAL);
    assert_int_equal(aw_dir_fd(NULL), -EINVAL);
    aw_dir_close(NULL);
    assert_int_equal(aw_statx(place, NULL, 0, 0, &st), -EINVAL);
    assert_int_equal(aw_statx(place, "f", 0, 0, NULL), -EINVAL);
    assert_int_equal(aw_statx(-1, "f", 0, 0, &st), -EBADF);
    assert_int_equal(aw_renameat(place, NULL, place, "g", 0), -EINVAL);
    assert_int_equal(aw_renameat(place, "f", place, NULL, 0), -EINVAL);
    assert_int_equal(aw_unlinkat(place, NULL, 0), -EINVAL);
    assert_int_equal(aw_mkdirat(place, NULL, 0), -EINVAL);
    drop_file("f", fd);
    return 0;
}

TEST(file_calls_by_name_outside_a_task)
{
    struct statx st;
    assert_int_equal(aw_fsync(0), AW_EMISUSE);
    assert_int_equal(aw_statx(AT_FDCWD, "/", 0, 0, &st), AW_EMISUSE);
    assert_int_equal(aw_mkdirat(AT_FDCWD, "/", 0), AW_EMISUSE);
    assert_int_equal(aw_unlinkat(AT_FDCWD, "/", 0), AW_EMISUSE);
    assert_int_equal(aw_sendfile(1, 0, 0, 1), AW_EMISUSE);
    assert_null(aw_dir_open(AT_FDCWD, "/"));
    assert_int_equal(aw_errno(), AW_EMISUSE);
}

/* ---- sent from a file ---- */

enum { BULK = 3000000 };

struct sending {
    int from, to;
};

static int send_all(void *arg)
{
    const struct sending *s = arg;
    int64_t at = 0;
    ssize_t n;
    while ((n = aw_sendfile(s->to, s->from, at, BULK)) > 0)
        at += n;
    assert_int_equal(n, 0);
    assert_int_equal(at, BULK);
    return close(s->to);
}

static void send_to(int from, int to, int at)
{
    static char got[BULK];
    struct sending s = {from, to};
    size_t n = 0;
    ssize_t more;
    aw_task *t = aw_create_task(send_all, &s);
    while ((more = aw_read(at, got + n, BULK - n)) > 0)
        n += (size_t)more;
    assert_int_equal(n, BULK);
    for (size_t i = 0; i < BULK; i++)
        assert_int_equal(got[i], (char)(i * 2654435761u >> 13));
    assert_int_equal(aw_join(t), 0);
    close(at);
}

FILE_TEST(file_is_sent_to_sockets_and_pipes)
{
    (void)arg;
    static char bulk[BULK];
    int fd = new_file("f"), ends[2];
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(pwrite(fd, bulk, BULK, 0), BULK);
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends), 0);
        send_to(fd, ends[0], ends[1]);
        assert_int_equal(pipe2(ends, flags ? O_NONBLOCK : 0), 0);
        send_to(fd, ends[1], ends[0]);
    }
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    assert_int_equal(aw_sendfile(fd, fd, -1, 1), -EINVAL);
    assert_int_equal(aw_sendfile(-1, fd, 0, 1), -EBADF);
    drop_file("f", fd);
    return 0;
}
