/*
 * Handing a coroutine function to a plain thread: the classic mistake.
 *
 * In C the function is called, but there is no loop.  Notice that its first aw_sleep() fails with
 * an error that says so, that using a loop's future off the loop's thread is an error too, not a
 * crash, and that the remedy for each is one call: aw_submit() for a coroutine,
 * aw_call_soon_threadsafe() for anything else that belongs to the loop.
 */
#include <await.h>
#include <pthread.h>
#include <stdio.h>

static int fetch(void *arg)
{
    AW_TRY(aw_sleep(0.5));
    return printf("fetched %s\n", (char *)arg);
}

/* A coroutine that waits for an answer, and tells whoever submitted it where to put it. */
static int ask(void *arg)
{
    (void)arg;
    aw_future *answer = aw_future_new();
    if (!answer)
        return aw_errno();
    aw_announce(answer);
    return aw_join(answer);
}

static int set_answer(void *answer)
{
    return aw_set_result(answer, 42, NULL);
}

static void *plain_thread(void *arg)
{
    int err = fetch(arg);
    printf("in a plain thread: %s: %s\n", aw_error_name(err), aw_errmsg());
    return NULL;
}

static int remedies(aw_loop *loop)
{
    int err = aw_cfuture_join(aw_submit(loop, fetch, "example.com"), 5);
    printf("submitted to a loop: %s\n", err < 0 ? aw_strerror(err) : "done");

    aw_cfuture *asked = aw_submit_ready(loop, ask, NULL);
    void *answer = aw_cfuture_announced(asked);
    err = set_answer(answer);
    printf("off the loop's thread: %s: %s\n", aw_error_name(err), aw_errmsg());
    err = aw_call_soon_threadsafe(loop, set_answer, answer);
    if (err < 0)
        printf("%s\n", aw_strerror(err));
    err = aw_cfuture_join(asked, 5);
    printf("by a callback of the loop: %d\n", err);
    return err;
}

int main(void)
{
    pthread_t thread;
    aw_loop_thread *worker = aw_loop_thread_start(.name = "worker");
    if (!worker || pthread_create(&thread, NULL, plain_thread, "example.com") != 0) {
        fprintf(stderr, "a thread could not be made\n");
        return 1;
    }
    pthread_join(thread, NULL);
    int err = remedies(aw_loop_thread_loop(worker));
    int stopped = aw_loop_thread_stop(worker);
    return err < 0 || stopped < 0;
}
