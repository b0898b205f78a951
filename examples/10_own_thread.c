/*
 * A loop in a thread of one's own: made in main, run there for ever, stopped from main.
 *
 * The long form of 10_loop_thread.c, for a program that makes its threads itself.  Notice the name
 * of the thread in both prints, and that the loop is stopped by a callback: aw_loop_stop() belongs
 * to the loop's thread, aw_call_soon_threadsafe() may be called from any.
 */
#define _GNU_SOURCE /* pthread_setname_np */
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

static void *run_loop(void *loop)
{
    pthread_setname_np(pthread_self(), "own");
    int err = aw_loop_run_forever(loop);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return NULL;
}

static int stop_loop(void *loop)
{
    return aw_loop_stop(loop);
}

static int feed(aw_loop *loop)
{
    struct job jobs[] = {{"first", 2}, {"second", 0.5}};
    aw_cfuture *first = aw_submit(loop, work, &jobs[0]);
    usleep(500000); /* whatever else the program does */
    aw_cfuture *second = aw_submit(loop, work, &jobs[1]);
    int err1 = aw_cfuture_join(first, 10);
    int err2 = aw_cfuture_join(second, 10);
    printf("first: %d, second: %d\n", err1, err2);
    return err1 < 0 ? err1 : err2;
}

int main(void)
{
    pthread_t thread;
    aw_loop *loop = aw_loop_new();
    if (!loop || pthread_create(&thread, NULL, run_loop, loop) != 0) {
        fprintf(stderr, "no loop, or no thread\n");
        return 1;
    }
    int err = feed(loop);
    int stopped = aw_call_soon_threadsafe(loop, stop_loop, loop);
    pthread_join(thread, NULL);
    int closed = aw_loop_close(loop);
    aw_loop_free(loop);
    printf("stopped: %d, closed: %d\n", stopped, closed);
    return err < 0 || stopped < 0 || closed < 0;
}
