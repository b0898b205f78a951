/*
 * Start at once, await later, between two loops: one in a thread, one in the main thread.
 *
 * aw_submit() starts a coroutine on another thread's loop, and returns at once.  Notice that the
 * work goes on while the main coroutine blocks its own thread with sleep(): MIDDLE comes at 2.0,
 * not when main awaits the result.  There is no sleep to wait for the thread either: its loop runs
 * when aw_loop_thread_start() returns.
 *
 * 08_eager.c is the same inside one loop.
 */
#include <await.h>
#include <stdio.h>
#include <unistd.h>

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

static void ask(aw_cfuture *cf)
{
    printf("done: %s\n", aw_cfuture_done(cf) ? "yes" : "no");
}

static int wait_and_ask(aw_cfuture *cf, double began)
{
    ask(cf);
    ask(cf);
    say("before first sleep", began);
    sleep(3); /* blocks this thread and its loop; the other loop goes on */
    say("after first sleep", began);
    ask(cf);
    ask(cf);
    say("before second sleep", began);
    sleep(3);
    say("after second sleep", began);
    ask(cf);
    ask(cf);
    AW_TRY(aw_join(aw_wrap_future(cf)));
    printf("%s\n", (char *)aw_cfuture_value(cf));
    return 0;
}

static int start(void *arg)
{
    aw_loop *background = arg;
    double began = aw_time();
    say("START", began);
    aw_cfuture *cf = aw_submit(background, work, &began, .copy = sizeof began);
    if (!cf)
        return aw_errno();
    int err = wait_and_ask(cf, began);
    aw_cfuture_unref(cf);
    return err;
}

int main(void)
{
    aw_loop_thread *background = aw_loop_thread_start(.name = "background");
    if (!background) {
        fprintf(stderr, "%s\n", aw_strerror(aw_errno()));
        return 1;
    }
    int err = aw_run(start, aw_loop_thread_loop(background));
    int stopped = aw_loop_thread_stop(background);
    if (err >= 0)
        err = stopped;
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
