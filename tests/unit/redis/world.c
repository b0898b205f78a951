/*
 * world.c - a server of the test's own, and redis-server.
 */
#include "redis/world.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a server of our own ---- */

int say_bytes(struct peer *p, const char *data, size_t n)
{
    if (!p->world->split)
        return aw_stream_write(p->stream, data, n);
    for (size_t i = 0; i < n; i++) {
        AW_TRY(aw_stream_write(p->stream, data + i, 1));
        AW_TRY(aw_sleep(1e-6));
    }
    return 0;
}

int say(struct peer *p, const char *text)
{
    return say_bytes(p, text, strlen(text));
}

bool is_command(const struct peer *p, const char *name)
{
    return p->argc > 0 && strcmp(p->argv[0], name) == 0;
}

int answer_plainly(struct peer *p)
{
    char text[256];
    if (is_command(p, "PING"))
        return say(p, "+PONG\r\n");
    if (is_command(p, "ECHO")) {
        snprintf(text, sizeof text, "$%zu\r\n", p->lengths[1]);
        AW_TRY(say(p, text));
        AW_TRY(say_bytes(p, p->argv[1], p->lengths[1]));
        return say(p, "\r\n");
    }
    const char *kind = is_command(p, "SUBSCRIBE")      ? "subscribe"
                       : is_command(p, "PSUBSCRIBE")   ? "psubscribe"
                       : is_command(p, "UNSUBSCRIBE")  ? "unsubscribe"
                       : is_command(p, "PUNSUBSCRIBE") ? "punsubscribe"
                                                       : NULL;
    if (kind) {
        snprintf(text, sizeof text, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n", strlen(kind), kind,
                 strlen(p->argv[1]), p->argv[1]);
        return say(p, text);
    }
    return say(p, "+OK\r\n");
}

static ssize_t read_number(struct peer *p, char sign, long *ret)
{
    char *line;
    ssize_t n = aw_stream_readline(p->stream, &line);
    if (n > 0 && line[0] != sign)
        return -EPROTO;
    if (n > 0)
        *ret = strtol(line + 1, NULL, 10);
    return n;
}

static int read_command(struct peer *p)
{
    long n = 0, len = 0;
    ssize_t got = read_number(p, '*', &n);
    if (got <= 0 || n > MAX_ARGS)
        return got < 0 ? (int)got : AW_EOF;
    for (p->argc = 0; p->argc < n; p->argc++) {
        got = read_number(p, '$', &len);
        if (got <= 0)
            return got < 0 ? (int)got : AW_EOF;
        char *arg = p->argv[p->argc] = malloc((size_t)len + 2);
        p->lengths[p->argc] = (size_t)len;
        int err = aw_stream_readexactly(p->stream, arg, (size_t)len + 2);
        if (err < 0) {
            free(arg);
            return err;
        }
        arg[len] = '\0';
    }
    return 0;
}

static void forget_command(struct peer *p)
{
    for (; p->argc > 0; p->argc--)
        free(p->argv[p->argc - 1]);
}

static int serve(aw_stream *s, void *arg)
{
    struct world *w = arg;
    struct peer *p = malloc(sizeof *p);
    *p = (struct peer){.world = w, .stream = s, .number = ++w->connections};
    int err = 0;
    w->last = p;
    while (err >= 0 && (err = read_command(p)) >= 0) {
        w->seen++;
        err = w->answer(p);
        forget_command(p);
    }
    forget_command(p);
    if (w->last == p)
        w->last = NULL;
    free(p);
    return 0;
}

void world_open(struct world *w, world_answer *answer)
{
    static int n;
    snprintf(w->path, sizeof w->path, "/tmp/await-redis-%d-%d", (int)getpid(), n++);
    snprintf(w->url, sizeof w->url, "unix://%s", w->path);
    w->answer = answer;
    assert_int_equal(aw_start_unix_server(&w->server, serve, w->path, .arg = w), 0);
}

void world_close(struct world *w)
{
    assert_true(aw_server_shutdown(w->server, .grace = 0) >= 0);
    aw_server_unref(w->server);
    w->server = NULL;
}

void keep_line(const char *line, void *world)
{
    struct world *w = world;
    size_t n = strlen(w->lines);
    snprintf(w->lines + n, sizeof w->lines - n, "%s\n", line);
}

/* ---- redis-server ---- */

void redis_server_make(struct redis_server *s)
{
    if (access("/usr/bin/redis-server", X_OK) != 0)
        SKIP("there is no redis-server");
    if (access("/usr/bin/setpriv", X_OK) != 0)
        SKIP("there is no setpriv, so that redis-server would outlive a test that aborts");
    *s = (struct redis_server){.process = NULL};
    snprintf(s->folder, sizeof s->folder, "/tmp/await-redis-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/s", s->folder);
    snprintf(s->url, sizeof s->url, "unix://%s", s->path);
}

void redis_server_start(struct redis_server *s)
{
    s->process = aw_create_subprocess_exec(
        AW_ARGV("setpriv", "--pdeathsig", "KILL", /* or it outlives an abort */
                "redis-server", "--port", "0", "--unixsocket", s->path, "--save", "", "--dir",
                s->folder, "--appendonly", "no"),
        .out = AW_DEVNULL, .err = AW_DEVNULL);
    assert_non_null(s->process);
}

void redis_server_stop(struct redis_server *s)
{
    int status;
    assert_int_equal(aw_process_stop(s->process, 5, &status), 0);
    aw_process_unref(s->process);
    s->process = NULL;
}

void redis_server_forget(struct redis_server *s)
{
    unlink(s->path);
    rmdir(s->folder);
}
