/*
 * A loop in a new thread, fed from outside: one call starts it, one stops it.
 *
 * Notice the name of the thread in both prints: the coroutines run there, one beside the other,
 * while main() is an ordinary function that blocks.  The second one is submitted half a second
 * after the first, and returns first.
 *
 * main() joins what it submitted, so `jobs` may lie on its stack.  10_own_thread.c is the same with
 * a thread of one's own.
 */
#define _GNU_SOURCE /* pthread_getname_np */
#include <await.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct job {
    const char *name;
    double seconds;
};

static int work(void *arg)
{
    struct job *job = arg;
    char thread[16] = "";
    AW_TRY(aw_sleep(job->seconds));
    pthread_getname_np(pthread_self(), thread, sizeof thread);
    printf("%s in the thread %s\n", job->name, thread);
    return 0;
}

int main(void)
{
    struct job jobs[] = {{"first", 2}, {"second", 0.5}};
    aw_loop_thread *worker = aw_loop_thread_start(.name = "worker");
    if (!worker) {
        fprintf(stderr, "%s\n", aw_strerror(aw_errno()));
        return 1;
    }
    aw_loop *loop = aw_loop_thread_loop(worker);
    aw_cfuture *first = aw_submit(loop, work, &jobs[0]);
    usleep(500000); /* whatever else the program does */
    aw_cfuture *second = aw_submit(loop, work, &jobs[1]);
    int err1 = aw_cfuture_join(first, 10);
    int err2 = aw_cfuture_join(second, 10);
    int stopped = aw_loop_thread_stop(worker);
    printf("first: %d, second: %d, stopped: %d\n", err1, err2, stopped);
    return err1 < 0 || err2 < 0 || stopped < 0;
}
