/*
 * patience.c - clients and servers that wait for each other: handlers that ask their client back,
 * handlers that take long, a client that never takes what it has asked for.
 */
#include "unit/sio/world.h"

#define POLLING "/socket.io/?EIO=4&transport=polling"

static struct answer a;

static void two_handlers(aw_sio_opts *o)
{
    o->max_handlers = 2;
}

/* ---- asking back ---- */

static int ask_back(aw_sio_event *e, void *arg)
{
    aw_sio_event *answer = (aw_sio_event *)arg;
    int err = aw_sio_call(aw_sio_event_socket(e), "sure", NULL, .ret = &answer, .timeout = 0.1);
    if (err == -ETIMEDOUT) {
        assert_null(answer);
        return aw_sio_ack(e, "[\"late\"]");
    }
    assert_int_equal(err, 0);
    err = aw_sio_ack(e, aw_sio_event_json(answer, NULL));
    aw_sio_event_unref(answer);
    return err;
}

static void hear_question(struct conn *c, int i)
{
    char question[32];
    snprintf(question, sizeof question, "42%d[\"sure\"]", i);
    ws_expect(c, question);
}

/* The client sends everything that it has to say before it answers: nothing may stand in the way
 * of its answers. */
static void answers_behind_events(void)
{
    enum { N = 20 };
    char id[32], text[32];
    assert_int_equal(aw_sio_on(root, "order", ask_back, NULL), 0);
    struct conn *c = ws_open_socket(id);
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "42%d[\"order\"]", i);
        ws_text(c, text);
    }
    for (int i = 0; i < N; i++)
        hear_question(c, i);
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "43%d[%d]", i, i);
        ws_text(c, text);
        ws_expect(c, text);
    }
    hang_up(c);
}

TEST(sio_answers_are_read_while_handlers_wait_for_them)
{
    in_world(answers_behind_events, two_handlers);
}

/* One that never answers has a limit all the same: 2 at work, and 30 that ask. */
static void no_answers(void)
{
    enum { MOST = 32 };
    char id[32], text[32];
    assert_int_equal(aw_sio_on(root, "order", ask_back, NULL), 0);
    struct conn *c = ws_open_socket(id);
    for (int i = 0; i <= MOST; i++) {
        snprintf(text, sizeof text, "42%d[\"order\"]", i);
        ws_text(c, text);
    }
    for (int i = 0; i < MOST; i++)
        hear_question(c, i);
    ws_expect(c, "430[\"late\"]"); /* before there is another question */
    for (int i = 1; i < MOST; i++) {
        snprintf(text, sizeof text, "43%d[\"late\"]", i);
        ws_expect(c, text);
    }
    hear_question(c, MOST);
    ws_text(c, "4332[\"at last\"]");
    ws_expect(c, "4332[\"at last\"]");
    hang_up(c);
}

TEST(sio_questions_of_handlers_are_limited)
{
    in_world(no_answers, two_handlers);
}

/* ---- taking long ---- */

static int take_long(aw_sio_event *e, void *arg)
{
    AW_TRY(aw_sleep(*(double *)arg));
    return aw_sio_event_wants_ack(e) ? aw_sio_ack(e, NULL) : 0;
}

static void slow_pings(aw_sio_opts *o)
{
    o->max_handlers = 2;
    o->ping_interval = 1;
    o->ping_timeout = 0.5;
}

/* The client's pongs lie behind an event for which there is no room yet: it is there, and is not
 * ended for what the server does not read; it goes on hearing pings. */
static void busy_server(void)
{
    double seconds = 5;
    char id[32];
    assert_int_equal(aw_sio_on(root, "long", take_long, &seconds), 0);
    struct conn *c = ws_open_socket(id);
    for (int i = 0; i < 3; i++)
        ws_text(c, "42[\"long\"]");
    double begin = aw_time();
    for (int i = 0; i < 4; i++) {
        ws_expect(c, "2");
        ws_text(c, "3");
    }
    assert_true(aw_time() - begin < 4);
    ws_text(c, "427[\"message-with-ack\",1]");
    char buf[64];
    while (ws_hear(c, buf, sizeof buf, NULL) == 1 && strcmp(buf, "2") == 0)
        ws_text(c, "3");
    assert_string_equal(buf, "437[1]");
    assert_true(aw_sio_socket_connected(aw_sio_find(root, id)));
    while (ws_hear(c, buf, sizeof buf, NULL) == 1) /* and from here on it does not answer */
        assert_string_equal(buf, "2");
    assert_string_equal(reasons, "ping timeout;");
    hang_up(c);
}

TEST(sio_client_that_is_not_read_from_is_not_out_of_time)
{
    in_world(busy_server, slow_pings);
}

/* ---- hoarding ---- */

static void small_buffer(aw_sio_opts *o)
{
    o->max_buffered = 10000;
}

static int count_report(const aw_report *r, void *arg)
{
    (void)r;
    ++*(int *)arg;
    return 0;
}

/* Packets of a few bytes cost more to keep than they are long, which counts. */
static void hoarder(void)
{
    char sid[32], id[32], body[2048] = "";
    int reports = 0;
    aw_loop_set_exception_handler(aw_running_loop(), count_report, &reports);
    open_socket(sid, id);
    for (int i = 0; i < 50; i++)
        snprintf(body + strlen(body), sizeof body - strlen(body), "%s421[\"message-with-ack\"]",
                 i ? "\x1e" : "");
    int posts = 0;
    while (POST(&a, body, POLLING "&sid=%s", sid) == 200 && posts < 100)
        posts++;
    assert_true(posts > 0 && posts < 4); /* 5 bytes each: it would be 40 */
    assert_non_null(strstr(told, "max_buffered 10000"));
    assert_string_equal(reasons, "transport error;");
    assert_int_equal(reports, 0); /* for handlers whose answers nobody takes */
}

TEST(sio_small_packets_count_with_what_they_cost)
{
    in_world(hoarder, small_buffer);
}

/* ---- texts ---- */

static int look(aw_sio_event *e, void *arg)
{
    (void)arg;
    assert_null(aw_sio_event_string(e, 0)); /* it has a zero */
    assert_string_equal(aw_sio_event_string(e, 1), "a");
    assert_string_equal(aw_sio_event_json(e, NULL), "[\"a\\u0000b\",\"a\"]");
    return aw_sio_ack(e, "[true]");
}

static void texts(void)
{
    char id[32];
    assert_int_equal(aw_sio_on(root, "look", look, NULL), 0);
    struct conn *c = ws_open_socket(id);
    ws_text(c, "421[\"look\",\"a\\u0000b\",\"a\"]");
    ws_expect(c, "431[true]");
    ws_text(c, "42[\"message\",\"\\ud83d\",\"\\uD83D\\uDE00\",\"\\\\ud83d\",\"\\ude00\\ud83d\"]");
    ws_expect(c, "42[\"message-back\",\"\\ufffd\",\"\\uD83D\\uDE00\",\"\\\\ud83d\","
                 "\"\\ufffd\\ufffd\"]");
    ws_text(c, "40/custom,{\"cut\":\"\\ud83d\"}");
    char buf[128];
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    ws_expect(c, "42/custom,[\"auth\",{\"cut\":\"\\ufffd\"}]");
    hang_up(c);
}

TEST(sio_halves_of_characters_and_zeros_in_strings)
{
    in_world(texts, NULL);
}
