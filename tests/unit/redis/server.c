/*
 * server.c - the real redis-server: what it says, and what happens when it stops and starts.
 */
#include <unistd.h>

#include "redis/world.h"

static void open_client(aw_redis **r, struct redis_server *s, struct world *w)
{
    assert_int_equal(aw_redis_open(r, s->url, .lazy = true, .logger = keep_line, .logger_arg = w,
                                   .backoff_max = 0.2),
                     0);
}

static int everyday(void *arg)
{
    struct redis_server s;
    struct world w = {.seen = 0};
    aw_redis *r;
    aw_redis_reply *reply;
    redis_server_make(&s);
    redis_server_start(&s);
    open_client(&r, &s, &w);
    assert_int_equal(aw_redis_command(r, NULL, "SET %b %b", "k\0", (size_t)2, "v\r\n\0", (size_t)4),
                     0);
    assert_int_equal(aw_redis_command(r, &reply, "GET %b", "k\0", (size_t)2), 0);
    assert_int_equal(reply->len, 4);
    assert_memory_equal(reply->str, "v\r\n\0", 4);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command(r, NULL, "LPUSH %b x", "k\0", (size_t)2), -EREMOTEIO);
    assert_memory_equal(aw_errmsg(), "WRONGTYPE", 9);
    aw_redis_subscription *sub;
    aw_redis_message m;
    assert_int_equal(aw_redis_subscribe(&sub, r, "c"), 0);
    assert_int_equal(aw_redis_send(r, "PUBLISH c %b", "\0\1", (size_t)2), 0);
    assert_int_equal(aw_redis_next(sub, &m), 0);
    assert_memory_equal(m.data, "\0\1", 2);
    assert_int_equal(aw_redis_unsubscribe(sub), 0);
    assert_int_equal(aw_redis_close(r), 0);
    aw_redis_unref(r);
    redis_server_stop(&s);
    redis_server_forget(&s);
    return arg ? 1 : 0;
}

TEST_SLOW_REAL_CLOCK(redis_server_everyday)
{
    RUN(everyday);
}

/* ---- stopped and started under load ---- */

struct load {
    aw_redis *redis;
    bool over;
    int done, lost;
};

static int work(void *arg)
{
    struct load *l = arg;
    while (!l->over) {
        int err = aw_redis_command(l->redis, NULL, "INCR n");
        assert_true(err == 0 || err == -ECONNRESET || err == -EAGAIN);
        l->done += err == 0;
        l->lost += err < 0;
    }
    return 0;
}

static int restarts(void *arg)
{
    enum { WORKERS = 20 };
    struct redis_server s;
    struct world w = {.seen = 0};
    struct load l = {.done = 0};
    aw_task *tasks[WORKERS];
    redis_server_make(&s);
    redis_server_start(&s);
    open_client(&l.redis, &s, &w);
    for (int i = 0; i < WORKERS; i++)
        tasks[i] = aw_create_task(work, &l);
    for (int round = 0; round < 3; round++) {
        int before = l.done;
        while (l.done < before + 1000)
            assert_int_equal(aw_sleep(0.001), 0);
        redis_server_stop(&s);
        redis_server_start(&s);
    }
    int before = l.done;
    while (l.done < before + 1000)
        assert_int_equal(aw_sleep(0.001), 0);
    l.over = true;
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(aw_join(tasks[i]), 0);
    assert_true(l.lost <= 3 * WORKERS);
    assert_int_equal(aw_redis_close(l.redis), 0);
    aw_redis_unref(l.redis);
    redis_server_stop(&s);
    redis_server_forget(&s);
    return arg ? 1 : 0;
}

TEST_SLOW_REAL_CLOCK(redis_server_stopped_and_started_under_load)
{
    RUN(restarts);
}
