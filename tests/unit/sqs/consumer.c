/*
 * The consumer: every message once where nothing fails, and at least once where something does.
 */
#include "queue.h"

/* What a handler does, and what it has seen. */
struct work {
    struct queue q;
    aw_sqs *sqs;
    aw_sqs_consumer *c;
    aw_task *hurry;
    double seconds;      /* that it takes */
    unsigned fail_first; /* receives of a message that fail */
    int stop_after;      /* messages that have succeeded; then the consumer is stopped */
    unsigned running, most;
    unsigned seen[ITEMS_MAX], succeeded[ITEMS_MAX];
    int n_succeeded, poisoned, errors, last_error;
    bool ordered; /* messages in groups */
    int verdict;  /* of .on_error */
};

static int work_on(const aw_sqs_message *m, void *arg)
{
    struct work *w = arg;
    int i = (int)strtol(m->body, NULL, 10);
    w->seen[i]++;
    for (int k = 0; k < i && w->ordered; k++)
        assert_true(w->succeeded[k] || w->q.items[k].group != w->q.items[i].group);
    w->running++;
    w->most = w->running > w->most ? w->running : w->most;
    int err = w->seconds > 0 ? aw_sleep(w->seconds) : 0;
    w->running--;
    AW_TRY(err);
    if (m->receives <= w->fail_first)
        return -EIO;
    w->succeeded[i]++;
    w->n_succeeded++;
    if (w->n_succeeded == w->stop_after)
        assert_int_equal(aw_sqs_consumer_stop(w->c), 0);
    return 0;
}

static int take_poison(const aw_sqs_message *m, void *arg)
{
    struct work *w = arg;
    assert_true(m->receives > 3);
    w->poisoned++;
    assert_int_equal(aw_sqs_consumer_stop(w->c), 0);
    return 0;
}

static int hear(int err, const char *why, const aw_sqs_message *m, void *arg)
{
    struct work *w = arg;
    (void)m;
    assert_true(*why && !strchr(why, '\n'));
    w->errors++;
    w->last_error = err;
    return w->verdict;
}

static void begin(struct work *w, int n)
{
    open_queue(&w->q, n);
    forget_surroundings();
    w->hurry = start_hurry();
    w->sqs =
        client_made(aw_sqs_new(NULL, .endpoint = w->q.url, .access_key = "a", .secret_key = "b"));
}

#define CONSUMER(w, ...) ((w)->c = aw_sqs_consumer_new((w)->sqs, QUEUE, work_on, (w), __VA_ARGS__))

static void end(struct work *w)
{
    aw_sqs_consumer_unref(w->c);
    aw_sqs_unref(w->sqs);
    close_queue(&w->q);
    end_hurry(w->hurry);
    free(w);
}

static struct work *new_work(void)
{
    struct work *w = calloc(1, sizeof *w);
    assert_non_null(w);
    return w;
}

static int seen_twice(const struct work *w)
{
    int twice = 0;
    for (int i = 0; i < w->q.n; i++)
        twice += w->seen[i] > 1;
    return twice;
}

static void assert_all_done(const struct work *w)
{
    for (int i = 0; i < w->q.n; i++)
        assert_true(w->succeeded[i] >= 1);
    assert_int_equal(left_in(&w->q), 0);
}

/* ---- where nothing fails ---- */

TEST_IN_LOOP(sqs_consumer_works_on_every_message_once)
{
    struct work *w = new_work();
    begin(w, 200);
    w->seconds = 0.1;
    w->stop_after = 200;
    CONSUMER(w, .concurrency = 8);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_all_done(w);
    assert_int_equal(seen_twice(w), 0);
    assert_int_equal(w->most, 8);
    assert_true(w->q.deletes <= 40); /* in batches */
    assert_int_equal(w->q.changes, 0);
    aw_sqs_consumer_stats s;
    assert_int_equal(aw_sqs_consumer_stats_of(w->c, &s), 0);
    assert_true(s.received == 200 && s.succeeded == 200 && s.deleted == 200 && s.in_hand == 0);
    end(w);
}

TEST_IN_LOOP(sqs_consumer_with_handlers_that_end_at_once)
{
    struct work *w = new_work();
    begin(w, 1000);
    w->stop_after = 1000;
    CONSUMER(w, .concurrency = 1, .pollers = 2);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_all_done(w);
    assert_int_equal(seen_twice(w), 0);
    assert_int_equal(w->most, 1);
    end(w);
}

/* A handler may take much longer than a message stays invisible. */
TEST_IN_LOOP(sqs_consumer_extends_visibility)
{
    struct work *w = new_work();
    begin(w, 25);
    w->seconds = 60;
    w->stop_after = 25;
    CONSUMER(w, .concurrency = 5, .visibility = 4); /* others wait, and are kept as well */
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_all_done(w);
    assert_int_equal(seen_twice(w), 0);
    aw_sqs_consumer_stats s;
    aw_sqs_consumer_stats_of(w->c, &s);
    assert_true(s.extended > 25 * 20);
    assert_true(w->q.changes < s.extended / 2); /* in batches too */
    end(w);
}

TEST_IN_LOOP(sqs_consumer_goes_on_where_it_was_stopped)
{
    struct work *w = new_work();
    begin(w, 30);
    w->stop_after = 10;
    CONSUMER(w, .concurrency = 2, .no_prefetch = true);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_in_range(left_in(&w->q), 1, 20);
    w->stop_after = 30;
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_all_done(w);
    assert_int_equal(seen_twice(w), 0);
    assert_int_equal(aw_sqs_consumer_stop(w->c), 0);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0); /* stopped before it began */
    end(w);
}

/* ---- failures ---- */

TEST_IN_LOOP(sqs_consumer_leaves_failures_to_redelivery)
{
    struct work *w = new_work();
    begin(w, 5);
    w->fail_first = 1;
    w->stop_after = 5;
    CONSUMER(w, .visibility = 10, .on_error = hear);
    double began = aw_time();
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_true(aw_time() - began >= 10);
    assert_all_done(w);
    assert_int_equal(seen_twice(w), 5);
    assert_int_equal(w->errors, 5);
    assert_int_equal(w->last_error, -EIO);
    assert_int_equal(w->q.changes, 0);
    end(w);
}

TEST_IN_LOOP(sqs_consumer_may_give_failures_back)
{
    static const struct {
        double delay, least, most;
    } cases[] = {{-1, 0, 1}, {5, 5, 6}};
    for (int i = 0; i < 2; i++) {
        struct work *w = new_work();
        begin(w, 3);
        w->fail_first = 1;
        w->stop_after = 3;
        CONSUMER(w, .retry_delay = cases[i].delay);
        double began = aw_time();
        assert_int_equal(aw_sqs_consumer_run(w->c), 0);
        assert_true(aw_time() - began >= cases[i].least && aw_time() - began < cases[i].most);
        assert_all_done(w);
        end(w);
    }
}

TEST_IN_LOOP(sqs_consumer_hands_poison_over)
{
    struct work *w = new_work();
    begin(w, 1);
    w->fail_first = 1000;
    CONSUMER(w, .retry_delay = -1, .poison_after = 3, .poison = take_poison);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_int_equal(w->seen[0], 3);
    assert_int_equal(w->poisoned, 1);
    assert_int_equal(left_in(&w->q), 0);
    end(w);
}

TEST_IN_LOOP(sqs_consumer_limits_the_time_of_a_handler)
{
    struct work *w = new_work();
    begin(w, 1);
    w->seconds = 100;
    w->verdict = -ECHILD;
    CONSUMER(w, .timeout = 5, .on_error = hear);
    double began = aw_time();
    assert_int_equal(aw_sqs_consumer_run(w->c), -ECHILD);
    assert_true(aw_time() - began < 6);
    assert_int_equal(w->last_error, -ETIMEDOUT);
    assert_int_equal(left_in(&w->q), 1);
    end(w);
}

TEST_IN_LOOP(sqs_consumer_goes_on_when_the_service_fails)
{
    struct work *w = new_work();
    begin(w, 20);
    w->q.fail_polls = 7;
    w->q.fail_deletes = 7;
    w->stop_after = 20;
    CONSUMER(w, .on_error = hear);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_all_done(w);
    assert_int_equal(seen_twice(w), 0);
    assert_int_equal(w->last_error, -EREMOTEIO);
    end(w);
}

/* The first request after one that failed does not wait: whoever looks on sees the service back. */
TEST_IN_LOOP(sqs_consumer_shows_soon_that_the_service_is_back)
{
    struct work *w = new_work();
    aw_sqs_consumer_stats s;
    begin(w, 0);
    w->q.fail_polls = 3; /* all attempts at the first */
    CONSUMER(w, .on_error = hear, .wait = 20);
    aw_task *t = aw_create_task((aw_fn *)aw_sqs_consumer_run, w->c);
    assert_int_equal(aw_sleep(5), 0);
    aw_sqs_consumer_stats_of(w->c, &s);
    assert_int_equal(s.answered, 1);
    assert_int_equal(s.polls, 3);
    assert_int_equal(aw_sleep(20), 0); /* the next one does */
    aw_sqs_consumer_stats_of(w->c, &s);
    assert_int_equal(s.answered, 2);
    assert_int_equal(s.polls, 4);
    assert_int_equal(aw_sqs_consumer_stop(w->c), 0);
    assert_int_equal(aw_join(t), 0);
    end(w);
}

/* A service that says at once that there is nothing is not asked as fast as it answers. */
TEST_IN_LOOP(sqs_consumer_does_not_spin_where_nobody_waits)
{
    struct work *w = new_work();
    aw_sqs_consumer_stats s;
    begin(w, 0);
    w->q.hasty = true;
    CONSUMER(w, .wait = 20);
    aw_task *t = aw_create_task((aw_fn *)aw_sqs_consumer_run, w->c);
    assert_int_equal(aw_sleep(10.5), 0);
    aw_sqs_consumer_stats_of(w->c, &s);
    assert_in_range(s.polls, 10, 11);
    w->q.n = w->stop_after = 1; /* what comes then is worked on */
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(w->seen[0], 1);
    end(w);
}

/* What cannot be kept is another receiver's, and comes twice: that is said, and counted. */
TEST_IN_LOOP(sqs_consumer_says_when_a_message_could_not_be_kept)
{
    struct work *w = new_work();
    begin(w, 1);
    w->seconds = 11;
    w->q.fail_changes = 1000;
    w->stop_after = 2;
    CONSUMER(w, .visibility = 10, .on_error = hear);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_in_range(w->seen[0], 2, 3);
    assert_true(w->errors > 0);
    aw_sqs_consumer_stats s;
    aw_sqs_consumer_stats_of(w->c, &s);
    assert_true(s.lost >= 1);
    end(w);
}

/* Answers are lost on the way: everything is worked on, some of it twice. */
TEST_IN_LOOP(sqs_consumer_is_at_least_once_when_answers_are_lost)
{
    struct work *w = new_work();
    begin(w, 200);
    w->q.reset_every = 7;
    w->seconds = 1;
    CONSUMER(w, .concurrency = 20, .visibility = 5, .wait = 1);
    aw_task *t = aw_create_task((aw_fn *)aw_sqs_consumer_run, w->c);
    while (left_in(&w->q) > 0)
        assert_int_equal(aw_sleep(1), 0);
    assert_int_equal(aw_sqs_consumer_stop(w->c), 0);
    assert_int_equal(aw_join(t), 0);
    assert_all_done(w);
    printf("of 200 messages %d were worked on more than once\n", seen_twice(w));
    assert_in_range(seen_twice(w), 0, 60);
    end(w);
}

static int run_consumer(void *c)
{
    return aw_sqs_consumer_run(c);
}

/* ---- the end ---- */

TEST_IN_LOOP(sqs_consumer_drains_when_it_is_stopped)
{
    struct work *w = new_work();
    begin(w, 20);
    w->seconds = 10;
    CONSUMER(w, .concurrency = 2);
    double began = aw_time();
    aw_task *t = aw_create_task(run_consumer, w->c);
    while (w->running < 2)
        assert_int_equal(aw_sleep(0.1), 0);
    assert_int_equal(aw_sqs_consumer_stop(w->c), 0);
    assert_int_equal(aw_sleep(1), 0);
    int visible = 0; /* what nobody had begun with is there for others at once */
    for (int i = 0; i < 20; i++)
        visible += w->q.items[i].visible_at <= aw_time();
    assert_int_equal(visible, 18);
    assert_int_equal(aw_join(t), 0);
    assert_true(aw_time() - began >= 10 && aw_time() - began < 20);
    assert_int_equal(left_in(&w->q), 18);
    aw_sqs_consumer_stats s;
    aw_sqs_consumer_stats_of(w->c, &s);
    assert_true(s.returned >= 1 && s.deleted == 2 && s.in_hand == 0);
    end(w);
}

TEST_IN_LOOP(sqs_consumer_that_is_cancelled_gives_everything_back)
{
    struct work *w = new_work();
    begin(w, 20);
    w->seconds = 10;
    CONSUMER(w, .concurrency = 4);
    aw_task *t = aw_create_task(run_consumer, w->c);
    assert_int_equal(aw_sleep(1), 0);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(w->running, 0);
    assert_int_equal(left_in(&w->q), 20);
    for (int i = 0; i < 20; i++)
        assert_true(w->q.items[i].visible_at <= aw_time());
    end(w);
}

TEST_IN_LOOP(sqs_consumer_that_is_cancelled_twice_ends)
{
    struct work *w = new_work();
    begin(w, 20);
    w->seconds = 10;
    w->q.fail_changes = 1000;
    CONSUMER(w, .concurrency = 4);
    aw_task *t = aw_create_task(run_consumer, w->c);
    assert_int_equal(aw_sleep(1), 0);
    aw_cancel(t);
    passes(3);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(w->running, 0);
    end(w);
}

/* ---- what cannot work ---- */

TEST_IN_LOOP(sqs_consumer_of_no_queue_ends)
{
    struct work *w = new_work();
    begin(w, 1);
    w->q.absent = true;
    CONSUMER(w, .concurrency = 4);
    ASSERT_FAILS(aw_sqs_consumer_run(w->c), -ENOENT, "ReceiveMessage " QUEUE ": QueueDoesNotExist");
    end(w);
}

static int come_into_being(void *arg)
{
    struct work *w = arg;
    AW_TRY(aw_sleep(100));
    w->q.absent = false;
    return 0;
}

/* With somebody to tell, it waits for better times. */
TEST_IN_LOOP(sqs_consumer_waits_for_its_queue)
{
    struct work *w = new_work();
    begin(w, 1);
    w->q.absent = true;
    w->stop_after = 1;
    CONSUMER(w, .on_error = hear);
    aw_task *t = aw_create_task(come_into_being, w);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_int_equal(aw_join(t), 0);
    assert_all_done(w);
    assert_int_equal(w->last_error, -ENOENT);
    assert_in_range(w->errors, 3, 100);
    end(w);
}

TEST_IN_LOOP(sqs_consumer_bad_options_are_named)
{
    struct work *w = new_work();
    begin(w, 0);
    assert_null(CONSUMER(w, .visibility = 1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(CONSUMER(w, .wait = 21));
    assert_null(CONSUMER(w, .wait = (double)NAN));
    assert_null(CONSUMER(w, .poison_after = 3));
    assert_null(CONSUMER(w, .pollers = 101));
    assert_null(aw_sqs_consumer_new(w->sqs, "", work_on, w));
    assert_null(aw_sqs_consumer_new(NULL, QUEUE, work_on, w));
    assert_null(aw_sqs_consumer_new_(NULL));
    assert_int_equal(aw_sqs_consumer_run(NULL), -EINVAL);
    assert_int_equal(aw_sqs_consumer_stop(NULL), -EINVAL);
    assert_int_equal(aw_sqs_consumer_stats_of(NULL, NULL), -EINVAL);
    w->c = NULL;
    end(w);
}

/* ---- queues that keep an order ---- */

TEST_IN_LOOP(sqs_consumer_keeps_the_order_of_a_group)
{
    struct work *w = new_work();
    begin(w, 20);
    for (int i = 0; i < 20; i++)
        w->q.items[i].group = 1 + i % 2;
    w->seconds = 1;
    w->stop_after = 20;
    w->fail_first = 1;
    w->ordered = true;
    CONSUMER(w, .concurrency = 10, .retry_delay = -1);
    assert_int_equal(aw_sqs_consumer_run(w->c), 0);
    assert_all_done(w);
    assert_int_equal(w->most, 2);
    end(w);
}
