/*
 * Not joined: main() returns at once, with work still going on in the background.
 *
 * Giving up a future never cancels, and the end of the process does not cut work off: it waits for
 * it, here for 4 seconds at most.  Notice that the count is finished although nobody joins it, and
 * that the coroutine which would go on for ever is named, with the place where it was waiting.
 */
#include <await.h>
#include <stdio.h>

static int count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        printf("iteration %d\n", i);
        AW_TRY(aw_sleep(1));
    }
    printf("finished\n");
    return 0;
}

static int watch(void *arg)
{
    (void)arg;
    for (;;)
        AW_TRY(aw_sleep(60));
}

int main(void)
{
    aw_loop_thread *worker = aw_loop_thread_start(.name = "worker", .exit_timeout = 4);
    if (!worker) {
        fprintf(stderr, "%s\n", aw_strerror(aw_errno()));
        return 1;
    }
    aw_cfuture *counting = aw_submit(aw_loop_thread_loop(worker), count, NULL);
    aw_cfuture *watching = aw_submit(aw_loop_thread_loop(worker), watch, NULL);
    int started = counting && watching;
    aw_cfuture_unref(counting); /* gives up the handles, not the work */
    aw_cfuture_unref(watching);
    printf("main returns\n");
    return !started;
}
