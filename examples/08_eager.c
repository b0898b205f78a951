/*
 * Start at once, await later: what calling an async function does in JavaScript.
 *
 * With .eager a task runs inside the call that creates it, up to its first suspension.  Notice
 * that SETUP is printed before aw_create_task() returns, that the work goes on by itself while
 * this coroutine sleeps, and that its result waits until it is asked for.
 *
 * The work does not need this function to wait for it: .copy gives it a copy of its argument.
 * 08_submit.c is the same between two loops in two threads.
 */
#include <await.h>
#include <stdio.h>

static void say(const char *what, double began)
{
    printf("%s %.1f\n", what, aw_time() - began);
}

static int work(void *arg)
{
    double *began = arg;
    say("SETUP", *began);
    AW_TRY(aw_sleep(2));
    say("MIDDLE", *began);
    AW_TRY(aw_sleep(2));
    say("END", *began);
    aw_return_value("Result");
    return 0;
}

static void ask(aw_task *t)
{
    printf("done: %s\n", aw_done(t) ? "yes" : "no");
}

static int wait_and_ask(aw_task *t, double began)
{
    ask(t);
    ask(t);
    say("before first sleep", began);
    AW_TRY(aw_sleep(3));
    say("after first sleep", began);
    ask(t);
    ask(t);
    say("before second sleep", began);
    AW_TRY(aw_sleep(3));
    say("after second sleep", began);
    ask(t);
    ask(t);
    AW_TRY(aw_await(t));
    printf("%s\n", (char *)aw_value(t));
    return 0;
}

static int start(void *arg)
{
    double began = aw_time();
    (void)arg;
    say("START", began);
    aw_task *t = aw_create_task(work, &began, .eager = true, .copy = sizeof began);
    int err = wait_and_ask(t, began);
    aw_unref(t);
    return err;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
