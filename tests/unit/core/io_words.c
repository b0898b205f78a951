/*
 * Every failing call of await/io.h and of the like in await/file.h says in words what failed, with
 * what, and why; the same words on every backend.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "await/file.h"
#include "await/io.h"
#include "unit/core/util.h"

static char buf[8];

static void expect(const char *call, ssize_t result, int code, const char *words)
{
    if (result != code || strcmp(aw_errmsg(), words) != 0)
        fail_msg("%s: %s \"%s\", and not \"%s\"", call, aw_error_name((int)result), aw_errmsg(),
                 words);
}

#define EXPECT(call, code, words) expect(#call, (call), (code), (words))
#define NO_DESCRIPTOR(call, name)                                                                  \
    EXPECT(call, -EBADF, name " of descriptor -1: bad file descriptor")

TEST_IN_LOOP(io_words_of_calls_on_no_descriptor)
{
    struct iovec v = {.iov_base = buf, .iov_len = sizeof buf};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    NO_DESCRIPTOR(aw_read(-1, buf, 1), "aw_read");
    NO_DESCRIPTOR(aw_read(-1, buf, 0), "aw_read");
    NO_DESCRIPTOR(aw_write(-1, buf, 1), "aw_write");
    NO_DESCRIPTOR(aw_write(-1, buf, 0), "aw_write");
    NO_DESCRIPTOR(aw_readv(-1, &v, 1), "aw_readv");
    NO_DESCRIPTOR(aw_readv(-1, &v, 0), "aw_readv");
    NO_DESCRIPTOR(aw_writev(-1, &v, 1), "aw_writev");
    NO_DESCRIPTOR(aw_poll(-1, POLLIN), "aw_poll");
    NO_DESCRIPTOR(aw_recv(-1, buf, 1, 0), "aw_recv");
    NO_DESCRIPTOR(aw_recv(-1, buf, 1, MSG_DONTWAIT), "aw_recv");
    NO_DESCRIPTOR(aw_send(-1, buf, 1, 0), "aw_send");
    NO_DESCRIPTOR(aw_recvmsg(-1, &msg, 0), "aw_recvmsg");
    NO_DESCRIPTOR(aw_sendmsg(-1, &msg, 0), "aw_sendmsg");
    NO_DESCRIPTOR(aw_accept(-1, NULL, NULL), "aw_accept");
    NO_DESCRIPTOR(aw_close(-1), "aw_close");
    NO_DESCRIPTOR(aw_fsync(-1), "aw_fsync");
    NO_DESCRIPTOR(aw_fdatasync(-1), "aw_fdatasync");
    NO_DESCRIPTOR(aw_sendfile(-1, 0, 0, 1), "aw_sendfile");
}

TEST_IN_LOOP(io_words_tell_the_place_in_a_file)
{
    struct iovec v = {.iov_base = buf, .iov_len = sizeof buf};
#define AT_5(name) name " of descriptor -1 at 5: bad file descriptor"
    EXPECT(aw_pread(-1, buf, 1, 5), -EBADF, AT_5("aw_pread"));
    EXPECT(aw_pwrite(-1, buf, 1, 5), -EBADF, AT_5("aw_pwrite"));
    EXPECT(aw_preadv(-1, &v, 1, 5), -EBADF, AT_5("aw_preadv"));
    EXPECT(aw_pwritev(-1, &v, 1, 5), -EBADF, AT_5("aw_pwritev"));
    EXPECT(aw_fallocate(-1, 0, 5, 1), -EBADF, AT_5("aw_fallocate"));
}

TEST_IN_LOOP(io_words_name_the_path)
{
    struct statx st;
    const char *none = "no/such";
    EXPECT(aw_openat(AT_FDCWD, none, O_RDONLY, 0), -ENOENT,
           "aw_openat of no/such: no such file or directory");
    EXPECT(aw_statx(AT_FDCWD, none, 0, STATX_SIZE, &st), -ENOENT,
           "aw_statx of no/such: no such file or directory");
    EXPECT(aw_statx(-1, "", AT_EMPTY_PATH, STATX_SIZE, &st), -EBADF,
           "aw_statx of descriptor -1: bad file descriptor");
    EXPECT(aw_unlinkat(AT_FDCWD, none, 0), -ENOENT,
           "aw_unlinkat of no/such: no such file or directory");
    EXPECT(aw_mkdirat(AT_FDCWD, none, 0777), -ENOENT,
           "aw_mkdirat of no/such: no such file or directory");
    EXPECT(aw_renameat(AT_FDCWD, none, AT_FDCWD, "elsewhere", 0), -ENOENT,
           "aw_renameat of no/such to elsewhere: no such file or directory");
}

/* Of a path that is too long the end is told, and the reason all the same. */
TEST_IN_LOOP(io_words_of_an_endless_path_tell_the_reason)
{
    static char path[6000];
    memset(path, 'x', sizeof path - 1);
    memcpy(path + sizeof path - 6, "/end.", 5);
    assert_int_equal(aw_openat(AT_FDCWD, path, O_RDONLY, 0), -ENAMETOOLONG);
    const char *end = strstr(aw_errmsg(), "/end.: file name too long");
    assert_true(end && end[strlen("/end.: file name too long")] == '\0');
    assert_memory_equal(aw_errmsg(), "aw_openat of ...xx", 18);
    assert_int_equal(aw_renameat(AT_FDCWD, path, AT_FDCWD, path, 0), -ENAMETOOLONG);
    assert_non_null(strstr(aw_errmsg(), " to ...x"));
    assert_non_null(strstr(aw_errmsg(), ": file name too long"));
}

TEST_IN_LOOP(io_words_of_sockets)
{
    char words[128];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof to;
    int ends[2], closed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(closed, (struct sockaddr *)&to, sizeof to), 0); /* and nobody listens */
    assert_int_equal(getsockname(closed, (struct sockaddr *)&to, &size), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(words, sizeof words, "aw_connect of descriptor %d to 127.0.0.1:%d: connection refused",
             fd, ntohs(to.sin_port));
    EXPECT(aw_connect(fd, (struct sockaddr *)&to, sizeof to), -ECONNREFUSED, words);
    snprintf(words, sizeof words, "aw_connect of descriptor %d to (none): invalid argument", fd);
    EXPECT(aw_connect(fd, (struct sockaddr *)&to, 1), -EINVAL, words);
    close(fd);
    close(closed);
    assert_int_equal(pipe(ends), 0);
    snprintf(words, sizeof words, "aw_recv of descriptor %d: socket operation on non-socket",
             ends[0]);
    EXPECT(aw_recv(ends[0], buf, 1, 0), -ENOTSOCK, words);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    snprintf(words, sizeof words, "aw_write of descriptor %d: broken pipe", ends[1]);
    EXPECT(aw_write(ends[1], buf, 1), -EPIPE, words);
    close(ends[1]);
}

/* "Not now" is what was asked for; and a cancellation has the words of who cancelled. */
TEST_IN_LOOP(io_words_of_no_failure)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT(aw_recv(-1, buf, 1, 0), -EBADF, "aw_recv of descriptor -1: bad file descriptor");
    EXPECT(aw_recv(ends[0], buf, 1, MSG_DONTWAIT), -EAGAIN, "");
    close(ends[0]);
    close(ends[1]);
}

static int ignore(void *arg)
{
    (void)arg;
    return 0;
}

TEST_IN_LOOP(io_words_of_watching)
{
    EXPECT(aw_add_reader(-1, ignore, NULL), -EBADF, "watching descriptor -1: bad file descriptor");
    EXPECT(aw_add_writer(1 << 20, ignore, NULL), -EBADF,
           "watching descriptor 1048576: bad file descriptor");
}

/* A name may hold anything but zeros and slashes. */
TEST_IN_LOOP(io_words_of_a_hostile_path)
{
    EXPECT(aw_openat(AT_FDCWD, "no/\n[2026] all is well\x1b[2J\xff", O_RDONLY, 0), -ENOENT,
           "aw_openat of no/\\n[2026] all is well\\x1b[2J\\xff: no such file or directory");
}
