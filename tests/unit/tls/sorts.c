/*
 * sorts.c - TLS as a sort of stream, for the suite.
 */
#include <sys/socket.h>

#include "unit/net/streams.h"
#include "unit/tls/certs.h"

static int open_over(aw_stream *two[2], aw_stream *ret[2], const aw_stream_opts *o)
{
    const struct world *w = the_world();
    aw_tls_context *client = aw_tls_context_new(.ca_file = w->root_file);
    aw_tls_context *server = aw_tls_context_new(.server = true, .certificate = w->server_file);
    struct meeting m = {.client = two[0],
                        .server = two[1],
                        .client_context = client,
                        .server_context = server,
                        .name = "good.example",
                        .opts = o};
    assert_true(client && server);
    shake_hands(&m);
    assert_int_equal(m.client_result, 0);
    assert_int_equal(m.server_result, 0);
    ret[0] = m.client;
    ret[1] = m.server;
    aw_tls_context_unref(client);
    aw_tls_context_unref(server);
    return 0;
}

static int open_socket(aw_stream *ret[2], const aw_stream_opts *opts)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    aw_stream *two[2] = {aw_stream_from_fd(fds[0]), aw_stream_from_fd(fds[1])};
    return open_over(two, ret, opts);
}

static int open_memory(aw_stream *ret[2], const aw_stream_opts *opts)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    return open_over(two, ret, opts);
}

const struct sort sorts[] = {
    {.name = "tls over a socket", .open = open_socket},
    {.name = "tls in memory", .open = open_memory},
};
const size_t n_sorts = sizeof sorts / sizeof *sorts;
