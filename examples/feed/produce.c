/*
 * A producer: sends items to a feed, at a rate.
 *
 *     produce URL [--items 1000] [--rate 1000] [--size 0] [--run NAME]
 *
 * An item is {"run":NAME,"n":1,"at":<milliseconds since 1970>,"text":"..."}, numbered from 1 on; n
 * and at are what watch counts by.  What is due is sent together, as an array; a feed that is not
 * there, or has no room, is asked again.  Prints one line of JSON; exits 0 when all were accepted.
 */
#include <await.h>
#include <await/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AT_ONCE = 100, BYTES = 200000 }; /* items in a request, and their bytes, at most */

struct job {
    const char *url, *run;
    double items, rate, size; /* size: bytes of text */
    long sent, refused;
    char *filler;
};

static double milliseconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The next n items, as a JSON array. */
static char *some(const struct job *j, long n)
{
    char *text;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    if (!to)
        return NULL;
    for (long i = 0; i < n; i++)
        fprintf(to, "%c{\"run\":\"%s\",\"n\":%ld,\"at\":%.3f,\"text\":\"item %ld%s\"}",
                i ? ',' : '[', j->run, j->sent + i + 1, milliseconds(), j->sent + i + 1, j->filler);
    fputc(']', to);
    return fclose(to) == 0 ? text : NULL;
}

/* 202: they were accepted. */
static int send_some(struct job *j, aw_http_session *s, long n)
{
    char *body = some(j, n);
    if (!body)
        return -ENOMEM;
    int status = aw_http_post(NULL, s, "items", .json = body, .timeout = 30);
    free(body);
    if (status == 202)
        j->sent += n;
    else
        j->refused += n;
    return status;
}

/* A feed that does not answer, or says 503, is asked again: 0; anything else is the end. */
static int look_at(int status)
{
    if (status == 202)
        return 0;
    if (status < 0 && status != -ECONNREFUSED && status != -ECONNRESET && status != AW_EOF)
        return status;
    if (status >= 0 && status != 503) {
        fprintf(stderr, "produce: the feed answers %d\n", status);
        return -EREMOTEIO;
    }
    return aw_sleep(0.1);
}

static int send_all(struct job *j, aw_http_session *s)
{
    double began = aw_time(), fit = BYTES / (j->size + 100);
    long most = fit < 1 ? 1 : fit < AT_ONCE ? (long)fit : AT_ONCE;
    while (j->sent < (long)j->items) {
        double due = j->rate > 0 ? (aw_time() - began) * j->rate + 1 : j->items;
        long n = (long)(due < j->items ? due : j->items) - j->sent;
        if (n <= 0) {
            AW_TRY(aw_sleep(began + (double)j->sent / j->rate - aw_time()));
            continue;
        }
        AW_TRY(look_at(send_some(j, s, n < most ? n : most)));
    }
    return 0;
}

static int produce(void *arg)
{
    struct job *j = arg;
    aw_http_session *s = aw_http_session_new(j->url);
    if (!s) {
        fprintf(stderr, "produce: %s: %s: %s\n", j->url, aw_strerror(aw_errno()), aw_errmsg());
        return aw_errno();
    }
    double began = aw_time();
    int err = send_all(j, s);
    printf("{\"sent\":%ld,\"refused\":%ld,\"seconds\":%.3f}\n", j->sent, j->refused,
           aw_time() - began);
    if (err < 0)
        fprintf(stderr, "produce: %s: %s\n", aw_strerror(err), aw_errmsg());
    aw_http_session_unref(s);
    return err;
}

static int usage(void)
{
    fprintf(stderr, "usage: produce URL [--items N] [--rate N] [--size BYTES] [--run NAME]\n");
    return 2;
}

static int number(double *field, const char *text)
{
    char *end;
    *field = strtod(text, &end);
    return end != text && !*end && *field >= 0 && *field <= 1e9 ? 0 : -EINVAL;
}

static int set(struct job *j, const char *name, const char *value)
{
    if (strcmp(name, "--items") == 0)
        return number(&j->items, value);
    if (strcmp(name, "--rate") == 0)
        return number(&j->rate, value);
    if (strcmp(name, "--size") == 0)
        return number(&j->size, value);
    if (strcmp(name, "--run") != 0)
        return -EINVAL;
    j->run = value;
    return 0;
}

int main(int argc, char **argv)
{
    struct job j = {.items = 1000, .rate = 1000, .run = "produce"};
    if (argc < 2 || argc % 2 != 0 || argv[1][0] == '-')
        return usage();
    j.url = argv[1];
    for (int i = 2; i < argc; i += 2)
        if (set(&j, argv[i], argv[i + 1]) < 0)
            return usage();
    j.filler = calloc(1, (size_t)j.size + 1);
    if (!j.filler)
        return 1;
    memset(j.filler, '.', (size_t)j.size);
    int err = aw_run(produce, &j);
    free(j.filler);
    return err < 0;
}
