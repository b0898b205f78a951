/*
 * An HTTP client: 22_http_client URL [CA_FILE [N]].
 *
 * Gets a page N times at once (once by default) and prints what the first answer was, how long it
 * took and how many connections were made.  Certificates are verified, by CA_FILE or by the
 * system's authorities; HTTP/2 is spoken where the server can.
 *
 * Notice that requests at the same time are just tasks, and that over HTTP/2 they share one
 * connection.
 *
 * Linked with await-http: cc ... $(pkg-config --cflags --libs await-http)
 */
#include <await.h>
#include <await/http.h>
#include <stdio.h>
#include <stdlib.h>

enum { AT_ONCE_MAX = 100, SECONDS = 20 };

struct program {
    const char *url, *ca_file;
    int n;
};

struct job {
    aw_http_session *session;
    const char *url;
    aw_http_response *response;
};

static int get(void *arg)
{
    struct job *j = arg;
    return aw_http_get(&j->response, j->session, j->url, .timeout = SECONDS);
}

static void show(const aw_http_response *r)
{
    const char *name, *value, *url;
    aw_http_timings t;
    size_t size;
    for (size_t i = 0; i < aw_http_response_redirects(r); i++) {
        int status = aw_http_response_redirect(r, i, &url);
        printf("redirect    %d %s\n", status, url);
    }
    aw_http_response_body(r, &size);
    printf("url         %s\n", aw_http_response_url(r));
    printf("version     %.1f\n", aw_http_response_version(r) / 10.0);
    printf("status      %d %s\n", aw_http_response_status(r), aw_http_response_reason(r));
    for (size_t i = 0; aw_http_response_header_at(r, i, &name, &value); i++)
        printf("header      %s: %s\n", name, value);
    if (aw_http_response_timings(r, &t) >= 0)
        printf("time        %.3f s, of it %.3f s to connect\n", t.whole,
               t.secured > t.connected ? t.secured : t.connected);
    printf("body        %zu bytes\n", size);
}

/* All answers: the first is shown, of the others it counts whether they are like it. */
static int show_all(const struct job *jobs, int n)
{
    int made = 0, alike = 0;
    size_t first, size;
    show(jobs[0].response);
    aw_http_response_body(jobs[0].response, &first);
    for (int i = 0; i < n; i++) {
        aw_http_timings t;
        aw_http_response_body(jobs[i].response, &size);
        alike += size == first;
        AW_TRY(aw_http_response_timings(jobs[i].response, &t));
        made += !t.reused;
    }
    printf("answers     %d alike, %d connections\n", alike, made);
    return 0;
}

static int run(void *arg)
{
    const struct program *p = arg;
    struct job jobs[AT_ONCE_MAX] = {{0}};
    aw_task *tasks[AT_ONCE_MAX];
    aw_http_session *s = aw_http_session_new(NULL, .ca_file = p->ca_file);
    if (!s)
        return aw_errno();
    for (int i = 0; i < p->n; i++) {
        jobs[i] = (struct job){.session = s, .url = p->url};
        tasks[i] = aw_create_task(get, &jobs[i]);
    }
    int err = 0;
    for (int i = 0; i < p->n && err >= 0; i++)
        err = aw_join(tasks[i]);
    if (err >= 0)
        err = show_all(jobs, p->n);
    for (int i = 0; i < p->n; i++)
        aw_http_response_unref(jobs[i].response);
    aw_http_session_unref(s);
    return err;
}

int main(int argc, char **argv)
{
    struct program p = {.n = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1};
    if (argc < 2 || p.n < 1 || p.n > AT_ONCE_MAX) {
        printf("usage: %s URL [CA_FILE [N]]\n", argv[0]);
        return 2;
    }
    p.url = argv[1];
    p.ca_file = argc > 2 ? argv[2] : NULL;
    int err = aw_run(run, &p);
    if (err < 0)
        printf("%s: %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
