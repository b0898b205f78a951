/*
 * tls.c - what bench/tls.c is compared with: the server of the command openssl.
 */
#include "bench/tls.h"

static int serve(const struct tls_place *p, unsigned port)
{
    char at[32];
    snprintf(at, sizeof at, "127.0.0.1:%u", port);
    int silent = open("/dev/null", O_RDWR);
    if (chdir(p->folder) < 0 || dup2(silent, 0) < 0 || dup2(silent, 1) < 0 || dup2(silent, 2) < 0)
        return -1;
    execlp("openssl", "openssl", "s_server", "-accept", at, "-cert", "cert.pem", "-key", "key.pem",
           "-WWW", "-quiet", (char *)NULL);
    return -1;
}

static int run_bulk(void)
{
    return tls_run(serve);
}

static const struct bench_row rows[] = {{"tls-bulk", run_bulk}};

BENCH_MAIN(rows)
