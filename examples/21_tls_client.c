/*
 * A TLS client: 21_tls_client HOST PORT [CA_FILE].
 *
 * Connects, verifies the certificate for the host's name, by CA_FILE or by the system's
 * authorities, prints what was agreed on, asks for a page's headers and prints the first lines.
 *
 * Notice that nothing has to be switched on for safety: a certificate that has expired, is for
 * another host or is signed by somebody unknown is an error, with the reason in words.  So is an
 * answer that was cut off: the stream then ends with AW_EOF instead of 0.
 *
 * Linked with await-tls: cc ... $(pkg-config --cflags --libs await-tls)
 */
#include <await.h>
#include <await/net.h>
#include <await/tls.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 4, SECONDS = 10 };

struct request {
    const char *host, *port, *ca_file;
};

static void show_agreement(aw_stream *s)
{
    char peer[200] = "";
    aw_ignore(aw_tls_peer_name(s, peer, sizeof peer));
    printf("version     %s\ncipher      %s\n", aw_tls_version(s), aw_tls_cipher(s));
    printf("protocol    %s\npeer        %s\n", aw_tls_alpn(s), peer);
}

static int ask(aw_stream *s, const char *host)
{
    char text[512], *line;
    ssize_t n = 0;
    int len = snprintf(text, sizeof text, "HEAD / HTTP/1.0\r\nHost: %s\r\n\r\n", host);
    if (len >= (int)sizeof text)
        return -ENAMETOOLONG;
    AW_TRY(aw_stream_write(s, text, (size_t)len));
    for (int i = 0; i < LINES && (n = aw_stream_readline(s, &line)) > 0; i++) {
        line[strcspn(line, "\r\n")] = '\0';
        printf("answer      %s\n", line);
    }
    return n < 0 ? (int)n : 0;
}

static int fetch(void *arg)
{
    const struct request *r = arg;
    static const char *const protocols[] = {"http/1.1", NULL};
    aw_tls_context *tls = aw_tls_context_new(.ca_file = r->ca_file, .alpn = protocols);
    if (!tls)
        return aw_errno();
    aw_stream *s;
    int err = aw_open_connection(&s, r->host, r->port, .tls = tls);
    if (err >= 0) {
        show_agreement(s);
        err = ask(s, r->host);
    }
    aw_stream_unref(s); /* says good-bye and closes; NULL is allowed */
    aw_tls_context_unref(tls);
    return err;
}

static int run(void *arg)
{
    return aw_timeout_call(SECONDS, fetch, arg); /* for all of it */
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        printf("usage: %s HOST PORT [CA_FILE]\n", argv[0]);
        return 2;
    }
    int err = aw_run(run, &(struct request){argv[1], argv[2], argv[3]});
    if (err < 0)
        printf("%s: %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
