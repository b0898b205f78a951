/*
 * A coroutine object that nobody awaits.
 *
 * aw_coro_new() describes a call; it does not make it.  Notice that nothing is fetched where the
 * objects are made, that the first one runs where it is awaited, and that dropping the second one
 * unused is reported with its name and the line that made it.
 *
 * Described work that is a plain value is caught earlier: compile this with -DDROP_IT, and the
 * compiler warns that the result of AW_CORO() goes unused.
 */
#include <await.h>
#include <stdio.h>

static int fetch_url(void *arg)
{
    printf("Fetching %s\n", (char *)arg);
    AW_TRY(aw_sleep(1));
    printf("Finished %s\n", (char *)arg);
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    aw_coro *used = aw_coro_new(fetch_url, "example.com");
    aw_coro *forgotten = aw_coro_new(fetch_url, "example.org");
    printf("two objects made, nothing fetched\n");

    int err = aw_join(aw_task_of(used));
    aw_coro_unref(used);
    aw_coro_unref(forgotten); /* the report comes from here */
#ifdef DROP_IT
    AW_CORO(fetch_url, "example.net"); /* the warning comes from here */
#endif
    return err;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
