/*
 * In parallel with a synchronous program: background work while main() blocks.
 *
 * The loop in its thread counts each second; main() sleeps three seconds at a time, blocked.
 * Notice how the lines interleave: main knows nothing of coroutines, and gives the loop no turn.
 */
#include <await.h>
#include <stdio.h>
#include <unistd.h>

static int count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        printf("iteration %d\n", i);
        AW_TRY(aw_sleep(1));
    }
    printf("finished\n");
    return 0;
}

static int background(void *arg)
{
    (void)arg;
    printf("a\n");
    AW_TRY(aw_join(aw_create_task(count, NULL)));
    printf("b\n");
    return 0;
}

int main(void)
{
    aw_loop_thread *worker = aw_loop_thread_start(.name = "worker");
    if (!worker) {
        fprintf(stderr, "%s\n", aw_strerror(aw_errno()));
        return 1;
    }
    aw_cfuture *work = aw_submit(aw_loop_thread_loop(worker), background, NULL);
    for (int i = 0; i < 3; i++) {
        sleep(3);
        printf("main %d\n", i);
    }
    int err = aw_cfuture_join(work, 5);
    int stopped = aw_loop_thread_stop(worker);
    printf("main has finished: %s\n", err < 0 ? aw_strerror(err) : "the work is done");
    return err < 0 || stopped < 0;
}
