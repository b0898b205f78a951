/*
 * wire.c - every byte that web-protocols of Engine.IO 4 and Socket.IO 5 ask of a server.
 */
#include "unit/sio/world.h"

#define POLLING "/socket.io/?EIO=4&transport=polling"

static struct answer a; /* of the latest request: too large for a stack */

/* ---- handshake ---- */

static void handshake(void)
{
    char sid[32], want[256];
    assert_int_equal(GET(&a, POLLING), 200);
    find_sid(a.body, sid);
    snprintf(want, sizeof want,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":300,"
             "\"pingTimeout\":200,\"maxPayload\":1000000}",
             sid);
    assert_string_equal(a.body, want);
    assert_non_null(strstr(a.head, "Content-Type: text/plain; charset=UTF-8\r\n"));
    assert_null(strstr(a.head, "Access-Control"));
    struct conn *c = ws_dial("", NULL);
    assert_non_null(c);
    char buf[256];
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    find_sid(buf, sid);
    snprintf(want, sizeof want,
             "0{\"sid\":\"%s\",\"upgrades\":[],\"pingInterval\":300,\"pingTimeout\":200,"
             "\"maxPayload\":1000000}",
             sid);
    assert_string_equal(buf, want);
    hang_up(c);
}

TEST(engineio_handshake_has_five_keys)
{
    in_world(handshake, NULL);
}

static void expect_refusal(const char *method, const char *target, const char *body, int status)
{
    struct conn *c = dial();
    ask(c, method, target, NULL, body);
    hear(c, &a);
    if (a.status != status)
        fail_msg("%s %s: %d", method, target, a.status);
    hang_up(c);
}

static void refusals(void)
{
    expect_refusal("GET", "/socket.io/?transport=polling", NULL, 400);
    expect_refusal("GET", "/socket.io/?EIO=abc&transport=polling", NULL, 400);
    expect_refusal("GET", "/socket.io/?EIO=3&transport=polling", NULL, 400);
    expect_refusal("GET", "/socket.io/?EIO=4", NULL, 400);
    expect_refusal("GET", "/socket.io/?EIO=4&transport=abc", NULL, 400);
    expect_refusal("GET", "/socket.io/?EIO=4&transport=websocket", NULL, 400);
    expect_refusal("POST", POLLING, "4x", 400);
    expect_refusal("PUT", POLLING, "4x", 400);
    expect_refusal("GET", POLLING "&sid=unknown", NULL, 400);
    expect_refusal("POST", POLLING "&sid=unknown", "2", 400);
    int status;
    assert_null(ws_dial("&sid=unknown", &status));
    assert_int_equal(status, 400);
    assert_int_equal(aw_sio_sessions(io), 0);
}

TEST(engineio_refuses_bad_handshakes)
{
    in_world(refusals, NULL);
}

/* ---- polling ---- */

static void three_packets(void)
{
    char sid[32], id[32];
    open_socket(sid, id);
    assert_int_equal(POST(&a,
                          "42[\"message\",1]\x1e"
                          "42[\"message\",2]\x1e"
                          "42[\"message\",3]",
                          POLLING "&sid=%s", sid),
                     200);
    assert_string_equal(a.body, "ok");
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "42[\"message-back\",1]\x1e"
                                "42[\"message-back\",2]\x1e"
                                "42[\"message-back\",3]");
}

TEST(engineio_polling_joins_packets_by_0x1e_in_order)
{
    in_world(three_packets, NULL);
}

static void held(void)
{
    char sid[32], id[32];
    open_socket(sid, id);
    struct conn *c = dial();
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(c, "GET", target_, NULL, NULL);
    aw_ignore(aw_wait_all_blocked());
    assert_int_equal(aw_stream_buffered(c->stream), 0);
    assert_int_equal(aw_sio_emit(aw_sio_find(root, id), "late", "[1]"), 0);
    hear(c, &a);
    assert_string_equal(a.body, "42[\"late\",1]");
    hang_up(c);
}

TEST(engineio_polling_holds_a_get_while_there_is_nothing)
{
    in_world(held, NULL);
}

static void binary_polling(void)
{
    char sid[32], id[32];
    open_socket(sid, id);
    assert_int_equal(POST(&a,
                          "452-[\"message\",{\"_placeholder\":true,\"num\":0},"
                          "{\"_placeholder\":true,\"num\":1}]\x1e"
                          "bAQID\x1e"
                          "bBAUG",
                          POLLING "&sid=%s", sid),
                     200);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "452-[\"message-back\",{\"_placeholder\":true,\"num\":0},"
                                "{\"_placeholder\":true,\"num\":1}]\x1e"
                                "bAQID\x1e"
                                "bBAUG");
}

TEST(engineio_polling_carries_bytes_as_base64)
{
    in_world(binary_polling, NULL);
}

static void invalid_packet(void)
{
    char sid[32];
    open_polling(sid);
    assert_int_equal(POST(&a, "abc", POLLING "&sid=%s", sid), 400);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 400);
    assert_non_null(strstr(told, "a malformed packet"));
}

TEST(engineio_polling_invalid_packet_ends_the_session)
{
    in_world(invalid_packet, NULL);
}

static void two_gets(void)
{
    char sid[32];
    open_polling(sid);
    struct conn *first = dial(), *second = dial();
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(first, "GET", target_, NULL, NULL);
    aw_ignore(aw_wait_all_blocked());
    ask(second, "GET", target_, NULL, NULL);
    hear(first, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "1");
    hear(second, &a);
    assert_int_equal(a.status, 400);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 400);
    hang_up(first);
    hang_up(second);
}

TEST(engineio_polling_two_gets_end_the_session)
{
    in_world(two_gets, NULL);
}

static void close_by_post(void)
{
    char sid[32], id[32];
    open_socket(sid, id);
    struct conn *c = dial();
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(c, "GET", target_, NULL, NULL);
    aw_ignore(aw_wait_all_blocked());
    assert_int_equal(POST(&a, "1", POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "ok");
    hear(c, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "6");
    hang_up(c);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 400);
    assert_int_equal(aw_sio_sessions(io), 0);
    aw_ignore(aw_wait_all_blocked());
    assert_string_equal(reasons, "transport close;");
}

TEST(engineio_polling_close_packet_gives_the_held_get_a_noop)
{
    in_world(close_by_post, NULL);
}

/* ---- heart-beat ---- */

static void ping_polling(void)
{
    char sid[32], id[32];
    double begin = aw_time();
    open_socket(sid, id);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
        assert_string_equal(a.body, "2");
        assert_true(aw_time() >= begin + 0.3 * i && aw_time() < begin + 0.3 * i + 0.005);
        assert_int_equal(POST(&a, "3", POLLING "&sid=%s", sid), 200);
    }
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    struct conn *c = dial();
    begin = aw_time();
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(c, "GET", target_, NULL, NULL);
    hear(c, &a); /* nobody answered */
    assert_true(aw_time() >= begin + 0.19 && aw_time() < begin + 0.205);
    assert_string_equal(a.body, "1");
    assert_int_equal(aw_sio_sessions(io), 0);
    hang_up(c);
}

TEST(engineio_polling_is_pinged_and_times_out)
{
    in_world(ping_polling, NULL);
}

static void ping_websocket(void)
{
    char id[32];
    double begin = aw_time();
    struct conn *c = ws_open_socket(id);
    for (int i = 1; i <= 3; i++) {
        ws_expect(c, "2");
        assert_true(aw_time() >= begin + 0.3 * i && aw_time() < begin + 0.3 * i + 0.005);
        ws_text(c, "3");
    }
    ws_expect(c, "2");
    ws_expect_closed(c);
    assert_true(aw_time() >= begin + 1.4 && aw_time() < begin + 1.41);
    aw_ignore(aw_wait_all_blocked());
    assert_string_equal(reasons, "ping timeout;");
}

TEST(engineio_websocket_is_pinged_and_times_out)
{
    in_world(ping_websocket, NULL);
}

/* ---- WebSocket ---- */

static void ws_bad_packets(void)
{
    static const char *const bad[] = {"abc", "7", "2", "0", "5", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct conn *c = ws_open();
        ws_text(c, bad[i]);
        ws_expect_closed(c);
    }
    struct conn *c = ws_open();
    ws_text(c, "1");
    ws_expect_closed(c);
    c = ws_open();
    ws_text(c, "6"); /* a noop is one */
    ws_text(c, "40");
    char buf[256];
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    hang_up(c);
}

TEST(engineio_websocket_bad_packet_closes)
{
    in_world(ws_bad_packets, NULL);
}

static void ws_binary_echo(void)
{
    char id[32], buf[64];
    size_t n;
    struct conn *c = ws_open_socket(id);
    ws_text(c, "451-[\"message\",{\"a\":{\"_placeholder\":true,\"num\":0}}]");
    ws_binary(c, "\0\1\2\xff", 4);
    ws_expect(c, "451-[\"message-back\",{\"a\":{\"_placeholder\":true,\"num\":0}}]");
    assert_int_equal(ws_hear(c, buf, sizeof buf, &n), 2);
    assert_int_equal(n, 4);
    assert_memory_equal(buf, "\0\1\2\xff", 4);
    ws_text(c, "452-789[\"message-with-ack\",{\"_placeholder\":true,\"num\":0},"
               "{\"_placeholder\":true,\"num\":1}]");
    ws_binary(c, "ab", 2);
    ws_binary(c, "", 0);
    ws_expect(c, "462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    assert_int_equal(ws_hear(c, buf, sizeof buf, &n), 2);
    assert_int_equal(n, 2);
    assert_int_equal(ws_hear(c, buf, sizeof buf, &n), 2);
    assert_int_equal(n, 0);
    hang_up(c);
}

TEST(socketio_binary_events_and_acks)
{
    in_world(ws_binary_echo, NULL);
}

/* ---- upgrade ---- */

static void upgrade(void)
{
    char sid[32], id[32], query[64];
    open_socket(sid, id);
    snprintf(query, sizeof query, "&sid=%s", sid);
    struct conn *poll = dial(), *c = ws_dial(query, NULL);
    assert_non_null(c);
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(poll, "GET", target_, NULL, NULL);
    aw_ignore(aw_wait_all_blocked());
    double begin = aw_time();
    ws_text(c, "2probe");
    ws_expect(c, "3probe");
    hear(poll, &a);
    assert_string_equal(a.body, "6");
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200); /* a later one: at once, too */
    assert_string_equal(a.body, "6");
    assert_true(aw_time() < begin + 0.001);
    assert_int_equal(aw_sio_emit(aw_sio_find(root, id), "queued", NULL), 0);
    ws_text(c, "5");
    ws_expect(c, "42[\"queued\"]");
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 400);
    assert_int_equal(POST(&a, "3", POLLING "&sid=%s", sid), 400);
    int status;
    assert_null(ws_dial(query, &status));
    assert_int_equal(status, 400);
    ws_text(c, "42[\"message\",\"still here\"]");
    ws_expect(c, "42[\"message-back\",\"still here\"]");
    ws_expect(c, "2");
    ws_text(c, "3");
    ws_expect(c, "2");
    hang_up(poll);
    hang_up(c);
}

TEST(engineio_upgrade)
{
    in_world(upgrade, NULL);
}

static void upgrade_blindly(void)
{
    char sid[32], id[32], query[64];
    open_socket(sid, id);
    snprintf(query, sizeof query, "&sid=%s", sid);
    struct conn *c = ws_dial(query, NULL);
    struct conn *poll = dial();
    ws_text(c, "2probe");
    ws_text(c, "5");
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(poll, "GET", target_, NULL, NULL);
    hear(poll, &a);
    assert_int_equal(a.status, 400);
    ws_expect(c, "3probe");
    ws_text(c, "42[\"message\"]");
    ws_expect(c, "42[\"message-back\"]");
    hang_up(poll);
    hang_up(c);
}

TEST(engineio_upgrade_without_waiting_for_answers)
{
    in_world(upgrade_blindly, NULL);
}

static void short_upgrade(aw_sio_opts *o)
{
    o->upgrade_timeout = 0.1;
}

static void failed_upgrade(void)
{
    char sid[32], id[32], query[64];
    open_socket(sid, id);
    snprintf(query, sizeof query, "&sid=%s", sid);
    struct conn *c = ws_dial(query, NULL);
    ws_text(c, "2probe");
    ws_expect(c, "3probe");
    ws_expect_closed(c); /* the 5 never came */
    assert_non_null(strstr(told, "upgrade_timeout"));
    c = ws_dial(query, NULL);
    ws_text(c, "hello");
    ws_expect_closed(c);
    assert_int_equal(POST(&a, "42[\"message\"]", POLLING "&sid=%s", sid), 200);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "42[\"message-back\"]");
}

TEST(engineio_upgrade_that_fails_changes_nothing)
{
    in_world(failed_upgrade, short_upgrade);
}

/* ---- Socket.IO ---- */

static void expect_connect(struct conn *c, const char *packet, const char *prefix, const char *auth)
{
    char buf[256], sid[32], want[128];
    ws_text(c, packet);
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    find_sid(buf, sid);
    snprintf(want, sizeof want, "40%s{\"sid\":\"%s\"}", prefix, sid);
    assert_string_equal(buf, want);
    snprintf(want, sizeof want, "42%s[\"auth\",%s]", prefix, auth);
    ws_expect(c, want);
}

static void connects(void)
{
    struct conn *c = ws_open();
    expect_connect(c, "40", "", "{}");
    expect_connect(c, "40/custom,", "/custom,", "{}");
    ws_text(c, "41/custom");
    expect_connect(c, "40/custom", "/custom,", "{}");
    ws_text(c, "40/custom"); /* again: it is in already */
    ws_text(c, "40/random");
    ws_expect(c, "44/random,{\"message\":\"Invalid namespace\"}");
    ws_text(c, "42[\"message\"]");
    ws_expect(c, "42[\"message-back\"]");
    hang_up(c);
    c = ws_open();
    expect_connect(c, "40{\"token\":\"123\"}", "", "{\"token\":\"123\"}");
    expect_connect(c, "40/custom,{\"token\":\"abc\"}", "/custom,", "{\"token\":\"abc\"}");
    hang_up(c);
}

TEST(socketio_connect)
{
    in_world(connects, NULL);
}

static void ids(void)
{
    char eio[32], sio[32];
    open_socket(eio, sio);
    assert_string_not_equal(eio, sio);
}

TEST(socketio_id_is_not_the_engines)
{
    in_world(ids, NULL);
}

static void no_connect(void)
{
    double begin = aw_time();
    struct conn *c = ws_open();
    for (int i = 0; i < 3; i++) {
        ws_expect(c, "2");
        ws_text(c, "3");
    }
    ws_expect_closed(c);
    assert_true(aw_time() >= begin + 1 && aw_time() < begin + 1.01);
    assert_non_null(strstr(told, "connect_timeout"));
}

TEST(socketio_closes_who_does_not_connect)
{
    in_world(no_connect, NULL);
}

static void disconnects(void)
{
    struct conn *c = ws_open();
    expect_connect(c, "40", "", "{}");
    expect_connect(c, "40/custom", "/custom,", "{}");
    ws_text(c, "41");
    ws_text(c, "42/custom,[\"message\",1]");
    ws_expect(c, "42/custom,[\"message-back\",1]");
    ws_text(c, "41/custom");
    ws_expect(c, "2"); /* the connection stays open */
    assert_string_equal(reasons, "client namespace disconnect;client namespace disconnect;");
    assert_int_equal(aw_sio_sessions(io), 1);
    hang_up(c);
}

TEST(socketio_disconnect_packet)
{
    in_world(disconnects, NULL);
}

static void acks(void)
{
    char id[32];
    struct conn *c = ws_open_socket(id);
    ws_text(c, "42[\"message\",1,\"2\",{\"3\":[true]}]");
    ws_expect(c, "42[\"message-back\",1,\"2\",{\"3\":[true]}]");
    ws_text(c, "42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]");
    ws_expect(c, "43456[1,\"2\",{\"3\":[false]}]");
    ws_text(c, "420[\"message-with-ack\"]");
    ws_expect(c, "430[]");
    ws_text(c, "42[ \"message\" ]");
    ws_expect(c, "42[\"message-back\"]");
    ws_text(c, "42[\"message\",0.1,1e3,\"\\u00e9\"]"); /* passed on as it came */
    ws_expect(c, "42[\"message-back\",0.1,1e3,\"\\u00e9\"]");
    hang_up(c);
}

TEST(socketio_events_and_acks)
{
    in_world(acks, NULL);
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
        struct conn *c = ws_open_socket(id);
        ws_text(c, bad_packets[i]);
        ws_expect_closed(c);
    }
    ws_text(other, "42[\"message\"]");
    ws_expect(other, "42[\"message-back\"]");
    hang_up(other);
}

TEST(reliability_socketio_packets_one_bad_packet_ends_one_session)
{
    in_world(malformed, NULL);
}

static void before_connect(void)
{
    static const char *const bad[] = {"4abc", "42[\"message\"]", "40[]", "401", "40{", "40\"a\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct conn *c = ws_open();
        ws_text(c, bad[i]);
        ws_expect_closed(c);
    }
}

TEST(socketio_bad_packets_before_connecting)
{
    in_world(before_connect, NULL);
}

static void missing_bytes(void)
{
    char id[32];
    struct conn *c = ws_open_socket(id);
    ws_text(c, "451-[\"message\",{\"_placeholder\":true,\"num\":0}]");
    ws_text(c, "42[\"message\"]"); /* bytes were due */
    ws_expect_closed(c);
    c = ws_open_socket(id);
    ws_binary(c, "abc", 3); /* none were */
    ws_expect_closed(c);
}

TEST(socketio_attachments_out_of_turn)
{
    in_world(missing_bytes, NULL);
}
