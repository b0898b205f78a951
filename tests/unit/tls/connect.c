/*
 * The option .tls of connections and servers, over loopback.
 */
#include <math.h>

#include "await/net.h"
#include "await/testing.h"
#include "await/tls.h"
#include "unit/core/util.h"
#include "unit/net/streams.h"
#include "unit/tls/certs.h"

/* A server that answers each line with itself, and how often it was called. */
static int handled;

static int answer(aw_stream *s, void *arg)
{
    char *line;
    ssize_t n;
    (void)arg;
    handled++;
    while ((n = aw_stream_readline(s, &line)) > 0)
        AW_TRY(aw_stream_write(s, line, (size_t)n));
    return (int)n;
}

struct served {
    aw_server *server;
    char port[8];
};

static struct served serve(double limit)
{
    struct served s;
    aw_address a;
    aw_tls_context *tls =
        aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    assert_int_equal(
        aw_start_server(&s.server, answer, "127.0.0.1", "0", .tls = tls, .tls_timeout = limit), 0);
    aw_tls_context_unref(tls); /* the server has its own handle */
    assert_int_equal(aw_server_address(s.server, 0, &a), 0);
    snprintf(s.port, sizeof s.port, "%d", aw_address_port(&a));
    return s;
}

static void end(struct served *s)
{
    assert_int_equal(aw_server_shutdown(s->server, .grace = 1000), 0);
    aw_server_unref(s->server);
}

static aw_tls_context *trusting(void)
{
    return aw_tls_context_new(.ca_file = the_world()->root_file);
}

TEST_IN_LOOP(tls_option_of_connection_and_server)
{
    struct served s = serve(0);
    aw_tls_context *tls = trusting();
    aw_stream *c;
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", s.port, .tls = tls,
                                        .server_name = "good.example", .timeout = 1000),
                     0);
    assert_string_equal(aw_tls_version(c), "TLSv1.3");
    say(c, "hello\n");
    expect_line(c, "hello\n");
    aw_stream_unref(c);
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", s.port, .tls = tls), 0); /* named, too */
    say(c, "again\n");
    expect_line(c, "again\n");
    aw_stream_unref(c);
    end(&s);
    assert_int_equal(handled, 2);
    aw_tls_context_unref(tls);
}

TEST_IN_LOOP(tls_option_verifies_the_host_by_default)
{
    struct served s = serve(0);
    aw_tls_context *tls = trusting(), *nobody = aw_tls_context_new();
    aw_stream *c;
    assert_int_equal(
        aw_open_connection(&c, "127.0.0.1", s.port, .tls = tls, .server_name = "other.example"),
        -EKEYREJECTED);
    assert_non_null(strstr(aw_errmsg(), "other.example"));
    assert_null(c);
    assert_int_equal(
        aw_open_connection(&c, "127.0.0.1", s.port, .tls = nobody, .server_name = "good.example"),
        -EKEYREJECTED);
    assert_null(c);
    end(&s);
    assert_int_equal(handled, 0);
    assert_reports(1); /* of both, as they came within a second */
    assert_non_null(strstr(reports.name, "127.0.0.1:"));
    aw_tls_context_unref(tls);
    aw_tls_context_unref(nobody);
}

/* A client that says nothing, one that talks in the clear, one that leaves. */
TEST_IN_LOOP(tls_option_of_server_bears_no_strangers)
{
    struct served s = serve(0.05);
    aw_stream *c;
    char byte;
    double began = aw_time();
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", s.port), 0);
    assert_int_equal(aw_stream_read(c, &byte, 1), 0);
    assert_time(aw_time(), began + 0.05);
    aw_stream_unref(c);
    assert_reports(1);
    assert_int_equal(reports.error, -ETIMEDOUT);
    assert_int_equal(aw_testing_advance(2), 0);
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", s.port), 0);
    say(c, "GET / HTTP/1.1\r\n\r\n");
    while (aw_stream_read(c, &byte, 1) > 0)
        ;
    aw_stream_unref(c);
    assert_reports(1);
    assert_int_equal(reports.error, -EPROTO);
    assert_int_equal(aw_testing_advance(2), 0);
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", s.port), 0);
    assert_int_equal(aw_stream_abort(c), 0);
    aw_stream_unref(c);
    while (aw_server_connections(s.server) > 0 || reports.n == 0)
        assert_int_equal(aw_sleep(0.01), 0);
    assert_reports(1);
    end(&s);
    assert_int_equal(handled, 0);
}

/* The time limit of a connection is for the handshake too, and a cancellation ends it. */
static int keep_silent(aw_stream *s, void *arg)
{
    char byte;
    (void)arg;
    return aw_stream_read(s, &byte, 1) < 0 || aw_sleep(INFINITY) < 0 ? -ECANCELED : 0;
}

struct call {
    const char *port;
    aw_tls_context *tls;
};

static int connect_for_ever(void *arg)
{
    const struct call *call = arg;
    aw_stream *s;
    return aw_open_connection(&s, "127.0.0.1", call->port, .tls = call->tls);
}

TEST_IN_LOOP(tls_option_within_the_time_limit)
{
    aw_server *server;
    aw_address a;
    aw_stream *c;
    char port[8];
    aw_tls_context *tls = trusting();
    assert_int_equal(aw_start_server(&server, keep_silent, "127.0.0.1", "0"), 0);
    assert_int_equal(aw_server_address(server, 0, &a), 0);
    snprintf(port, sizeof port, "%d", aw_address_port(&a));
    double began = aw_time();
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", port, .tls = tls, .timeout = 0.05),
                     -ETIMEDOUT);
    assert_time(aw_time(), began + 0.05);
    assert_null(c);
    aw_task *t = aw_create_task(connect_for_ever, &((struct call){port, tls}));
    assert_int_equal(aw_sleep(0.05), 0);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(aw_server_shutdown(server), 2);
    aw_server_unref(server);
    aw_tls_context_unref(tls);
}

TEST_IN_LOOP(tls_option_in_the_wrong_role)
{
    aw_tls_context *client = trusting();
    aw_tls_context *server =
        aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    aw_server *s;
    aw_stream *c;
    assert_int_equal(aw_start_server(&s, answer, "127.0.0.1", "0", .tls = client), -EINVAL);
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", "1", .tls = server), -EINVAL);
    assert_int_equal(
        aw_start_server(&s, answer, "127.0.0.1", "0", .tls = server, .tls_timeout = -1), -EINVAL);
    assert_null(aw_tls_context_new(.server = true));
    assert_non_null(strstr(aw_errmsg(), "connect.c:"));
    aw_tls_context_unref(client);
    aw_tls_context_unref(server);
}
