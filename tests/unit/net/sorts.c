/*
 * sorts.c - the sorts of stream that need nothing but this library.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/net/streams.h"

/* ---- descriptors ---- */

static int open_fds(int r, int w, aw_stream *ret[2], const aw_stream_opts *opts)
{
    aw_stream_opts of_r = *opts, of_w = *opts;
    of_r.fd = r;
    of_w.fd = w;
    ret[0] = aw_stream_from_fd_(&of_r);
    ret[1] = aw_stream_from_fd_(&of_w);
    assert_true(ret[0] && ret[1]);
    return 0;
}

static int open_unix(aw_stream *ret[2], const aw_stream_opts *opts)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return open_fds(fds[0], fds[1], ret, opts);
}

static int open_pipe(aw_stream *ret[2], const aw_stream_opts *opts)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    return open_fds(fds[0], fds[1], ret, opts);
}

static int open_tcp(aw_stream *ret[2], const aw_stream_opts *opts)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    int w = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int size_of_buffer = 1 << 16; /* or the kernel would take megabytes */
    setsockopt(w, SOL_SOCKET, SO_SNDBUF, &size_of_buffer, sizeof size_of_buffer);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size_of_buffer, sizeof size_of_buffer);
    assert_int_equal(connect(w, (struct sockaddr *)&a, sizeof a), 0);
    int r = accept(listener, NULL, NULL);
    assert_true(r >= 0);
    close(listener);
    return open_fds(r, w, ret, opts);
}

/* ---- a transport of one's own: another stream ---- */

static ssize_t through_read(void *inner, void *buf, size_t n)
{
    return aw_stream_read(inner, buf, n);
}

static ssize_t through_write(void *inner, const void *buf, size_t n)
{
    AW_TRY(aw_stream_write(inner, buf, n));
    int err = aw_stream_drain(inner);
    return err < 0 && err != -ECANCELED ? err : (ssize_t)n;
}

static int through_shutdown(void *inner)
{
    return aw_stream_write_eof(inner);
}

static int through_close(void *inner)
{
    AW_TRY(aw_stream_close(inner));
    return aw_stream_wait_closed(inner);
}

static void through_abort(void *inner)
{
    aw_ignore(aw_stream_abort(inner));
}

static void through_release(void *inner)
{
    aw_stream_unref(inner);
}

static int through_fd(void *inner)
{
    return aw_stream_fd(inner);
}

static size_t through_pending(void *inner)
{
    return aw_stream_pending(inner);
}

static const aw_transport through = {.read = through_read,
                                     .write = through_write,
                                     .shutdown = through_shutdown,
                                     .close = through_close,
                                     .abort = through_abort,
                                     .release = through_release,
                                     .fd = through_fd,
                                     .pending = through_pending};

static int open_through(aw_stream *ret[2], const aw_stream_opts *opts)
{
    aw_stream *inner[2];
    AW_TRY(open_unix(inner, &(aw_stream_opts){.fd = -1}));
    for (int i = 0; i < 2; i++) {
        aw_stream_opts o = *opts;
        o.transport = &through;
        o.context = inner[i];
        ret[i] = aw_stream_from_transport_(&o);
        assert_non_null(ret[i]);
        assert_ptr_equal(aw_stream_transport_context(ret[i], &through), inner[i]);
    }
    return 0;
}

/* ---- memory ---- */

static int open_memory(aw_stream *ret[2], const aw_stream_opts *opts)
{
    aw_stream_opts o = *opts;
    o.ret = ret;
    return aw_stream_pair_(&o);
}

const struct sort sorts[] = {
    {.name = "tcp", .open = open_tcp},
    {.name = "unix", .open = open_unix},
    {.name = "pipe", .open = open_pipe, .one_way = true},
    {.name = "memory", .open = open_memory, .holds_little = true},
    {.name = "transport", .open = open_through},
};
const size_t n_sorts = sizeof sorts / sizeof *sorts;
