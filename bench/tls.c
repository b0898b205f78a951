/*
 * tls.c - a file to one client, by TLS.
 */
#include <await.h>
#include <await/io.h>
#include <await/net.h>
#include <await/tls.h>

#include "bench/tls.h"

enum { BLOCK = 1 << 16 };

static int send_blob(aw_stream *s, void *folder)
{
    static char block[BLOCK]; /* of the one client */
    char path[96], *request;
    ssize_t n = aw_stream_readuntil(s, &request, "\r\n\r\n");
    if (n < 0)
        return (int)n;
    snprintf(path, sizeof path, "%s/blob", (const char *)folder);
    int fd = aw_openat(AT_FDCWD, path, O_RDONLY, 0);
    AW_TRY(fd);
    for (off_t at = 0; (n = aw_pread(fd, block, sizeof block, at)) > 0; at += n) {
        AW_TRY(aw_stream_write(s, block, (size_t)n));
        AW_TRY(aw_stream_drain(s));
    }
    AW_TRY(aw_close(fd));
    return (int)n;
}

struct served {
    const struct tls_place *place;
    unsigned port;
};

static int serve_here(void *arg)
{
    const struct served *served = arg;
    char port[8], cert[96], key[96];
    aw_server *server;
    snprintf(port, sizeof port, "%u", served->port);
    snprintf(cert, sizeof cert, "%s/cert.pem", served->place->folder);
    snprintf(key, sizeof key, "%s/key.pem", served->place->folder);
    aw_tls_context *tls = aw_tls_context_new(.server = true, .certificate = cert, .key = key);
    if (!tls)
        return aw_errno();
    AW_TRY(aw_start_server(&server, send_blob, "127.0.0.1", port, .tls = tls,
                           .arg = (void *)served->place->folder));
    aw_tls_context_unref(tls);
    int err = aw_server_serve_forever(server);
    aw_server_unref(server);
    return err;
}

static int serve(const struct tls_place *p, unsigned port)
{
    struct served served = {p, port};
    int err = aw_run(serve_here, &served);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static int run_bulk(void)
{
    return tls_run(serve);
}

static const struct bench_row rows[] = {{"tls-bulk", run_bulk}};

BENCH_MAIN(rows)
