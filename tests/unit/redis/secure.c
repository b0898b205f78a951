/*
 * secure.c - Redis by TLS: rediss://, a certificate that is believed, and one that is not.
 */
#include "await.h"
#include "await/redis.h"
#include "tls/certs.h"

struct shop {
    aw_tls_context *context;
    int served;
};

/* A server that knows PING. */
static int serve(aw_stream *plain, void *arg)
{
    struct shop *shop = arg;
    aw_stream *s = aw_stream_ref(plain);
    char *line;
    ssize_t n = aw_start_tls(&s, shop->context, NULL);
    while (n >= 0 && (n = aw_stream_readuntil(s, &line, "PING\r\n")) > 0) {
        shop->served++;
        n = aw_stream_write(s, "+PONG\r\n", 7);
    }
    aw_ignore(aw_stream_abort(s));
    aw_stream_unref(s);
    return 0;
}

static int secure(void *arg)
{
    const struct world *w = the_world();
    struct shop shop = {.context =
                            aw_tls_context_new(.server = true, .certificate = w->server_file)};
    aw_tls_context *trusting = aw_tls_context_new(.ca_file = w->root_file);
    aw_server *server;
    aw_address a;
    aw_redis *r;
    char url[64];
    assert_non_null(shop.context);
    assert_int_equal(aw_start_server(&server, serve, "127.0.0.1", "0", .arg = &shop), 0);
    assert_int_equal(aw_server_address(server, 0, &a), 0);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d/", aw_address_port(&a));
    assert_int_equal(aw_redis_open(&r, url, .tls = trusting), 0);
    assert_int_equal(aw_redis_command(r, NULL, "PING"), 0);
    assert_int_equal(shop.served, 2);
    aw_redis_unref(r);
    assert_int_equal(aw_redis_open(&r, url, .tls = trusting, .server_name = "good.example"), 0);
    aw_redis_unref(r);
    assert_int_equal(aw_redis_open(&r, url, .tls = trusting, .server_name = "bad.example"),
                     -EKEYREJECTED);
    assert_int_equal(aw_redis_open(&r, url), -EKEYREJECTED); /* the system's authorities */
    assert_string_not_equal(aw_errmsg(), "");
    assert_int_equal(shop.served, 3);
    assert_true(aw_server_shutdown(server, .grace = 0) >= 0);
    aw_server_unref(server);
    aw_tls_context_unref(trusting);
    aw_tls_context_unref(shop.context);
    return arg ? 1 : 0;
}

/* The certificate is verified before anything is said. */
TEST_REAL_CLOCK(redis_by_tls)
{
    assert_int_equal(aw_run(secure, NULL), 0);
}
