/*
 * The lost background task: created, and not awaited.
 *
 * A run ends when its main coroutine returns.  What is still going on then is cancelled and waited
 * for, never left behind.  Notice that the count gets no further than iteration 0, and that the
 * library says which task was cut off, where it was created and where it was waiting.
 * 12_kept_by_awaiting.c is the remedy.
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
    if (!t)
        return aw_errno();
    aw_unref(t); /* gives up the handle, not the task */
    printf("b\n");
    return 0;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
