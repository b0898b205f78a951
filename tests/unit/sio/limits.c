/*
 * limits.c - who may come in, and how much of everything one client may have.
 */
#include <jansson.h>

#include "unit/sio/world.h"

#define POLLING "/socket.io/?EIO=4&transport=polling"

static struct answer a;

/* ---- middleware ---- */

static int guard(aw_sio_socket *s, void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(0.01));
    assert_false(aw_sio_socket_connected(s));
    assert_int_equal(aw_sio_emit(s, "early", NULL), -ENOTCONN);
    const char *token = json_string_value(json_object_get(aw_sio_socket_auth_value(s), "token"));
    if (!token)
        return aw_raise(-EACCES, "no token");
    if (strcmp(token, "bad") == 0)
        return aw_sio_refuse(s, "bad \"token\"", "{\"code\":7}");
    return strcmp(token, "none") == 0 ? -EPERM : 0;
}

static int second_guard(aw_sio_socket *s, void *arg)
{
    ++*(int *)arg;
    aw_sio_socket_set_data(s, arg);
    return 0;
}

static void middleware(void)
{
    int calls = 0;
    char buf[128];
    assert_int_equal(aw_sio_use(custom, guard, NULL), 0);
    assert_int_equal(aw_sio_use(custom, second_guard, &calls), 0);
    struct conn *c = ws_open();
    ws_text(c, "40/custom,{}");
    ws_expect(c, "44/custom,{\"message\":\"no token\"}");
    ws_text(c, "40/custom,{\"token\":\"bad\"}");
    ws_expect(c, "44/custom,{\"message\":\"bad \\\"token\\\"\",\"data\":{\"code\":7}}");
    ws_text(c, "40/custom,{\"token\":\"none\"}");
    ws_expect(c, "44/custom,{\"message\":\"operation not permitted\"}");
    assert_int_equal(calls, 0);
    ws_text(c, "40/custom,{\"token\":\"good\"}");
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    assert_int_equal(memcmp(buf, "40/custom,{\"sid\":\"", 18), 0);
    ws_expect(c, "42/custom,[\"auth\",{\"token\":\"good\"}]");
    assert_int_equal(calls, 1);
    ws_text(c, "41/custom");
    ws_text(c, "40/custom,{\"token\":\"good\"}");
    ws_text(c, "41/custom"); /* gone while the guards are asked */
    ws_expect(c, "2");
    assert_int_equal(aw_sio_namespace_sockets(custom), 0);
    hang_up(c);
}

TEST(sio_middleware)
{
    in_world(middleware, NULL);
}

static int let_in(aw_http_request *r, void *arg)
{
    (void)arg;
    const char *cookie = aw_http_request_field(r, "cookie");
    return cookie && strcmp(cookie, "a=1; b=2") == 0 ? 0 : -EACCES;
}

static void with_hook(aw_sio_opts *o)
{
    o->allow = let_in;
}

static void hook(void)
{
    char sid[32], buf[256];
    assert_int_equal(GET(&a, POLLING), 403);
    struct conn *c = dial();
    ask(c, "GET", POLLING "&token=x%20y", "Cookie: a=1; b=2\r\nX-Custom: yes\r\n", NULL);
    hear(c, &a);
    assert_int_equal(a.status, 200);
    find_sid(a.body, sid);
    assert_int_equal(POST(&a, "40", POLLING "&sid=%s", sid), 200);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    find_sid(a.body, buf);
    aw_sio_socket *s = aw_sio_find(root, buf);
    assert_string_equal(aw_sio_socket_field(s, "COOKIE"), "a=1; b=2");
    assert_string_equal(aw_sio_socket_field(s, "x-custom"), "yes");
    assert_null(aw_sio_socket_field(s, "x-other"));
    assert_string_equal(aw_sio_socket_query(s), "EIO=4&transport=polling&token=x%20y");
    assert_true(strlen(aw_sio_socket_peer(s)) > 0);
    assert_false(aw_sio_socket_is_websocket(s));
    hang_up(c);
}

TEST(sio_handshake_hook_and_what_it_keeps)
{
    in_world(hook, with_hook);
}

/* ---- limits ---- */

static void few(aw_sio_opts *o)
{
    o->max_payload = 1000;
    o->max_message = 1500;
    o->max_packets = 3;
    o->max_buffered = 2000;
    o->max_handlers = 2;
    o->max_namespaces = 1;
    o->max_sessions = 3;
    o->max_depth = 5;
}

static void limits_of_polling(void)
{
    char sid[32], id[32], big[1200];
    open_socket(sid, id);
    assert_int_equal(POST(&a,
                          "6\x1e"
                          "6\x1e"
                          "6\x1e"
                          "6",
                          POLLING "&sid=%s", sid),
                     400);
    assert_non_null(strstr(told, "max_packets"));
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    open_socket(sid, id);
    assert_int_equal(POST(&a, big, POLLING "&sid=%s", sid), 413);
    assert_non_null(strstr(told, "max_payload 1000"));
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 400);
    open_socket(sid, id);
    for (int i = 0; i < 100 && aw_sio_socket_connected(aw_sio_find(root, id)); i++) {
        aw_ignore(
            aw_sio_emit(aw_sio_find(root, id), "filler", "[\"0123456789012345678901234567\"]"));
        AW_EXPECT_SUSPENDS(aw_sleep(0));
    }
    assert_null(aw_sio_find(root, id));
    assert_non_null(strstr(told, "max_buffered 2000"));
    for (int i = 0; i < 3; i++)
        open_polling(sid);
    assert_int_equal(GET(&a, POLLING), 503);
    assert_non_null(strstr(told, "max_sessions 3"));
}

/* CVE-2020-36048: what one client can make the server hold is bounded. */
TEST(reliability_socketio_memory_is_bounded)
{
    in_world(limits_of_polling, few);
}

static void as_deep_as_can_be(aw_sio_opts *o)
{
    o->max_depth = 64;
}

static int send_deep_value(aw_sio_event *e, void *arg)
{
    (void)arg;
    return aw_sio_emit(aw_sio_event_socket(e), "message-back", NULL,
                       .value = aw_sio_event_value(e));
}

/* Deep JSON: the deepest that may be allowed fits the stacks of every task. */
static void deepest(void)
{
    enum { DEPTH = 63 };
    static char packet[DEPTH * 8 + 64], back[DEPTH * 8 + 64], buf[DEPTH * 8 + 64];
    char id[32], *at = packet + snprintf(packet, sizeof packet, "42[\"message\",");
    struct conn *c = ws_open_socket(id);
    for (int i = 0; i < DEPTH; i++) {
        memcpy(at, "{\"a\":", 5);
        at += 5;
    }
    *at++ = '1';
    memset(at, '}', DEPTH);
    at[DEPTH] = ']';
    at[DEPTH + 1] = '\0';
    snprintf(back, sizeof back, "42[\"message-back\"%s", strchr(packet, ','));
    ws_text(c, packet);
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    assert_string_equal(buf, back);
    assert_int_equal(aw_sio_on(root, "value", send_deep_value, NULL), 0);
    snprintf(packet, sizeof packet, "42[\"value\"%s", strchr(back, ','));
    ws_text(c, packet);
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    assert_string_equal(buf, back);
    hang_up(c);
}

TEST(reliability_deep_json_fits_the_stacks)
{
    in_world(deepest, as_deep_as_can_be);
}

/* One client does not read: it is ended, and the others hear everything. */
static void slow_reader(void)
{
    char id[32], other_id[32];
    struct conn *c = ws_open_socket(id), *other = ws_open_socket(other_id);
    aw_sio_socket *s = aw_sio_socket_ref(aw_sio_find(root, id));
    int n = 0;
    while (aw_sio_socket_connected(s)) {
        assert_int_equal(
            aw_sio_broadcast(root, "n", "[\"0123456789012345678901234567890123456789\"]"), 0);
        ws_expect(other, "42[\"n\",\"0123456789012345678901234567890123456789\"]");
        AW_EXPECT_SUSPENDS(aw_sleep(0)); /* it is ended in a later pass */
        assert_true(++n < 10000);
    }
    assert_string_equal(aw_sio_socket_reason(s), "transport error");
    assert_non_null(strstr(told, "max_buffered 2000"));
    assert_int_equal(aw_sio_namespace_sockets(root), 1);
    aw_sio_socket_unref(s);
    hang_up(c);
    hang_up(other);
}

TEST(reliability_socketio_client_that_does_not_read_is_ended)
{
    in_world(slow_reader, few);
}

static void limits_of_packets(void)
{
    char id[32], big[900];
    memset(big, 'y', sizeof big);
    struct conn *c = ws_open_socket(id);
    ws_text(
        c, "452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    ws_binary(c, big, sizeof big);
    ws_binary(c, big, sizeof big);
    ws_expect_refused(c, 1008, "max_message");
    c = ws_open_socket(id);
    ws_text(c, "42[\"message\",[[[[[1]]]]]]");
    ws_expect_refused(c, 1008, "max_depth");
    c = ws_open();
    ws_text(c, "40{\"a\":[[[[[1]]]]]}");
    ws_expect_refused(c, 1008, "max_depth");
    c = ws_open_socket(id);
    ws_text(c, "40/custom");
    ws_expect_refused(c, 1008, "max_namespaces");
    c = ws_open_socket(id);
    ws_text(c, "4511-[\"message\"]");
    ws_expect_refused(c, 1008, "max_attachments");
}

TEST(reliability_socketio_packets_have_limits)
{
    in_world(limits_of_packets, few);
}

/* Socket.IO packets: typed validation; what is wrong ends that client, and the
 * others go on. */
static const char *const bad_packets[] = {
    "4abc",
    "42{}",
    "42abc[\"a\"]",
    "42[]",
    "42[1]",
    "42[\"connect\"]",
    "42[\"connect_error\"]",
    "42[\"disconnect\"]",
    "42[\"disconnecting\"]",
    "42[\"newListener\"]",
    "42[{\"toString\":\"foo\"}]",
    "42[{\"a\":1}]",
    "42",
    "42null",
    "42\"a\"",
    "42[\"a\"",
    "42[\"a\"]x",
    "43[1]",
    "431",
    "431{}",
    "44{}",
    "41{}",
    "45[\"a\"]",
    "450-",
    "4511-[\"a\"]",
    "451-[\"a\"]",
    "451-[\"a\",{\"_placeholder\":true,\"num\":1}]",
    "451-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]",
    "42[\"a\\u0000b\"]",
    "42[\"\xff\"]",
    "4",
    "47",
};

static void malformed(void)
{
    char id[32];
    struct conn *other = ws_open_socket(id);
    for (size_t i = 0; i < sizeof bad_packets / sizeof *bad_packets; i++) {
        const char *packet = bad_packets[i];
        struct conn *c = ws_open_socket(id);
        ws_text(c, packet);
        if (strchr(packet, '\xff'))
            ws_expect_refused(c, 1007, "a text is not UTF-8");
        else if (strncmp(packet, "4511", 4) == 0)
            ws_expect_refused(c, 1008, "more attachments than .max_attachments");
        else
            ws_expect_refused(c, 1002, "a malformed packet");
        ws_text(other, "42[\"message\"]");
        ws_expect(other, "42[\"message-back\"]");
    }
    hang_up(other);
}

TEST(reliability_socketio_packets_one_bad_packet_ends_one_session)
{
    in_world(malformed, NULL);
}

static int at_work, most;

static int work(aw_sio_event *e, void *arg)
{
    (void)e;
    (void)arg;
    at_work++;
    most = at_work > most ? at_work : most;
    int err = aw_sleep(0.01);
    at_work--;
    return err;
}

static void back_pressure(void)
{
    char id[32];
    assert_int_equal(aw_sio_on(root, "work", work, NULL), 0);
    struct conn *c = ws_open_socket(id);
    for (int i = 0; i < 10; i++)
        ws_text(c, "42[\"work\"]");
    ws_text(c, "42[\"message\"]");
    ws_expect(c, "42[\"message-back\"]");
    assert_int_equal(most, 2);
    hang_up(c);
}

TEST(reliability_socketio_handlers_of_one_client_are_limited)
{
    in_world(back_pressure, few);
}

/* ---- whose page ---- */

static const char *const listed[] = {"https://example.org", NULL};

static void with_origins(aw_sio_opts *o)
{
    o->origins = listed;
    o->credentials = true;
}

static int from(const char *origin, const char *method)
{
    char fields[256];
    snprintf(fields, sizeof fields, "Origin: %s\r\n", origin);
    struct conn *c = dial();
    ask(c, method, POLLING, fields, NULL);
    hear(c, &a);
    hang_up(c);
    return a.status;
}

static void no_origins(void)
{
    assert_int_equal(from("https://example.org", "GET"), 403);
    assert_null(strstr(a.head, "Access-Control"));
    assert_int_equal(from("null", "GET"), 403);
    assert_int_equal(from("http://test.evil", "GET"), 403);
    assert_int_equal(from("https://example.org", "OPTIONS"), 403);
    assert_int_equal(from("http://test", "GET"), 200); /* this server's own */
    assert_null(strstr(a.head, "Access-Control"));
    struct conn *c = dial();
    ask(c, "GET", "/socket.io/?EIO=4&transport=websocket",
        "Origin: https://example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        NULL);
    hear(c, &a);
    assert_int_equal(a.status, 403);
    hang_up(c);
    assert_non_null(strstr(told, "origin is not allowed"));
}

/* Cross-site WebSocket, CORS: no origin is allowed unless it is listed. */
TEST(reliability_cross_site_no_origin_unless_listed)
{
    in_world(no_origins, NULL);
}

static void some_origins(void)
{
    assert_int_equal(from("https://example.org", "GET"), 200);
    assert_non_null(strstr(a.head, "Access-Control-Allow-Origin: https://example.org\r\n"));
    assert_non_null(strstr(a.head, "Access-Control-Allow-Credentials: true\r\n"));
    assert_non_null(strstr(a.head, "Vary: Origin\r\n"));
    assert_int_equal(from("https://example.org", "OPTIONS"), 204);
    assert_non_null(strstr(a.head, "Access-Control-Allow-Methods: GET, POST\r\n"));
    assert_int_equal(from("https://example.org.evil", "GET"), 403);
    assert_int_equal(from("http://example.org", "GET"), 403);
}

TEST(sio_listed_origins)
{
    in_world(some_origins, with_origins);
}

/* Session ids that cannot be guessed: 120 bits, no two alike. */
static void unguessable(void)
{
    enum { N = 64 };
    static char ids[N][32];
    unsigned ones[120] = {0};
    for (int i = 0; i < N; i++) {
        open_polling(ids[i]);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
        static const char letters[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for (int k = 0; k < 20; k++) {
            const char *at = strchr(letters, ids[i][k]);
            assert_non_null(at);
            for (int bit = 0; bit < 6; bit++)
                ones[k * 6 + bit] += (unsigned)(at - letters) >> bit & 1;
        }
    }
    for (int i = 0; i < 120; i++) /* by chance less than once in 10^9 runs */
        assert_in_range(ones[i], 4, N - 4);
}

TEST(reliability_session_ids_cannot_be_guessed)
{
    in_world(unguessable, NULL);
}
