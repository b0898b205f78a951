/*
 * messages.c - subscriptions: queues that fill, connections that go, servers that refuse.
 */
#include "redis/world.h"

static int publish(struct peer *p, const char *channel, const char *data)
{
    char text[512];
    snprintf(text, sizeof text, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
             strlen(channel), channel, strlen(data), data);
    return say(p, text);
}

/* Until what the server has sent by now has come: one more channel is agreed to behind it. */
static void settle(aw_redis *r)
{
    aw_redis_subscription *s;
    assert_int_equal(aw_redis_subscribe(&s, r, "settle"), 0);
    assert_int_equal(aw_redis_unsubscribe(s), 0);
}

static int messages(void *arg)
{
    struct world w = {.split = true};
    aw_redis *r;
    aw_redis_subscription *s, *other;
    aw_redis_message m;
    world_open(&w, answer_plainly);
    assert_int_equal(aw_redis_open(&r, w.url), 0);
    assert_int_equal(
        aw_redis_subscribe(&s, r, "news", .patterns = (const char *const[]){"n*", NULL}), 0);
    assert_int_equal(aw_redis_subscribe(&other, r, "news"), 0);
    assert_int_equal(w.connections, 2);
    assert_int_equal(publish(w.last, "news", "one"), 0);
    assert_int_equal(say(w.last, "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$2\r\nno\r\n$1\r\nx\r\n"), 0);
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_string_equal(m.data, "one");
    assert_string_equal(m.channel, "news");
    assert_null(m.pattern);
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_string_equal(m.pattern, "n*");
    assert_string_equal(m.channel, "no");
    assert_int_equal(aw_redis_next(other, &m), 0);
    assert_int_equal(m.size, 3);
    w.split = false; /* an answer and a message at one time would be mixed */
    assert_int_equal(aw_redis_unsubscribe(s), 0);
    assert_int_equal(publish(w.last, "news", "two"), 0);
    assert_int_equal(aw_redis_next(other, &m), 0);
    assert_string_equal(m.data, "two");
    assert_int_equal(aw_redis_close(r), 0);
    assert_int_equal(aw_redis_next(other, &m), AW_ESHUTDOWN);
    assert_int_equal(aw_redis_unsubscribe(other), 0);
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* Channels and patterns, several who hear the same, and the end of one of them. */
TEST(redis_messages_reach_who_hears_them)
{
    RUN(messages);
}

static int overflow(void *arg)
{
    struct world w = {.split = false};
    aw_redis *r;
    aw_redis_subscription *s;
    aw_redis_message m;
    char text[8];
    world_open(&w, answer_plainly);
    assert_int_equal(aw_redis_open(&r, w.url), 0);
    assert_int_equal(aw_redis_subscribe(&s, r, "c", .max_queued = 3, .max_queued_bytes = 4), 0);
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(publish(w.last, "c", text), 0);
    }
    settle(r);
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_string_equal(m.data, "0");
    assert_int_equal(publish(w.last, "c", "toolong"), 0);
    assert_int_equal(publish(w.last, "c", "x"), 0);
    settle(r);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(aw_redis_next(s, &m), 0);
        assert_int_equal(m.data[0], '0' + i);
    }
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_null(m.data);
    assert_int_equal(m.lost, 8);
    assert_false(m.interrupted);
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_string_equal(m.data, "x");
    assert_int_equal(aw_redis_unsubscribe(s), 0);
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* A queue that nobody empties is bounded, and says how many are missing, and where. */
TEST(redis_messages_beyond_the_queue_are_counted)
{
    RUN(overflow);
}

static int interrupted(void *arg)
{
    struct world w = {.split = false};
    aw_redis *r;
    aw_redis_subscription *s;
    aw_redis_message m;
    world_open(&w, answer_plainly);
    assert_int_equal(aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w), 0);
    assert_int_equal(aw_redis_subscribe(&s, r, "c"), 0);
    assert_int_equal(publish(w.last, "c", "before"), 0);
    settle(r);
    assert_int_equal(aw_stream_abort(w.last->stream), 0);
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_string_equal(m.data, "before");
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_true(m.interrupted && !m.data);
    assert_int_equal(publish(w.last, "c", "behind"), 0);
    assert_int_equal(aw_redis_next(s, &m), 0);
    assert_string_equal(m.data, "behind");
    assert_int_equal(w.connections, 3);
    assert_int_equal(aw_redis_unsubscribe(s), 0);
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* After a lost connection everything is subscribed to again, behind a notice. */
TEST(redis_subscriptions_are_made_again)
{
    RUN(interrupted);
}

static int answer_no(struct peer *p)
{
    return is_command(p, "SUBSCRIBE") ? say(p, "-NOPERM no channels for you\r\n")
                                      : answer_plainly(p);
}

static int refused(void *arg)
{
    struct world w = {.split = false};
    aw_redis *r;
    aw_redis_subscription *s;
    world_open(&w, answer_no);
    assert_int_equal(aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w), 0);
    assert_int_equal(aw_redis_subscribe(&s, r, "c"), -EACCES);
    assert_string_equal(aw_errmsg(), "NOPERM no channels for you");
    assert_int_equal(aw_redis_subscribe(&s, r, NULL), -EINVAL);
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* A server that refuses says so in its own words. */
TEST(redis_subscribing_may_be_refused)
{
    RUN(refused);
}
