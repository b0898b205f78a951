/*
 * A consumer that will not stop: stopping has a time limit, and names what exceeds it.
 *
 * This one tries again after every error, and takes its cancellation for one.  Notice that
 * aw_loop_thread_stop() comes back within its 3 seconds all the same, and that the report tells
 * which coroutine it was, where it was created, and where it was.
 */
#include <await.h>
#include <stdio.h>
#include <unistd.h>

static int consume(void *arg)
{
    int errors = 0;
    (void)arg;
    for (int order = 1; order <= 1000; order++) {
        printf("order %d\n", order);
        while (aw_sleep(1.5) < 0) /* the mistake: -ECANCELED is an error to try again after */
            if (errors++ == 0)
                printf("an error: the consumer tries again\n");
    }
    return 0;
}

int main(void)
{
    aw_loop_thread *worker = aw_loop_thread_start(.name = "worker");
    if (!worker) {
        fprintf(stderr, "%s\n", aw_strerror(aw_errno()));
        return 1;
    }
    aw_cfuture *consumer = aw_submit(aw_loop_thread_loop(worker), consume, NULL);
    aw_cfuture_unref(consumer);
    sleep(2);
    double began = aw_time();
    int err = aw_loop_thread_stop(worker, .timeout = 3);
    printf("stopped after %.1f s: %s\n", aw_time() - began, aw_error_name(err));
    return err != -ETIMEDOUT;
}
