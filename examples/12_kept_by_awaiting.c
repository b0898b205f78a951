/*
 * Kept by awaiting: the task of 11_lost_task.c, joined before its creator returns.
 *
 * Notice that the count reaches its end before "b", and that the synchronous program goes on when
 * aw_run() returns: the loop is gone, and nothing runs in the background.
 */
#include <await.h>
#include <stdio.h>

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

static int start(void *arg)
{
    (void)arg;
    printf("a\n");
    aw_task *t = aw_create_task(count, NULL);
    printf("task scheduled\n");
    AW_TRY(aw_join(t));
    printf("b\n");
    return 0;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0) {
        fprintf(stderr, "%s\n", aw_strerror(err));
        return 1;
    }
    printf("the synchronous program goes on\n");
    return 0;
}
