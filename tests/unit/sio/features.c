/*
 * features.c - what handlers are given, and what programs do: rooms, broadcasts, questions,
 * middleware, other threads, the end.
 */
#include <jansson.h>
#include <math.h>

#include "unit/sio/world.h"

#define POLLING "/socket.io/?EIO=4&transport=polling"

static struct answer a;

/* ---- rooms and broadcasts ---- */

static void expect_nothing(struct conn *c)
{
    aw_ignore(aw_wait_all_blocked());
    if (aw_stream_buffered(c->stream) != 0) {
        char buf[512];
        ws_hear(c, buf, sizeof buf, NULL);
        fail_msg("%s", buf);
    }
}

static void rooms(void)
{
    char id[4][32];
    struct conn *c[4];
    aw_sio_socket *s[4];
    for (int i = 0; i < 4; i++) {
        c[i] = ws_open_socket(id[i]);
        s[i] = aw_sio_find(root, id[i]);
        assert_non_null(s[i]);
        assert_string_equal(aw_sio_socket_id(s[i]), id[i]);
    }
    assert_int_equal(aw_sio_namespace_sockets(root), 4);
    assert_int_equal(aw_sio_join(s[0], "red"), 0);
    assert_int_equal(aw_sio_join(s[1], "red"), 0);
    assert_int_equal(aw_sio_join(s[1], "red"), 0); /* once is enough */
    assert_int_equal(aw_sio_join(s[1], "blue"), 0);
    assert_int_equal(aw_sio_join(s[2], "blue"), 0);
    assert_int_equal(aw_sio_join(s[2], ""), -EINVAL);
    assert_int_equal(aw_sio_room_sockets(root, "red"), 2);
    assert_int_equal(aw_sio_room_sockets(root, id[3]), 1);
    assert_true(aw_sio_in_room(s[0], "red") && aw_sio_in_room(s[0], id[0]));
    assert_false(aw_sio_in_room(s[0], "blue"));

    assert_int_equal(aw_sio_broadcast(root, "one", NULL, .room = "red"), 0);
    const char *both[] = {"red", "blue", NULL};
    assert_int_equal(aw_sio_broadcast(root, "two", "[2]", .rooms = both), 0);
    assert_int_equal(aw_sio_broadcast(root, "three", "[]", .except_room = "red"), 0);
    assert_int_equal(aw_sio_broadcast(root, "four", "[]", .room = "blue", .except_socket = s[2]),
                     0);
    assert_int_equal(aw_sio_broadcast(root, "five", "[]", .room = id[3]), 0);
    assert_int_equal(
        aw_sio_broadcast(root, "six", "[]", .except_rooms = both, .except_room = id[3]), 0);
    assert_int_equal(aw_sio_broadcast(root, "seven", "[]", .room = "green"), 0);
    ws_expect(c[0], "42[\"one\"]");
    ws_expect(c[0], "42[\"two\",2]");
    ws_expect(c[1], "42[\"one\"]");
    ws_expect(c[1], "42[\"two\",2]");
    ws_expect(c[1], "42[\"four\"]");
    ws_expect(c[2], "42[\"two\",2]");
    ws_expect(c[2], "42[\"three\"]");
    ws_expect(c[3], "42[\"three\"]");
    ws_expect(c[3], "42[\"five\"]");
    for (int i = 0; i < 4; i++)
        expect_nothing(c[i]);

    aw_sio_socket *found[4];
    const char *names[4];
    assert_int_equal(aw_sio_fetch(root, "blue", found, 4), 2);
    aw_sio_socket_unref(found[0]);
    aw_sio_socket_unref(found[1]);
    assert_int_equal(aw_sio_rooms(s[1], names, 4), 2);
    assert_string_equal(names[0], "red");
    assert_int_equal(aw_sio_leave(s[1], "red"), 0);
    assert_int_equal(aw_sio_leave(s[1], "red"), 0);
    assert_int_equal(aw_sio_room_sockets(root, "red"), 1);
    for (int i = 0; i < 4; i++)
        hang_up(c[i]);
    aw_ignore(aw_wait_all_blocked());
    assert_int_equal(aw_sio_room_sockets(root, "blue"), 0);
    assert_int_equal(aw_sio_namespace_sockets(root), 0);
    assert_null(aw_sio_find(root, id[0]));
}

TEST(sio_rooms_and_broadcasts)
{
    in_world(rooms, NULL);
}

static void everybody(void)
{
    char sid[32], id[32], id2[32];
    open_socket(sid, id);
    struct conn *c = ws_open_socket(id2);
    aw_sio_bytes part = {"\1\2\3", 3};
    assert_int_equal(aw_sio_broadcast(root, "bytes", "[{\"_placeholder\":true,\"num\":0}]",
                                      .attachments = &part, .n_attachments = 1),
                     0);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "451-[\"bytes\",{\"_placeholder\":true,\"num\":0}]\x1e"
                                "bAQID");
    ws_expect(c, "451-[\"bytes\",{\"_placeholder\":true,\"num\":0}]");
    char buf[16];
    size_t n;
    assert_int_equal(ws_hear(c, buf, sizeof buf, &n), 2);
    assert_int_equal(n, 3);
    hang_up(c);
}

TEST(sio_broadcast_over_both_transports)
{
    in_world(everybody, NULL);
}

static void what_is_wrong(void)
{
    char id[32];
    struct conn *c = ws_open_socket(id);
    aw_sio_socket *s = aw_sio_find(root, id);
    aw_sio_bytes part = {"a", 1}, none = {NULL, 1};
    assert_int_equal(aw_sio_emit(s, "connect", "[]"), -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a", "{}"), -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a", "[1"), -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a", "[1],[2]"), -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a", "[x]"), -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a\xff", "[1]"), -EILSEQ);
    assert_int_equal(aw_sio_emit(s, "a", "[1]", .attachments = &part, .n_attachments = 1), -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a", "[{\"_placeholder\":true,\"num\":0}]",
                                 .attachments = &none, .n_attachments = 1),
                     -EINVAL);
    assert_int_equal(aw_sio_emit(s, "a", "[1]", .n_attachments = 11), AW_ELIMIT);
    assert_int_equal(aw_sio_emit(NULL, "a", "[1]"), -EINVAL);
    assert_int_equal(aw_sio_emit(s, NULL, "[1]"), -EINVAL);
    expect_nothing(c);
    assert_int_equal(aw_sio_emit(s, "a \"b\"\n", " [ 1 ] "), 0);
    ws_expect(c, "42[\"a \\\"b\\\"\\n\",1 ]");
    json_t *value = json_pack("[s, {s:i}]", "x", "n", 7);
    assert_int_equal(aw_sio_emit(s, "v", NULL, .value = value), 0);
    assert_int_equal(aw_sio_broadcast(root, "w", NULL, .value = value), 0);
    assert_int_equal(aw_sio_emit(s, "v", "[]", .value = value), -EINVAL);
    json_decref(value);
    ws_expect(c, "42[\"v\",\"x\",{\"n\":7}]");
    ws_expect(c, "42[\"w\",\"x\",{\"n\":7}]");
    hang_up(c);
}

TEST(sio_what_is_sent_is_checked)
{
    in_world(what_is_wrong, NULL);
}

/* Deep JSON, of what is sent. */
static void deep_sending(void)
{
    char id[32], deep[201];
    struct conn *c = ws_open_socket(id);
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = '\0';
    assert_int_equal(aw_sio_broadcast(root, "deep", deep), AW_ELIMIT);
    json_t *outer = json_array(), *inner = outer;
    for (int i = 0; i < 100; i++) {
        json_t *next = json_array();
        json_array_append_new(inner, next);
        inner = next;
    }
    assert_int_equal(aw_sio_broadcast(root, "deep", NULL, .value = outer), AW_ELIMIT);
    json_decref(outer);
    expect_nothing(c);
    hang_up(c);
}

TEST(reliability_deep_json_is_not_sent)
{
    in_world(deep_sending, NULL);
}

static void volatiles(void)
{
    char sid[32], id[32], id2[32];
    open_socket(sid, id);
    aw_sio_socket *s = aw_sio_find(root, id);
    assert_int_equal(aw_sio_emit(s, "lost", NULL, .is_volatile = true), 0);
    struct conn *poll = dial();
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(poll, "GET", target_, NULL, NULL);
    aw_ignore(aw_wait_all_blocked());
    assert_int_equal(aw_sio_emit(s, "heard", NULL, .is_volatile = true), 0);
    assert_int_equal(aw_sio_emit(s, "late", NULL, .is_volatile = true), 0);
    hear(poll, &a);
    assert_string_equal(a.body, "42[\"heard\"]");
    hang_up(poll);
    struct conn *c = ws_open_socket(id2);
    s = aw_sio_find(root, id2);
    assert_int_equal(aw_sio_emit(s, "heard", NULL, .is_volatile = true), 0);
    ws_expect(c, "42[\"heard\"]");
    hang_up(c);
}

TEST(sio_volatile_packets_are_dropped_where_they_would_wait)
{
    in_world(volatiles, NULL);
}

/* ---- questions ---- */

struct question {
    aw_sio_socket *socket;
    aw_sio_event *answer;
    double timeout;
};

static int put_question(void *arg)
{
    struct question *q = arg;
    return aw_sio_call(q->socket, "question", "[1]", .ret = &q->answer, .timeout = q->timeout);
}

static void questions(void)
{
    char id[32];
    struct conn *c = ws_open_socket(id);
    struct question q = {.socket = aw_sio_socket_ref(aw_sio_find(root, id)), .timeout = 0.1};
    aw_task *t = aw_create_task(put_question, &q);
    ws_expect(c, "420[\"question\",1]");
    ws_text(c, "430[\"yes\",4.5,{\"a\":[]}]");
    assert_int_equal(aw_join(t), 0);
    assert_string_equal(aw_sio_event_json(q.answer, NULL), "[\"yes\",4.5,{\"a\":[]}]");
    assert_string_equal(aw_sio_event_string(q.answer, 0), "yes");
    double number;
    assert_true(aw_sio_event_number(q.answer, 1, &number) && number == 4.5);
    assert_null(aw_sio_event_string(q.answer, 1));
    assert_false(aw_sio_event_number(q.answer, 0, &number));
    assert_string_equal(aw_sio_event_name(q.answer), "");
    assert_int_equal(aw_sio_ack(q.answer, NULL), AW_EMISUSE);
    aw_sio_event_unref(q.answer);

    t = aw_create_task(put_question, &q);
    ws_expect(c, "421[\"question\",1]");
    ws_text(c, "461-1[{\"_placeholder\":true,\"num\":0}]");
    ws_binary(c, "xyz", 3);
    assert_int_equal(aw_join(t), 0);
    aw_sio_bytes bytes;
    assert_true(aw_sio_event_bytes(q.answer, 0, &bytes));
    assert_int_equal(bytes.size, 3);
    assert_false(aw_sio_event_bytes(q.answer, 1, &bytes));
    aw_sio_event_unref(q.answer);

    double begin = aw_time();
    t = aw_create_task(put_question, &q);
    assert_int_equal(aw_join(t), -ETIMEDOUT);
    assert_true(aw_time() >= begin + 0.1 && aw_time() < begin + 0.101);
    ws_expect(c, "422[\"question\",1]");
    ws_text(c, "432[]");  /* too late */
    ws_text(c, "4377[]"); /* never asked */
    q.timeout = INFINITY;
    t = aw_create_task(put_question, &q);
    ws_expect(c, "423[\"question\",1]");
    hang_up(c); /* and gone */
    assert_int_equal(aw_join(t), -ENOTCONN);
    assert_int_equal(aw_sio_call(q.socket, "question", NULL), -ENOTCONN);
    assert_int_equal(aw_sio_emit(q.socket, "a", NULL), -ENOTCONN);
    assert_int_equal(aw_sio_join(q.socket, "a"), -ENOTCONN);
    assert_false(aw_sio_socket_connected(q.socket));
    assert_string_equal(aw_sio_socket_reason(q.socket), "transport close");
    aw_sio_socket_unref(q.socket);
}

TEST(sio_questions_are_answered_or_end)
{
    in_world(questions, NULL);
}

static int twice(aw_sio_event *e, void *arg)
{
    (void)arg;
    assert_true(aw_sio_event_wants_ack(e));
    assert_int_equal(aw_sio_ack(e, "[1]"), 0);
    assert_int_equal(aw_sio_ack(e, "[2]"), AW_ESTATE);
    return 0;
}

static int fails(aw_sio_event *e, void *arg)
{
    (void)e;
    (void)arg;
    return aw_raise(-EIO, "on purpose");
}

static char reports[2048];

static int keep_report(const aw_report *r, void *arg)
{
    (void)arg;
    size_t n = strlen(reports);
    snprintf(reports + n, sizeof reports - n, "%s %s;", r->fn_name, r->detail);
    return 0;
}

static void failures(void)
{
    char id[32];
    aw_loop_set_exception_handler(aw_running_loop(), keep_report, NULL);
    assert_int_equal(aw_sio_on(root, "twice", twice, NULL), 0);
    assert_int_equal(aw_sio_on(root, "fails", fails, NULL), 0);
    assert_int_equal(aw_sio_on(root, "fails", twice, NULL), -EEXIST);
    assert_int_equal(aw_sio_on(root, "disconnect", twice, NULL), -EINVAL);
    struct conn *c = ws_open_socket(id);
    ws_text(c, "429[\"twice\"]");
    ws_expect(c, "439[1]");
    ws_text(c, "421[\"fails\"]");
    ws_text(c, "42[\"nobody\"]");
    ws_text(c, "42[\"message\",\"goes on\"]");
    ws_expect(c, "42[\"message-back\",\"goes on\"]");
    assert_string_equal(reports, "fails on purpose;");
    hang_up(c);
}

/* CVE-2024-38355: what a handler does wrong ends its event. */
TEST(reliability_a_handler_that_fails_ends_its_event)
{
    in_world(failures, NULL);
}

static int any(aw_sio_event *e, void *arg)
{
    (void)arg;
    return aw_sio_emit(aw_sio_event_socket(e), aw_sio_event_name(e), aw_sio_event_json(e, NULL));
}

static void catch_all(void)
{
    char id[32];
    assert_int_equal(aw_sio_on(root, NULL, any, NULL), 0);
    assert_int_equal(aw_sio_on(root, NULL, any, NULL), -EEXIST);
    struct conn *c = ws_open_socket(id);
    ws_text(c, "42[\"what ever\\\"\",{\"a\":1}]");
    ws_expect(c, "42[\"what ever\\\"\",{\"a\":1}]");
    ws_text(c, "42[\"\"]");
    ws_expect(c, "42[\"\"]");
    hang_up(c);
}

TEST(sio_handler_of_all_other_events)
{
    in_world(catch_all, NULL);
}

/* ---- disconnecting ---- */

static void server_disconnects(void)
{
    char id[32], sid[32], buf[128];
    struct conn *c = ws_open_socket(id);
    ws_text(c, "40/custom");
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    ws_expect(c, "42/custom,[\"auth\",{}]");
    find_sid(buf, sid);
    assert_int_equal(aw_sio_disconnect(aw_sio_find(custom, sid)), 0);
    ws_expect(c, "41/custom,");
    ws_text(c, "42/custom,[\"message\"]"); /* it did not know yet */
    ws_text(c, "42[\"message\"]");
    ws_expect(c, "42[\"message-back\"]");
    aw_sio_socket *s = aw_sio_socket_ref(aw_sio_find(root, id));
    assert_int_equal(aw_sio_disconnect(s, .close = true), 0);
    assert_int_equal(aw_sio_disconnect(s), -ENOTCONN);
    aw_sio_socket_unref(s);
    ws_expect(c, "41");
    ws_expect_closed(c);
    assert_string_equal(reasons, "server namespace disconnect;server namespace disconnect;");
    /* What was said to a client that polls is not lost. */
    open_socket(sid, id);
    s = aw_sio_find(root, id);
    assert_int_equal(aw_sio_emit(s, "bye", NULL), 0);
    assert_int_equal(aw_sio_disconnect(s, .close = true), 0);
    assert_int_equal(POST(&a, "3", POLLING "&sid=%s", sid), 400);
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "42[\"bye\"]\x1e"
                                "41");
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 200);
    assert_string_equal(a.body, "1");
    assert_int_equal(GET(&a, POLLING "&sid=%s", sid), 400);
}

TEST(sio_server_disconnects)
{
    in_world(server_disconnects, NULL);
}

static int slow(aw_sio_event *e, void *arg)
{
    (void)e;
    int err = aw_sleep(1000);
    *(int *)arg = err;
    return err;
}

static void closing(void)
{
    char id[32], sid[32];
    int ended = 1;
    assert_int_equal(aw_sio_on(root, "slow", slow, &ended), 0);
    struct conn *c = ws_open_socket(id), *poll = dial();
    open_socket(sid, id);
    snprintf(target_, sizeof target_, POLLING "&sid=%s", sid);
    ask(poll, "GET", target_, NULL, NULL);
    ws_text(c, "42[\"slow\"]");
    aw_ignore(aw_wait_all_blocked());
    aw_task *closer = aw_create_task((aw_fn *)NULL, NULL);
    assert_null(closer);
    double begin = aw_time();
    assert_int_equal(aw_sio_close(io, .grace = 0.05), 1);
    assert_true(aw_time() < begin + 0.1);
    assert_int_equal(ended, -ECANCELED);
    assert_string_equal(reasons, "server shutting down;server shutting down;");
    hear(poll, &a);
    assert_string_equal(a.body, "1");
    hang_up(poll);
    assert_int_equal(GET(&a, POLLING), 503);
    hang_up(c);
}

TEST(sio_close_ends_everything)
{
    in_world(closing, NULL);
}

/* ---- other threads ---- */

static int from_a_thread(void *arg)
{
    (void)arg;
    const char *rooms_[] = {"red", NULL};
    aw_sio_bytes part = {"zz", 2};
    for (int i = 0; i < 10; i++) {
        char args[32];
        snprintf(args, sizeof args, "[%d]", i);
        assert_int_equal(aw_sio_broadcast_threadsafe(root, "tick", args, .rooms = rooms_), 0);
    }
    assert_int_equal(aw_sio_broadcast_threadsafe(root, "bytes",
                                                 "[{\"_placeholder\":true,\"num\":0}]",
                                                 .attachments = &part, .n_attachments = 1),
                     0);
    assert_int_equal(aw_sio_broadcast(root, "wrong", NULL), AW_ETHREAD);
    assert_null(aw_sio_of(io, "/x"));
    return 0;
}

static void threads(void)
{
    char id[32], buf[64], want[64];
    struct conn *c = ws_open_socket(id);
    assert_int_equal(aw_sio_join(aw_sio_find(root, id), "red"), 0);
    assert_int_equal(aw_to_thread(from_a_thread, NULL), 0);
    for (int i = 0; i < 10; i++) {
        snprintf(want, sizeof want, "42[\"tick\",%d]", i);
        ws_expect(c, want);
    }
    ws_expect(c, "451-[\"bytes\",{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 2);
    hang_up(c);
}

TEST(sio_broadcast_from_another_thread)
{
    in_world(threads, NULL);
}

/* ---- several servers ---- */

static char heard[512];

static int publish(aw_sio_namespace *ns, const aw_sio_packet *p, void *arg)
{
    (void)arg;
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, "%s %s %s rooms=%s except=%s;", aw_sio_namespace_name(ns),
             p->event, p->json, p->n_rooms ? p->rooms[0] : "", p->n_except ? "one" : "");
    return 0;
}

static void begins(aw_sio_namespace *ns, const char *room, void *arg)
{
    (void)ns;
    (void)arg;
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, "+%s;", strlen(room) == 20 ? "id" : room);
}

static void ends(aw_sio_namespace *ns, const char *room, void *arg)
{
    (void)ns;
    (void)arg;
    size_t n = strlen(heard);
    snprintf(heard + n, sizeof heard - n, "-%s;", strlen(room) == 20 ? "id" : room);
}

static void adapters(void)
{
    static const aw_sio_adapter adapter = {.broadcast = publish,
                                           .room_begins = begins,
                                           .room_ends = ends},
                                nothing = {0};
    char id[32];
    assert_int_equal(aw_sio_set_adapter(io, &nothing, NULL), -EINVAL);
    assert_int_equal(aw_sio_set_adapter(io, &adapter, NULL), 0);
    struct conn *c = ws_open_socket(id);
    aw_sio_socket *s = aw_sio_find(root, id);
    assert_int_equal(aw_sio_join(s, "red"), 0);
    assert_int_equal(aw_sio_broadcast(root, "e", "[1]", .room = "red", .except_socket = s), 0);
    assert_int_equal(aw_sio_broadcast(root, "f", NULL), 0);
    const char *names[] = {"red"};
    aw_sio_packet p = {.event = "g", .json = "[2]", .rooms = names, .n_rooms = 1};
    assert_int_equal(aw_sio_deliver(root, &p), 0);
    ws_expect(c, "42[\"f\"]");
    ws_expect(c, "42[\"g\",2]");
    assert_int_equal(aw_sio_leave(s, "red"), 0);
    hang_up(c);
    aw_ignore(aw_wait_all_blocked());
    assert_string_equal(heard, "+id;+red;/ e [1] rooms=red except=one;/ f [] rooms= except=;"
                               "-red;-id;");
}

TEST(sio_adapter_hears_broadcasts_and_rooms)
{
    in_world(adapters, NULL);
}

/* ---- making one ---- */

static int make(void *arg)
{
    static const char *const every[] = {"*", NULL};
    (void)arg;
    assert_null(aw_sio_new(.ping_interval = -1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_sio_new(.ping_timeout = NAN));
    assert_null(aw_sio_new(.max_depth = 65));
    assert_null(aw_sio_new(.max_attachments = 65));
    assert_null(aw_sio_new(.no_polling = true, .no_websocket = true));
    assert_null(aw_sio_new(.origins = every, .credentials = true));
    aw_sio *s = aw_sio_new(.origins = every);
    assert_non_null(s);
    assert_null(aw_sio_of(s, "x"));
    assert_null(aw_sio_of(s, "/a,b"));
    assert_ptr_equal(aw_sio_of(s, "/a"), aw_sio_of(s, "/a"));
    assert_ptr_equal(aw_sio_namespace_server(aw_sio_of(s, "/a")), s);
    assert_string_equal(aw_sio_namespace_name(aw_sio_of(s, "/a")), "/a");
    aw_sio_unref(s);
    assert_int_equal(aw_sio_close(NULL), -EINVAL);
    assert_int_equal(aw_sio_sessions(NULL), 0);
    aw_sio_unref(NULL);
    return 0;
}

TEST(sio_new_checks_its_options)
{
    assert_null(aw_sio_new());
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_run(make, NULL), 0);
}

/* ---- hashing ---- */

static void clash(void)
{
    char id[32], name[32];
    struct conn *c = ws_open_socket(id);
    aw_sio_socket *s = aw_sio_find(root, id);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "room-%d", i);
        assert_int_equal(aw_sio_join(s, name), 0);
    }
    assert_int_equal(aw_sio_rooms(s, NULL, 0), 3000);
    for (int i = 0; i < 3000; i += 7) {
        snprintf(name, sizeof name, "room-%d", i);
        assert_int_equal(aw_sio_room_sockets(root, name), 1);
    }
    hang_up(c);
}

TEST(sio_many_rooms)
{
    in_world(clash, NULL);
}
