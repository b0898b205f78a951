/*
 * Sequential baseline: fetch a URL (1 s), then read a file (1 s).
 *
 * A coroutine is an ordinary function.  Calling it is awaiting it: the call returns when the work
 * is done.  Notice the 2 seconds: one after the other.
 */
#include <await.h>
#include <stdio.h>

struct source {
    const char *name;
    const char *content; /* where the coroutine leaves its result */
};

static int fetch_url(void *arg)
{
    struct source *url = arg;
    printf("Fetching %s\n", url->name);
    AW_TRY(aw_sleep(1)); /* stands for the network */
    printf("Finished %s\n", url->name);
    url->content = "url_content";
    return 0;
}

static int read_file(void *arg)
{
    struct source *file = arg;
    printf("Reading %s\n", file->name);
    AW_TRY(aw_sleep(1)); /* stands for the disk */
    printf("Finished %s\n", file->name);
    file->content = "file_content";
    return 0;
}

static int start(void *arg)
{
    struct source url = {.name = "example.com"}, file = {.name = "example.txt"};
    double began = aw_time();
    (void)arg;
    AW_TRY(fetch_url(&url));
    AW_TRY(read_file(&file));
    printf("%s\n%s\n", url.content, file.content);
    printf("Time taken: %.2f\n", aw_time() - began);
    return 0;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
