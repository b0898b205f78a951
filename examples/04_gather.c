/*
 * gather: several things at once, awaited as one.
 *
 * aw_gather() returns when all of its work has ended, with 0 or the first error, which cancels the
 * rest.  So arguments and results can live in the caller.  Notice that the results are in the order
 * given, and that of a hundred pages at most ten are being fetched at any time.
 *
 * `now` and `most` are shared by all hundred without a lock: coroutines of one loop take turns, and
 * only where they await.
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

struct crawl {
    int now, most, fetched;
};

static int fetch_page(void *arg)
{
    struct crawl *c = arg;
    if (++c->now > c->most)
        c->most = c->now;
    int err = aw_sleep(0.1);
    c->now--;
    AW_TRY(err);
    c->fetched++;
    return 0;
}

static int two(void)
{
    struct source url = {.name = "example.com"}, file = {.name = "example.txt"};
    double began = aw_time();
    AW_TRY(aw_gather(AW_CORO(fetch_url, &url), AW_CORO(read_file, &file)));
    printf("['%s', '%s']\n", url.content, file.content);
    printf("Time taken: %.2f\n", aw_time() - began);
    return 0;
}

static int a_hundred(void)
{
    struct crawl crawl = {0};
    aw_work work[100];
    double began = aw_time();
    for (int i = 0; i < 100; i++)
        work[i] = AW_CORO(fetch_page, &crawl);
    AW_TRY(aw_gather_array(work, 100, .limit = 10));
    printf("%d pages fetched, at most %d at a time\n", crawl.fetched, crawl.most);
    printf("Time taken: %.2f\n", aw_time() - began);
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    AW_TRY(two());
    return a_hundred();
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
