/*
 * A blocking function in a pool's thread: run_in_executor, and to_thread.
 *
 * foo() knows nothing of coroutines, and blocks its thread for a second.  Notice the name of the
 * thread that it runs in, and that the loop goes on counting while foo() blocks.  aw_to_thread() is
 * the same in one line.
 *
 * Both calls wait for the function to end, whatever happens, so that its argument may lie on the
 * stack of this coroutine.
 */
#include <await.h>
#include <stdio.h>
#include <unistd.h>

static int foo(void *arg)
{
    const char *text = arg;
    printf("foo(\"%s\") in %s\n", text, aw_worker_name());
    sleep(1);
    return printf("foo(\"%s\") has ended\n", text);
}

static int count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        printf("the loop goes on: %d\n", i);
        AW_TRY(aw_sleep(0.6));
    }
    return 0;
}

static int call_foo(void *arg)
{
    (void)arg;
    aw_future *f = aw_run_in_executor(NULL, foo, "bar"); /* NULL: the loop's own pool */
    int printed = aw_join(f);
    AW_TRY(printed);
    printf("foo returned %d\n", printed);

    AW_TRY(aw_to_thread(foo, "once more"));
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    return aw_gather(AW_CORO(call_foo, NULL), AW_CORO(count, NULL));
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
