/*
 * Two tasks: the same work as in 02_sequential.c, at the same time.
 *
 * A task starts running when its creator next suspends, here in the first aw_join().  Notice the
 * 1 second, and that the two prints of "Fetching" and "Reading" come before either "Finished".
 *
 * The tasks write into structs of this function, so both are joined before anything can return,
 * whatever became of the first.  A task that could not be created is NULL, and joining NULL
 * returns the reason: no check in between.
 */
#include <await.h>
#include <stdio.h>

struct source {
    const char *name;
    const char *content;
};

static int fetch_url(void *arg)
{
    struct source *url = arg;
    printf("Fetching %s\n", url->name);
    AW_TRY(aw_sleep(1));
    printf("Finished %s\n", url->name);
    url->content = "url_content";
    return 0;
}

static int read_file(void *arg)
{
    struct source *file = arg;
    printf("Reading %s\n", file->name);
    AW_TRY(aw_sleep(1));
    printf("Finished %s\n", file->name);
    file->content = "file_content";
    return 0;
}

static int start(void *arg)
{
    struct source url = {.name = "example.com"}, file = {.name = "example.txt"};
    double began = aw_time();
    (void)arg;
    aw_task *fetching = aw_create_task(fetch_url, &url);
    aw_task *reading = aw_create_task(read_file, &file);
    int fetched = aw_join(fetching), read = aw_join(reading);
    AW_TRY(fetched);
    AW_TRY(read);
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
