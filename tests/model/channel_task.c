/*
 * channel_task.c - a task is first in line to receive and a thread is second, while another thread
 * sends: the task is served through its loop's inbox, or its waiting is cancelled, or its loop
 * closes over it, and then the thread is served instead.  The item comes to one of them, or is
 * dropped, or stays with its sender; and nobody uses the stack of the task that has gone.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"

#include "await/channel.h"

static aw_loop *l;
static aw_channel *ch;
static struct gate in_line;
static struct item {
    int text;
} item;
static int sent, dropped, by_task, by_thread;
static bool given_up; /* the loop closes over the task */

static void drop(void *arg)
{
    model_assert(arg == &item);
    dropped++;
}

static void make_both(void)
{
    l = world_loop();
    ch = aw_channel_new(0, .release = drop);
    aw_channel_ref(ch);
    aw_channel_ref(ch);
    in_line.open = false;
    model_name(&in_line, "the task in line");
    item.text = sent = dropped = 0;
    by_task = by_thread = 1;
}

static void make_cancelled(void)
{
    given_up = false;
    make_both();
}

static void make_given_up(void)
{
    given_up = true;
    make_both();
}

static int receive(double timeout)
{
    void *got = NULL;
    int err = aw_channel_recv(ch, &got, .timeout = timeout);
    world_reuse_stack();
    if (err == 0) {
        model_assert(got == &item && item.text == 7);
        item.text = 0;
    }
    return err;
}

static int receive_in_task(void *arg)
{
    (void)arg;
    by_task = receive(0);
    return 0;
}

static int look_on(void *arg)
{
    aw_task *t = aw_create_task(receive_in_task, arg);
    model_assert(t);
    AW_TRY(aw_sleep(0));
    gate_open(&in_line);
    AW_TRY(aw_sleep(0)); /* what comes now is served */
    AW_TRY(aw_sleep(0));
    if (given_up) {
        aw_unref(t);
        return 0;
    }
    aw_cancel(t);
    aw_ignore(aw_await(t));
    aw_unref(t);
    return 0;
}

/* As little as a run does: its end would cancel the task. */
static void run_and_close(void)
{
    aw_task *t = aw_create_task(look_on, NULL, .loop = l);
    aw_ignore(aw_loop_run_until_complete(l, t));
    aw_unref(t);
    aw_loop_free(l);
    aw_channel_unref(ch);
}

static void send_items(void)
{
    gate_pass(&in_line);
    item.text = 7;
    sent = aw_channel_send(ch, &item, .timeout = 1);
    if (sent < 0)
        item.text = 0;
    aw_channel_unref(ch);
}

static void receive_in_thread(void)
{
    gate_pass(&in_line);
    by_thread = receive(1);
    aw_channel_unref(ch);
}

static void check(void)
{
    model_assert(by_task == 0 || by_task == -ECANCELED || (given_up && by_task == 1));
    model_assert(by_thread == 0 || by_thread == -ETIMEDOUT);
    model_assert(sent == 0 || sent == -ETIMEDOUT);
    model_assert((by_task == 0) + (by_thread == 0) + dropped == (sent == 0));
    model_assert(given_up || !dropped);
}

#define SERVING(make)                                                                              \
    {                                                                                              \
        .setup = (make), .threads = {run_and_close, send_items, receive_in_thread},                \
        .check = check, .preemptions = 2, .quick = 1                                               \
    }
static const struct model cancelled = SERVING(make_cancelled);
static const struct model closing = SERVING(make_given_up);

TEST_MODEL(model_channel_task_served_or_cancelled, cancelled)
TEST_MODEL(model_channel_task_served_as_its_loop_closes, closing)
