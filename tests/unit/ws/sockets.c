/*
 * WebSockets on real sockets, plain and by TLS: a server, its clients, and what either does when
 * the other vanishes.  And which calls suspend.
 */
#include "await/testing.h"
#include "unit/tls/certs.h"
#include "unit/ws/table.h"

/* ---- a server that echoes ---- */

static struct {
    int outcome; /* of the last that ended */
    size_t ended;
    char message[256];
} served;

static int echo(aw_http_request *r, void *arg)
{
    aw_websocket *ws;
    aw_websocket_message m;
    (void)arg;
    int more = aw_websocket_accept(r, &ws);
    if (more < 0)
        return 0;
    while ((more = aw_websocket_receive(ws, &m)) > 0) {
        more = aw_websocket_send(ws, m.data, m.size, .binary = m.binary);
        if (more < 0)
            break;
    }
    served.outcome = more;
    served.ended++;
    copy_text(served.message, sizeof served.message, more < 0 ? aw_errmsg() : "");
    aw_websocket_unref(ws);
    return 0;
}

struct place {
    aw_http_server *server;
    char url[AW_ADDRESS_TEXT + 16];
};

static struct place open_place(aw_tls_context *tls)
{
    struct place p;
    aw_address a;
    char text[AW_ADDRESS_TEXT];
    assert_int_equal(aw_http_serve(&p.server, echo, "127.0.0.1", "0", .tls = tls), 0);
    assert_int_equal(aw_http_server_address(p.server, 0, &a), 0);
    aw_address_format(&a, text, sizeof text);
    snprintf(p.url, sizeof p.url, "ws%s://%s/", tls ? "s" : "", text);
    return p;
}

static void close_place(struct place *p)
{
    assert_int_equal(aw_http_server_shutdown(p->server, .grace = 5), 0);
    aw_http_server_unref(p->server);
}

static void talk(aw_websocket *ws)
{
    static char bulk[300000];
    aw_websocket_message m;
    assert_int_equal(aw_websocket_send(ws, "hello", 5), 0);
    expect_message(ws, "hello");
    assert_int_equal(aw_websocket_send(ws, bulk, sizeof bulk, .binary = true), 0);
    assert_int_equal(aw_websocket_receive(ws, &m), 1);
    assert_int_equal(m.size, sizeof bulk);
}

TEST_IN_LOOP(ws_sockets_plain)
{
    struct place p = open_place(NULL);
    aw_websocket *ws[20];
    for (int i = 0; i < 20; i++)
        assert_int_equal(aw_websocket_connect(&ws[i], p.url), 0);
    for (int i = 0; i < 20; i++)
        talk(ws[i]);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(aw_websocket_close(ws[i]), 0);
        aw_websocket_unref(ws[i]);
    }
    close_place(&p);
    assert_int_equal(served.ended, 20);
    assert_int_equal(served.outcome, 0);
}

TEST_IN_LOOP(ws_sockets_by_tls)
{
    const struct world *w = the_world();
    aw_tls_context *server = aw_tls_context_new(.server = true, .certificate = w->server_file);
    aw_tls_context *client = aw_tls_context_new(.ca_file = w->root_file);
    struct place p = open_place(server);
    aw_websocket *ws;
    assert_int_equal(aw_websocket_connect(&ws, p.url, .tls = client), 0);
    assert_string_equal(aw_tls_version(aw_websocket_stream(ws)), "TLSv1.3");
    talk(ws);
    assert_int_equal(aw_websocket_close(ws), 0);
    aw_websocket_unref(ws);
    close_place(&p);
    assert_int_equal(served.outcome, 0);
    aw_tls_context_unref(server);
    aw_tls_context_unref(client);
}

static void expect_stranger(const char *url, aw_tls_context *tls, const char *why)
{
    aw_websocket *ws;
    assert_int_equal(aw_websocket_connect(&ws, url, .tls = tls), -EKEYREJECTED);
    if (!strstr(aw_errmsg(), why))
        fail_msg("%s", aw_errmsg());
}

/* TLS not verified: whoever is not known is not talked to, without an option too. */
TEST_IN_LOOP(ws_reliability_tls_not_verified)
{
    const struct world *w = the_world();
    struct cert other = MAKE_CERT(.name = "other root", .is_ca = true);
    const struct cert *one = &other;
    char *other_file = write_certs(&one, 1, NULL), url[64];
    aw_tls_context *server = aw_tls_context_new(.server = true, .certificate = w->server_file);
    aw_tls_context *knows = aw_tls_context_new(.ca_file = w->root_file);
    aw_tls_context *knows_others = aw_tls_context_new(.ca_file = other_file);
    struct place p = open_place(server);
    expect_stranger(p.url, NULL, "127.0.0.1"); /* the system's authorities */
    expect_stranger(p.url, knows_others, "unable to get local issuer certificate");
    snprintf(url, sizeof url, "wss://localhost:%s", strrchr(p.url, ':') + 1);
    expect_stranger(url, knows, "hostname mismatch");
    aw_websocket *ws;
    assert_int_equal(aw_websocket_connect(&ws, p.url, .tls = knows), 0);
    talk(ws);
    assert_int_equal(aw_websocket_close(ws), 0);
    aw_websocket_unref(ws);
    close_place(&p);
    aw_tls_context_unref(server);
    aw_tls_context_unref(knows);
    aw_tls_context_unref(knows_others);
    free_cert(&other);
    free(other_file);
}

TEST_IN_LOOP(ws_sockets_client_vanishes)
{
    struct place p = open_place(NULL);
    aw_websocket *ws;
    assert_int_equal(aw_websocket_connect(&ws, p.url), 0);
    talk(ws);
    assert_int_equal(aw_set_socket_option(aw_stream_fd(aw_websocket_stream(ws)), "SO_LINGER", 0),
                     0);
    assert_int_equal(aw_websocket_abort(ws), 0);
    aw_websocket_unref(ws);
    close_place(&p);
    assert_int_equal(served.ended, 1);
    assert_true(served.outcome == -ECONNRESET || served.outcome == AW_EOF);
}

TEST_IN_LOOP(ws_sockets_refusal_names_the_peer)
{
    struct place p = open_place(NULL);
    aw_websocket *ws;
    aw_address a;
    char peer[AW_ADDRESS_TEXT], wanted[256];
    static char bulk[(1 << 20) + 1];
    aw_websocket_message m;
    assert_int_equal(aw_websocket_connect(&ws, p.url), 0);
    assert_int_equal(aw_local_address(aw_stream_fd(aw_websocket_stream(ws)), &a), 0);
    aw_address_format(&a, peer, sizeof peer);
    assert_int_equal(aw_websocket_send(ws, bulk, sizeof bulk, .binary = true), 0);
    assert_int_equal(aw_websocket_receive(ws, &m), 0);
    assert_int_equal(aw_websocket_close_code(ws), AW_WS_TOO_BIG);
    assert_string_equal(aw_websocket_close_reason(ws), "a message too long, .max_message");
    aw_websocket_unref(ws);
    close_place(&p);
    snprintf(wanted, sizeof wanted,
             "WebSocket of %s refused (1009): a message too long, .max_message is 1048576", peer);
    assert_int_equal(served.outcome, -EMSGSIZE);
    assert_string_equal(served.message, wanted);
}

TEST_IN_LOOP(ws_sockets_nobody_there)
{
    struct place p = open_place(NULL);
    aw_websocket *ws;
    int status = 1;
    close_place(&p);
    assert_int_equal(aw_websocket_connect(&ws, p.url, .ret_status = &status), -ECONNREFUSED);
    assert_int_equal(status, 0);
    assert_non_null(strstr(aw_errmsg(), "127.0.0.1"));
}

/* ---- which calls suspend ---- */

static int end_it(void *arg)
{
    return aw_stream_write_eof(arg);
}

TEST_IN_LOOP(ws_calls_that_suspend_and_those_that_do_not)
{
    struct table t = SIT(.server = true);
    aw_websocket_message m;
    aw_websocket_frame *f = aw_websocket_frame_new("x", 1);
    PUT(&t, FIN | TEXT, "x");
    AW_EXPECT_NO_SUSPEND(aw_websocket_receive(t.ws, &m));
    AW_EXPECT_NO_SUSPEND(aw_websocket_send(t.ws, "x", 1));
    AW_EXPECT_NO_SUSPEND(aw_websocket_send(t.ws, "x", 1, .nowait = true));
    AW_EXPECT_NO_SUSPEND(aw_websocket_send_frame(t.ws, f));
    AW_EXPECT_SUSPENDS(aw_websocket_ping(t.ws, .timeout = 1));
    AW_EXPECT_NO_SUSPEND(aw_websocket_close(t.ws, .nowait = true));
    AW_EXPECT_SUSPENDS(aw_websocket_close(t.ws));
    AW_EXPECT_NO_SUSPEND(aw_websocket_close(t.ws));
    AW_EXPECT_NO_SUSPEND(aw_websocket_receive(t.ws, &m));
    AW_EXPECT_NO_SUSPEND(aw_websocket_abort(t.ws));
    aw_websocket_frame_unref(f);
    rise(&t);
    t = SIT(.server = true);
    PUT(&t, TEXT, "x");
    assert_int_equal(aw_call_later(1, end_it, t.raw), 0);
    AW_EXPECT_SUSPENDS(aw_websocket_receive(t.ws, &m));
    rise(&t);
}

/* Calls that wait are for tasks. */
static int call_them(void *arg)
{
    aw_websocket_message m;
    assert_int_equal(aw_websocket_receive(arg, &m), AW_EMISUSE);
    assert_int_equal(aw_websocket_ping(arg), AW_EMISUSE);
    assert_int_equal(aw_websocket_close(arg), AW_EMISUSE);
    assert_int_equal(aw_websocket_send(arg, "x", 1, .more = true), AW_EMISUSE);
    return 0;
}

TEST_IN_LOOP(ws_calls_in_a_callback)
{
    struct table t = SIT(.server = true);
    assert_int_equal(aw_call_soon(call_them, t.ws), 0);
    passes(2);
    assert_false(aw_websocket_is_closing(t.ws));
    rise(&t);
}

/* A loop that is closed over connections: what is left of them can be given up. */
static int leave_them(void *arg)
{
    struct table *t = arg;
    t[0] = SIT(.server = true);
    t[1] = SIT(.server = false);
    PUT(&t[0], FIN | TEXT, "unread");
    return aw_websocket_send(t[1].ws, "unsent", 6);
}

TEST(ws_calls_after_the_loop)
{
    struct table t[2];
    assert_int_equal(aw_run(leave_them, t), 0);
    rise(&t[0]);
    rise(&t[1]);
}
