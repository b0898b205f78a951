/*
 * Real work: an HTTP request with a time limit beside a file that is read.
 *
 * Both begin at once, and results are printed as they come: the file is quicker.  Then what goes
 * wrong: nobody listens, nobody answers in time, there is no such file.  Notice that each failure
 * says what it is about, and that the program goes on.
 *
 * The server is in the program too, so that it runs anywhere: .connect_to leads the name
 * work.example to it.
 *
 * Linked with await-http: cc ... $(pkg-config --cflags --libs await-http)
 */
#define _GNU_SOURCE
#include <await.h>
#include <await/http.h>
#include <await/net.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a small server ---- */

/* Answers /hello after a while, and nothing else ever. */
static int serve(aw_stream *s, void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nhello from far";
    char *head;
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_readuntil(s, &head, "\r\n\r\n")) > 0) {
        if (strncmp(head, "GET /hello ", 11) != 0)
            continue;
        AW_TRY(aw_sleep(0.3));
        AW_TRY(aw_stream_write(s, answer, sizeof answer - 1));
    }
    return 0;
}

/* ---- the work ---- */

struct work {
    aw_http_session *session;
    const char *source; /* a URL, or a path */
    double limit;       /* seconds */
    char text[100];     /* what was there; or why it could not be had */
};

static int fetch_page(void *arg)
{
    struct work *w = arg;
    aw_http_response *r;
    int status = aw_http_get(&r, w->session, w->source, .timeout = w->limit);
    if (status >= 0)
        snprintf(w->text, sizeof w->text, "%d, %s", status, aw_http_response_text(r));
    aw_http_response_unref(r);
    return status;
}

static int read_file(void *arg)
{
    struct work *w = arg;
    int fd = aw_openat(AT_FDCWD, w->source, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return aw_raise(fd, w->source);
    ssize_t n = aw_pread(fd, w->text, sizeof w->text - 1, 0);
    aw_ignore(aw_close(fd));
    return n < 0 ? (int)n : 0;
}

static int print_as_completed(aw_task **tasks, size_t n)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f;
    int err = aw_completed_enter(&it, tasks, n);
    AW_TRY(err);
    while ((err = aw_completed_next(&it, &f)) > 0)
        if (aw_result(f) >= 0)
            printf("%s: %s\n", aw_task_name(f), ((struct work *)aw_value(f))->text);
    return aw_completed_exit(&it, err);
}

static int work(aw_http_session *session, const char *path)
{
    struct work page = {.session = session, .source = "/hello", .limit = 15};
    struct work file = {.source = path};
    aw_task *tasks[] = {aw_create_task(fetch_page, &page, .name = "page"),
                        aw_create_task(read_file, &file, .name = "file")};
    int err = print_as_completed(tasks, 2);
    aw_ignore(aw_join(tasks[0])); /* they use our structs */
    aw_ignore(aw_join(tasks[1]));
    return err;
}

/* ---- what goes wrong ---- */

static void say(int err)
{
    printf("%s: %s\n", aw_error_name(err), err < 0 ? aw_errmsg() : "it worked");
}

static int go_wrong(aw_http_session *session)
{
    struct work refused = {.session = session, .source = "http://127.0.0.1:1/", .limit = 15};
    struct work late = {.session = session, .source = "/never", .limit = 0.3};
    struct work missing = {.source = "/no/such/file"};
    say(fetch_page(&refused));
    say(fetch_page(&late));
    say(read_file(&missing));
    return 0;
}

static int start(void *path)
{
    aw_server *server;
    aw_address a;
    char lead[64];
    AW_TRY(aw_start_server(&server, serve, "127.0.0.1", "0"));
    AW_TRY(aw_server_address(server, 0, &a));
    snprintf(lead, sizeof lead, "work.example:80:127.0.0.1:%d", aw_address_port(&a));
    const char *const leads[] = {lead, NULL};
    aw_http_session *session = aw_http_session_new("http://work.example/", .connect_to = leads);
    int err = session ? work(session, path) : aw_errno();
    if (err >= 0)
        err = go_wrong(session);
    aw_http_session_unref(session);
    aw_ignore(aw_server_close(server));
    aw_ignore(aw_server_wait_closed(server));
    aw_server_unref(server);
    return err;
}

int main(void)
{
    char path[] = "/tmp/real_work_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, "what is in the file", 19) != 19)
        return 1;
    int err = aw_run(start, path);
    if (err < 0)
        fprintf(stderr, "%s: %s\n", aw_strerror(err), aw_errmsg());
    close(fd);
    unlink(path);
    return err < 0;
}
