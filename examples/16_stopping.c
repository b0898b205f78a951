/*
 * Stopping gracefully: a consumer in the background of a synchronous program.
 *
 * It is stopped by the program, here after 3.5 seconds, or before that by SIGINT (Ctrl-C) or
 * SIGTERM.  Notice the stages: nothing more is let in, the order in hand is finished, the rest
 * stays in the queue, everything is closed, and the exit status is 0; all within 5 seconds.
 *
 * Closing the channel is what stops the consumer.  It can be done from any thread, and wakes the
 * consumer at once if it waits for an order.
 */
#define _POSIX_C_SOURCE 200809L /* sigtimedwait */
#include <await.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ORDERS = 8 };

struct service {
    aw_channel *orders; /* closed: stop */
    double began;
};

static void say(struct service *s, const char *what, const char *of)
{
    printf("%.1f %s %s\n", aw_time() - s->began, what, of);
}

static int pack(struct service *s, const char *order)
{
    say(s, "packing", order);
    AW_TRY(aw_sleep(1));
    say(s, "packed", order);
    return 0;
}

static int consume(void *arg)
{
    struct service *s = arg;
    void *order;
    int err = 0;
    while (!aw_channel_closed(s->orders) && err >= 0) {
        err = aw_channel_recv(s->orders, &order);
        if (err == 0)
            err = pack(s, order);
    }
    say(s, "closed:", "the consumer ends");
    return err == AW_ESHUTDOWN ? 0 : err;
}

static int deliver(struct service *s)
{
    static char *const orders[ORDERS] = {"tea",  "coffee", "sugar", "milk",
                                         "rice", "beans",  "salt",  "bread"};
    for (int i = 0; i < ORDERS; i++)
        AW_TRY(aw_channel_send(s->orders, orders[i], .timeout = 1));
    return 0;
}

/* Blocks the main thread until a signal comes, or the program has a reason of its own to stop. */
static void wait_for_the_end(struct service *s, const sigset_t *signals)
{
    struct timespec limit = {.tv_sec = 3, .tv_nsec = 500000000};
    int number = sigtimedwait(signals, NULL, &limit);
    say(s, "asked to stop by", number > 0 ? strsignal(number) : "the program");
}

static int serve(struct service *s, aw_loop *loop, const sigset_t *signals)
{
    aw_cfuture *consumer = aw_submit(loop, consume, s);
    int err = deliver(s);
    if (err >= 0)
        wait_for_the_end(s, signals);
    aw_channel_close(s->orders);
    int ended = aw_cfuture_join(consumer, 5); /* cancelled when this time is over */
    printf("%d orders stay in the queue\n", aw_channel_count(s->orders));
    return err < 0 ? err : ended;
}

int main(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* they wait for sigtimedwait() */

    struct service s = {.orders = aw_channel_new(ORDERS), .began = aw_time()};
    aw_loop_thread *worker = aw_loop_thread_start(.name = "worker");
    int err = worker ? serve(&s, aw_loop_thread_loop(worker), &signals) : aw_errno();
    int stopped = aw_loop_thread_stop(worker, .timeout = 5);
    aw_channel_unref(s.orders);
    printf("the loop is closed: %s\n", stopped < 0 ? aw_strerror(stopped) : "in time");
    return err < 0 || stopped < 0;
}
