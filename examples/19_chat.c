/*
 * A chat server: 19_chat [PORT [LIMIT]], then `nc localhost PORT` from several terminals.
 *
 * The first line of a client is its name; every other one is sent to everybody else.  At most LIMIT
 * clients are there at a time, more of them wait to be let in.  SIGTERM or SIGINT (Ctrl-C) ends it:
 * everybody is told, what is pending is sent, and connections are closed within 5 seconds.
 *
 * Notice what is not there: locks, as all clients are tasks of one thread and writing never
 * suspends, so nobody can leave while the list is gone through; and waiting for the slow.  A client
 * that does not read has at most PENDING bytes kept for it, and is dropped then.
 */
#include <await.h>
#include <await/net.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1000, NAME = 20, PENDING = 256 * 1024, GRACE = 5 };

struct client {
    aw_stream *stream;
    char name[NAME + 1];
    struct client *next;
};

static struct client *clients; /* those who have said their names */

/* To everybody but one. */
static void tell(const struct client *but, const char *format, ...)
{
    char text[LINE + NAME + 16];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (struct client *c = clients; c; c = c->next)
        if (c != but && aw_stream_write(c->stream, text, (size_t)n) < 0)
            aw_ignore(aw_stream_abort(c->stream)); /* it has gone, or does not read */
}

static void leave(struct client *me)
{
    struct client **at = &clients;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    tell(me, "* %s has left\n", me->name);
}

static int talk(aw_stream *s, void *arg)
{
    struct client me = {.stream = s};
    char *line;
    ssize_t n;
    (void)arg;
    AW_TRY(aw_stream_write(s, "your name?\n", 11));
    if (aw_stream_readline(s, &line) <= 0)
        return 0;
    snprintf(me.name, sizeof me.name, "%.*s", (int)strcspn(line, "\r\n"), line);
    me.next = clients;
    clients = &me;
    tell(&me, "* %s is here\n", me.name);
    while ((n = aw_stream_readline(s, &line)) > 0 || n == AW_ELIMIT)
        if (n > 0)
            tell(&me, "%s: %.*s\n", me.name, (int)strcspn(line, "\r\n"), line);
        else
            aw_ignore(aw_stream_write(s, "* too long\n", 11));
    leave(&me); /* whatever the reason: the end, a reset, a cancellation */
    return 0;
}

static int run(void *arg)
{
    char **args = arg, text[AW_ADDRESS_TEXT];
    aw_server *server;
    aw_address at;
    AW_TRY(aw_start_server(&server, talk, "127.0.0.1", args[0] ? args[0] : "7000",
                           .limit = args[0] && args[1] ? strtoul(args[1], NULL, 10) : 100,
                           .stream = {.limit = LINE, .max_pending = PENDING}));
    aw_ignore(aw_server_address(server, 0, &at));
    aw_ignore(aw_address_format(&at, text, sizeof text));
    printf("listening on %s\n", text);
    int err = aw_stop_wait();
    printf("%zu clients\n", aw_server_connections(server));
    tell(NULL, "* the server ends\n");
    aw_ignore(aw_server_close_clients(server));
    int left = aw_server_shutdown(server, .grace = GRACE);
    aw_server_unref(server);
    return err < 0 ? err : left;
}

int main(int argc, char **argv)
{
    (void)argc;
    return aw_run(run, argv + 1, .stop_on = AW_SIGINT_SIGTERM) != 0;
}
