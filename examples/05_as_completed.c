/*
 * as_completed: results in the order they finish.
 *
 * The URL is asked for first and takes 2 seconds, the file takes 1.  Notice that the file comes
 * out first, and that it does not wait for the URL.
 *
 * A task's value is its argument, so aw_value() of what completed is the struct with the result.
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
    AW_TRY(aw_sleep(2));
    url->content = "url_content";
    return 0;
}

static int read_file(void *arg)
{
    struct source *file = arg;
    printf("Reading %s\n", file->name);
    AW_TRY(aw_sleep(1));
    file->content = "file_content";
    return 0;
}

static int print_as_completed(aw_task **tasks, size_t n)
{
    double began = aw_time();
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f;
    AW_TRY(aw_completed_enter(&it, tasks, n));
    int err;
    while ((err = aw_completed_next(&it, &f)) > 0) {
        if (aw_result(f) < 0) {
            printf("failed: %s\n", aw_strerror(aw_result(f)));
            continue;
        }
        struct source *s = aw_value(f);
        printf("%.2f: %s from %s\n", aw_time() - began, s->content, s->name);
    }
    return aw_completed_exit(&it, err);
}

static int start(void *arg)
{
    struct source url = {.name = "example.com"}, file = {.name = "example.txt"};
    (void)arg;
    aw_task *tasks[] = {aw_create_task(fetch_url, &url), aw_create_task(read_file, &file)};
    int err = print_as_completed(tasks, 2);
    aw_ignore(aw_join(tasks[0])); /* both are over here, or will be: they use our structs */
    aw_ignore(aw_join(tasks[1]));
    return err;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
