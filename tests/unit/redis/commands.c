/*
 * commands.c - commands and their replies, one by one and together, and connections that go.
 */
#include <math.h>

#include "redis/world.h"

/* ---- one ---- */

static int answer_kinds(struct peer *p)
{
    if (is_command(p, "INT"))
        return say(p, ":-9007199254740993\r\n");
    if (is_command(p, "NIL"))
        return say(p, "$-1\r\n");
    if (is_command(p, "NILS"))
        return say(p, "*-1\r\n");
    if (is_command(p, "EMPTY"))
        return say(p, "*2\r\n$0\r\n\r\n*0\r\n");
    if (is_command(p, "TREE"))
        return say(p, "*4\r\n$3\r\na\r\n\r\n*2\r\n:1\r\n+s\r\n-ERR no\r\n$-1\r\n");
    if (is_command(p, "WRONG"))
        return say(p, "-WRONGTYPE Operation against a key\r\n");
    if (is_command(p, "NOPERM"))
        return say(p, "-NOPERM this user has no permissions\r\n");
    return answer_plainly(p);
}

static void check_tree(aw_redis *r)
{
    aw_redis_reply *reply;
    assert_int_equal(aw_redis_command(r, &reply, "TREE"), 0);
    assert_int_equal(reply->type, AW_REDIS_ARRAY);
    assert_int_equal(reply->n, 4);
    assert_memory_equal(reply->elements[0].str, "a\r\n", 4);
    assert_int_equal(reply->elements[1].n, 2);
    assert_int_equal(reply->elements[1].elements[0].integer, 1);
    assert_int_equal(reply->elements[1].elements[1].type, AW_REDIS_STATUS);
    assert_int_equal(reply->elements[2].type, AW_REDIS_ERROR);
    assert_string_equal(reply->elements[2].str, "ERR no");
    assert_int_equal(reply->elements[3].type, AW_REDIS_NIL);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command(r, &reply, "EMPTY"), 0);
    assert_int_equal(reply->elements[0].len, 0);
    assert_int_equal(reply->elements[1].n, 0);
    aw_redis_reply_free(reply);
}

static void check_kinds(aw_redis *r)
{
    aw_redis_reply *reply;
    assert_int_equal(aw_redis_command(r, &reply, "INT"), 0);
    assert_true(reply->type == AW_REDIS_INTEGER && reply->integer == -9007199254740993);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command(r, &reply, "NIL"), 0);
    assert_int_equal(reply->type, AW_REDIS_NIL);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command(r, &reply, "NILS"), 0);
    assert_int_equal(reply->type, AW_REDIS_NIL);
    aw_redis_reply_free(reply);
    check_tree(r);
    assert_int_equal(aw_redis_command(r, NULL, "WRONG"), -EREMOTEIO);
    assert_string_equal(aw_errmsg(), "WRONGTYPE Operation against a key");
    assert_int_equal(aw_redis_command(r, NULL, "NOPERM"), -EACCES);
}

static void check_formats(aw_redis *r)
{
    aw_redis_reply *reply;
    assert_int_equal(aw_redis_command(r, &reply, "ECHO <%s|%b|%d|%lld|%zu|%g%%>", "a b\r\n", "\0x",
                                      (size_t)2, -3, -4LL, (size_t)5, 0.5),
                     0);
    const char expected[] = "<a b\r\n|\0x|-3|-4|5|0.5%>";
    assert_int_equal(reply->len, sizeof expected - 1);
    assert_memory_equal(reply->str, expected, sizeof expected);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command_argv(r, &reply, (const char *const[]){"ECHO", "\0\r\n"}, 2,
                                           .lengths = (const size_t[]){4, 3}),
                     0);
    assert_memory_equal(reply->str, "\0\r\n", 4);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command(r, &reply, "ECHO %s", ""), 0);
    assert_int_equal(reply->len, 0);
    aw_redis_reply_free(reply);
    assert_int_equal(aw_redis_command(r, NULL, "ECHO %q"), -EINVAL);
    assert_int_equal(aw_redis_command(r, NULL, "ECHO %s", (char *)NULL), -EINVAL);
    assert_int_equal(aw_redis_command(r, NULL, "  "), -EINVAL);
    assert_int_equal(aw_redis_command(r, NULL, "subscribe a"), AW_EMISUSE);
    assert_int_equal(aw_redis_command(r, NULL, "CLIENT REPLY OFF"), AW_EMISUSE);
    assert_int_equal(aw_redis_send(r, "Monitor"), AW_EMISUSE);
}

static int replies(void *arg)
{
    for (int split = 0; split < 2; split++) {
        struct world w = {.split = split};
        aw_redis *r;
        world_open(&w, answer_kinds);
        assert_int_equal(aw_redis_open(&r, w.url), 0);
        assert_true(aw_redis_connected(r));
        check_kinds(r);
        check_formats(r);
        assert_int_equal(aw_redis_close(r), 0);
        assert_int_equal(aw_redis_close(r), 0);
        assert_false(aw_redis_connected(r));
        assert_int_equal(aw_redis_command(r, NULL, "PING"), AW_ESHUTDOWN);
        assert_int_equal(aw_redis_send(r, "PING"), AW_ESHUTDOWN);
        aw_redis_unref(r);
        world_close(&w);
    }
    return arg ? 1 : 0;
}

/* Every kind of reply, also when each byte comes by itself. */
TEST(redis_replies_of_every_kind)
{
    RUN(replies);
}

/* ---- together ---- */

/* Echoes wait until all have been asked for. */
struct pipeline {
    aw_event may_answer;
    int asked;
};

static int answer_when_told(struct peer *p)
{
    struct pipeline *all = p->world->arg;
    if (is_command(p, "ECHO"))
        AW_TRY(aw_event_wait(&all->may_answer));
    return answer_plainly(p);
}

struct echo {
    aw_redis *redis;
    struct pipeline *all;
    int number;
};

static int echo(void *arg)
{
    struct echo *e = arg;
    char text[32];
    aw_redis_reply *reply;
    snprintf(text, sizeof text, "number %d", e->number);
    e->all->asked++;
    AW_TRY(aw_redis_command(e->redis, &reply, "ECHO %s", text));
    assert_string_equal(reply->str, text);
    aw_redis_reply_free(reply);
    return 0;
}

static int pipelined(void *arg)
{
    enum { N = 100 };
    struct pipeline all = {.may_answer = AW_EVENT_INIT};
    struct world w = {.arg = &all};
    struct echo echoes[N];
    aw_redis *r;
    aw_task *tasks[N];
    world_open(&w, answer_when_told);
    assert_int_equal(aw_redis_open(&r, w.url), 0);
    for (int i = 0; i < N; i++) {
        echoes[i] = (struct echo){.redis = r, .all = &all, .number = i};
        tasks[i] = aw_create_task(echo, &echoes[i]);
    }
    while (all.asked < N)
        assert_int_equal(aw_sleep(0), 0);
    for (int i = 0; i < N; i += 3)
        assert_true(aw_cancel(tasks[i]));
    assert_int_equal(aw_event_set(&all.may_answer), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(aw_join(tasks[i]), i % 3 ? 0 : -ECANCELED);
    assert_int_equal(aw_redis_command(r, NULL, "PING"), 0); /* behind all of them */
    assert_int_equal(w.connections, 1);
    assert_int_equal(w.seen, N + 2);
    assert_int_equal(aw_redis_close(r), 0);
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* A hundred tasks share a connection; a third of them is cancelled, and the others get what is
 * theirs. */
TEST_ORDER_FREE(redis_cancelled_tasks_leave_the_others_replies)
{
    RUN(pipelined);
}

/* ---- connections that go ---- */

static int answer_then_reset(struct peer *p)
{
    if (is_command(p, "DIE")) {
        AW_TRY(say(p, "$100\r\nhalf of it"));
        aw_ignore(aw_stream_abort(p->stream));
        return -ECONNRESET;
    }
    return answer_plainly(p);
}

static int lost(void *arg)
{
    struct world w = {.seen = 0};
    aw_redis *r;
    world_open(&w, answer_then_reset);
    assert_int_equal(aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(aw_redis_command(r, NULL, "DIE"), -ECONNRESET);
        assert_non_null(strstr(aw_errmsg(), "may have been done"));
        assert_int_equal(aw_redis_send(r, "PING"), -ENOTCONN);
        assert_int_equal(aw_redis_command(r, NULL, "PING"), 0);
    }
    assert_int_equal(w.connections, 6);
    assert_non_null(strstr(w.lines, "the connection is lost: the server has closed"));
    assert_non_null(strstr(w.lines, "connected again"));
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* What was sent and not answered fails; what is given next waits for the next connection. */
TEST(redis_commands_outlive_their_connection)
{
    RUN(lost);
}

/* The second connection is refused what it asks at first, and so is the third. */
static int answer_then_refuse(struct peer *p)
{
    if (p->world->connections == 1 || p->world->connections > 3)
        return answer_then_reset(p);
    return say(p, "-NOAUTH Authentication required.\r\n");
}

static int count(const char *text, const char *what)
{
    int n = 0;
    while ((text = strstr(text, what)) != NULL)
        text++, n++;
    return n;
}

static int refused_later(void *arg)
{
    struct world w = {.seen = 0};
    aw_redis *r;
    world_open(&w, answer_then_refuse);
    assert_int_equal(
        aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w, .backoff_max = 0.1), 0);
    assert_int_equal(aw_redis_command(r, NULL, "DIE"), -ECONNRESET);
    assert_int_equal(aw_redis_command(r, NULL, "PING"), 0);
    assert_int_equal(w.connections, 4);
    assert_int_equal(count(w.lines, "the connection is lost: the server has closed"), 1);
    assert_int_equal(count(w.lines, "there is no connection: NOAUTH Authentication required."), 1);
    assert_int_equal(count(w.lines, "connected again"), 1);
    assert_int_equal(aw_redis_close(r), 0);
    assert_int_equal(aw_redis_command(r, NULL, "PING"), AW_ESHUTDOWN);
    assert_string_equal(aw_errmsg(), "the client has ended");
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* Why it does not come back is told, once, though it is not why it went. */
TEST(redis_tells_why_a_connection_does_not_come_back)
{
    RUN(refused_later);
}

static int answer_never(struct peer *p)
{
    return p->world->seen > 1 ? 0 : answer_plainly(p);
}

static int silent(void *arg)
{
    struct world w = {.seen = 0};
    aw_redis *r;
    world_open(&w, answer_never);
    assert_int_equal(aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w, .timeout = 0.2,
                                   .ping_interval = 0.2),
                     0);
    double begin = aw_time();
    assert_int_equal(aw_redis_command(r, NULL, "PING"), -ETIMEDOUT);
    assert_true(aw_time() - begin >= 0.19);
    assert_int_equal(
        aw_redis_command_argv(r, NULL, (const char *const[]){"PING"}, 1, .timeout = 0.1),
        -ETIMEDOUT);
    assert_true(aw_redis_connected(r));
    aw_redis_unref(r);
    /* one that nobody asks anything is asked by us */
    w.seen = 0;
    assert_int_equal(
        aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w, .ping_interval = 0.2), 0);
    while (!strstr(w.lines, "the server does not answer"))
        assert_int_equal(aw_sleep(0.01), 0);
    aw_redis_unref(r);
    world_close(&w);
    return arg ? 1 : 0;
}

/* Time limits, and a server that has gone without a word. */
TEST(redis_a_silent_server_is_noticed)
{
    RUN(silent);
}

static int nobody(void *arg)
{
    aw_redis *r;
    struct world w = {.seen = 0};
    assert_int_equal(aw_redis_open(&r, "unix:///nowhere/at/all"), -ENOENT);
    assert_int_equal(aw_redis_open(&r, "unix:///nowhere/at/all", .lazy = true, .timeout = 0.2,
                                   .logger = keep_line, .logger_arg = &w),
                     0);
    assert_int_equal(aw_redis_command(r, NULL, "PING"), -ETIMEDOUT);
    assert_string_not_equal(aw_errmsg(), "");
    assert_non_null(strstr(w.lines, "there is no connection"));
    aw_redis_unref(r);
    return arg ? 1 : 0;
}

/* There is no server: told at once, or when the time is over. */
TEST(redis_no_server)
{
    RUN(nobody);
}

/* ---- letting in ---- */

static int answer_strictly(struct peer *p)
{
    if (is_command(p, "AUTH"))
        return p->argc == 3 && strcmp(p->argv[1], "me") == 0 && strcmp(p->argv[2], "a:b") == 0
                   ? say(p, "+OK\r\n")
                   : say(p, "-WRONGPASS invalid username-password pair\r\n");
    if (is_command(p, "SELECT"))
        return strcmp(p->argv[1], "3") == 0 ? say(p, "+OK\r\n") : say(p, "-ERR out of range\r\n");
    return answer_plainly(p);
}

static int letting_in(void *arg)
{
    struct world w = {.seen = 0};
    char url[128];
    aw_redis *r;
    world_open(&w, answer_strictly);
    snprintf(url, sizeof url, "unix://me:a%%3ab@%s?db=3", w.path);
    assert_int_equal(aw_redis_open(&r, url, .name = "test"), 0);
    assert_int_equal(w.seen, 4);
    aw_redis_unref(r);
    assert_int_equal(aw_redis_open(&r, w.url, .password = "x"), -EACCES);
    assert_string_equal(aw_errmsg(), "WRONGPASS invalid username-password pair");
    assert_int_equal(aw_redis_open(&r, url, .db = 4), -EREMOTEIO);
    assert_string_equal(aw_errmsg(), "ERR out of range");
    world_close(&w);
    return arg ? 1 : 0;
}

/* Password, database and name; and what the server says to them. */
TEST(redis_password_and_database)
{
    RUN(letting_in);
}

/* ---- hostile replies ---- */

static const char *const hostile[] = {
    "?what\r\n",
    "$99999999999\r\n",
    "$-5\r\n",
    "*2147483647\r\n",
    "*99999999999999\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    "+OK\r\n+OK\r\n",
};

static int answer_badly(struct peer *p)
{
    const int *which = p->world->arg;
    return is_command(p, "BAD") ? say(p, hostile[*which]) : answer_plainly(p);
}

static int bad_replies(void *arg)
{
    for (int i = 0; i < (int)(sizeof hostile / sizeof *hostile); i++) {
        struct world w = {.arg = &i, .split = i % 2};
        aw_redis *r;
        world_open(&w, answer_badly);
        assert_int_equal(
            aw_redis_open(&r, w.url, .logger = keep_line, .logger_arg = &w, .max_reply = 1 << 20),
            0);
        int err = aw_redis_command(r, NULL, "BAD");
        assert_true(err == -EPROTO || err == AW_ELIMIT || (err == 0 && hostile[i][0] == '+'));
        while (w.connections < 2)
            assert_int_equal(aw_sleep(0.001), 0);
        assert_int_equal(aw_redis_command(r, NULL, "PING"), 0);
        aw_redis_unref(r);
        world_close(&w);
    }
    return arg ? 1 : 0;
}

/* Replies that are none, too large, too deep, or to nothing: the connection ends, with words. */
TEST(redis_hostile_replies)
{
    RUN(bad_replies);
}

static int urls(void *arg)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "http://a/",
        "redis://a/b",
        "redis://a/1?x",
        "unix://a",
        "unix:///a?x=1",
        "redis://[::1",
        "redis://%zz@a/",
        "redis://a%00b/",
        "redis://a/99999999999999",
        "unix:///a?db=x",
    };
    aw_redis *r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(aw_redis_open(&r, bad[i]), -EINVAL);
    assert_int_equal(aw_redis_open(&r, "redis://a", .timeout = NAN), -EINVAL);
    assert_int_equal(aw_redis_open(&r, "redis://a", .backoff_min = 10), -EINVAL);
    assert_int_equal(aw_redis_open(&r, "redis://a", .user = "u"), -EINVAL);
    assert_int_equal(aw_redis_open(NULL, "redis://a"), -EINVAL);
    assert_int_equal(aw_redis_command(NULL, NULL, "PING"), -EINVAL);
    assert_int_equal(aw_redis_next(NULL, NULL), -EINVAL);
    assert_int_equal(aw_redis_close(NULL), -EINVAL);
    assert_int_equal(aw_redis_unsubscribe(NULL), 0);
    assert_int_equal(aw_redis_open(&r, "unix:///tmp/a@b", .lazy = true), 0);
    aw_redis_unref(r);
    assert_int_equal(aw_redis_open(&r, "unix://u:p@/tmp/a@b?db=1", .lazy = true), 0);
    aw_redis_unref(r);
    assert_int_equal(aw_redis_open(&r, "redis://[::1]:1", .lazy = true, .ping_interval = INFINITY),
                     0);
    aw_redis_unref(r);
    return arg ? 1 : 0;
}

/* URLs and options that make no sense. */
TEST(redis_bad_options)
{
    RUN(urls);
}
