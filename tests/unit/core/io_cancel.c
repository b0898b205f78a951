/*
 * Cancelling what waits on a descriptor: an effect wins, and the request stays pending.
 */
#include "loop_record.h"

#include <poll.h>
#include <unistd.h>

/* A task that reads, and then suspends once more. */
struct reader {
    int fds[2];
    ssize_t n;
    int next; /* what the suspension after the read returned */
    char got[16], msg[32];
    aw_task *task;
};

static int read_then_sleep(void *arg)
{
    struct reader *r = arg;
    r->n = aw_read(r->fds[0], r->got, sizeof r->got);
    r->next = aw_sleep(0);
    snprintf(r->msg, sizeof r->msg, "%s", aw_errmsg());
    return r->next;
}

static struct reader open_reader(void)
{
    struct reader r = {.n = -1, .next = 1};
    assert_int_equal(pipe(r.fds), 0);
    return r;
}

static void close_reader(struct reader *r)
{
    close(r->fds[0]);
    close(r->fds[1]);
}

/* Cancelled while nothing is there to read. */
static int cancel_without_effect(void *arg)
{
    struct reader *r = arg;
    r->task = aw_create_task(read_then_sleep, r);
    AW_TRY(aw_sleep(0));
    assert_true(aw_cancel(r->task, .msg = "enough"));
    assert_int_equal(aw_join(r->task), 0);
    assert_int_equal(r->n, -ECANCELED);
    assert_int_equal(r->next, 0); /* delivered once */
    assert_int_equal(write(r->fds[1], "x", 1), 1);
    AW_TRY(aw_sleep(0));
    assert_int_equal(r->got[0], 0); /* the buffer is the caller's again */
    return 0;
}

TEST(io_cancelled_without_effect)
{
    struct reader r = open_reader();
    assert_int_equal(aw_run(cancel_without_effect, &r), 0);
    char c;
    assert_int_equal(read(r.fds[0], &c, 1), 1); /* nothing was taken */
    close_reader(&r);
}

/* The read has taken its bytes when the request arrives, and the task has not yet resumed. */
static int cancel_with_effect(void *arg)
{
    struct reader *r = arg;
    int attempts = 0;
    r->task = aw_create_task(read_then_sleep, r);
    AW_TRY(aw_sleep(0));
    assert_int_equal(write(r->fds[1], "abc", 3), 3);
    /* The poll of this pass takes the bytes; whoever cancels in between finds the effect there. */
    for (struct pollfd p = {.fd = r->fds[0], .events = POLLIN}; poll(&p, 1, 0) == 1; attempts++) {
        assert_true(attempts < 5);
        assert_false(aw_done(r->task));
        AW_TRY(aw_sleep(0));
    }
    assert_int_equal(r->n, -1); /* it has not resumed */
    assert_true(aw_cancel(r->task, .msg = "too late"));
    aw_ignore(aw_join(r->task));
    return 0;
}

static int cancel_task(void *arg)
{
    aw_cancel(*(aw_task **)arg, .msg = "too late");
    return 0;
}

/* A reader callback of another descriptor runs in the pass whose poll completed the read. */
static int cancel_from_the_same_pass(void *arg)
{
    struct reader *r = arg;
    int other[2];
    assert_int_equal(pipe(other), 0);
    r->task = aw_create_task(read_then_sleep, r);
    AW_TRY(aw_add_reader(other[0], cancel_task, &r->task));
    AW_TRY(aw_sleep(0));
    assert_int_equal(write(other[1], "x", 1), 1);
    assert_int_equal(write(r->fds[1], "abc", 3), 3);
    int err = aw_await_shielded(r->task);
    assert_true(aw_remove_reader(NULL, other[0]));
    assert_true(err == 0 || err == -ECANCELED);
    aw_unref(r->task);
    close(other[0]);
    close(other[1]);
    return 0;
}

TEST(io_effect_wins_over_cancellation)
{
    struct reader r = open_reader();
    assert_int_equal(aw_run(cancel_with_effect, &r), 0);
    assert_int_equal(r.n, 3);
    assert_memory_equal(r.got, "abc", 3);
    assert_int_equal(r.next, -ECANCELED);
    assert_string_equal(r.msg, "too late");
    close_reader(&r);
}

TEST(io_effect_wins_and_the_request_stays_pending)
{
    struct reader r = open_reader();
    assert_int_equal(aw_run(cancel_from_the_same_pass, &r), 0);
    assert_int_equal(r.n, 3);
    assert_memory_equal(r.got, "abc", 3);
    assert_int_equal(r.next, -ECANCELED);
    assert_string_equal(r.msg, "too late");
    close_reader(&r);
}

/* The bytes were there when the task was cancelled, but nobody had taken them: no effect. */
static int cancel_before_the_poll(void *arg)
{
    struct reader *r = arg;
    r->task = aw_create_task(read_then_sleep, r);
    AW_TRY(aw_sleep(0));
    assert_int_equal(write(r->fds[1], "abc", 3), 3);
    assert_true(aw_cancel(r->task));
    aw_ignore(aw_join(r->task));
    return 0;
}

TEST(io_cancelled_before_anybody_took_the_bytes)
{
    struct reader r = open_reader();
    char left[8];
    assert_int_equal(aw_run(cancel_before_the_poll, &r), 0);
    if (r.n == -ECANCELED) {
        assert_int_equal(r.next, 0);
        assert_int_equal(read(r.fds[0], left, sizeof left), 3); /* nothing is lost */
    } else {
        assert_int_equal(r.n, 3);
        assert_int_equal(r.next, -ECANCELED);
    }
    close_reader(&r);
}

/* Cancelled before its first read: a call that would not have to wait still is told. */
static int read_when_cancelled(void *arg)
{
    struct reader *r = arg;
    aw_cancel(aw_current_task(), .msg = "before");
    r->n = aw_read(r->fds[0], r->got, sizeof r->got);
    r->next = aw_sleep(0);
    return 0;
}

TEST(io_request_pending_before_the_read)
{
    struct reader r = open_reader();
    assert_int_equal(write(r.fds[1], "abc", 3), 3);
    aw_ignore(aw_run(read_when_cancelled, &r));
    /* Either the read is the suspension that is told, or it had its effect and the next one is. */
    if (r.n == -ECANCELED) {
        assert_int_equal(r.next, 0);
    } else {
        assert_int_equal(r.n, 3);
        assert_int_equal(r.next, -ECANCELED);
    }
    close_reader(&r);
}

static int poll_then_sleep(void *arg)
{
    struct reader *r = arg;
    r->n = aw_poll(r->fds[0], POLLIN);
    r->next = aw_sleep(0);
    return 0;
}

static int cancel_poll(void *arg)
{
    struct reader *r = arg;
    r->task = aw_create_task(poll_then_sleep, r);
    AW_TRY(aw_sleep(0));
    assert_true(aw_cancel(r->task));
    return aw_join(r->task);
}

TEST(io_cancelled_poll)
{
    struct reader r = open_reader();
    assert_int_equal(aw_run(cancel_poll, &r), 0);
    assert_int_equal(r.n, -ECANCELED);
    assert_int_equal(r.next, 0);
    close_reader(&r);
}

/* One of several waiters is cancelled: the others get what comes. */
static int cancel_the_first_of_two(void *arg)
{
    struct reader *r = arg;
    struct reader second = *r;
    r->task = aw_create_task(read_then_sleep, r);
    second.task = aw_create_task(read_then_sleep, &second);
    AW_TRY(aw_sleep(0));
    assert_true(aw_cancel(r->task));
    assert_int_equal(write(r->fds[1], "abc", 3), 3);
    AW_TRY(aw_join(r->task));
    AW_TRY(aw_join(second.task));
    assert_int_equal(r->n, -ECANCELED);
    assert_int_equal(second.n, 3);
    return 0;
}

TEST(io_cancelling_one_reader_leaves_the_other)
{
    struct reader r = open_reader();
    assert_int_equal(aw_run(cancel_the_first_of_two, &r), 0);
    close_reader(&r);
}
