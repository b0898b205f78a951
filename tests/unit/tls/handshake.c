/*
 * Handshakes that succeed, and what they agree on; those that fail for other reasons than a
 * certificate; the ends of a connection.
 */
#include "tls/tls.h"
#include "unit/core/util.h"
#include "unit/net/streams.h"
#include "unit/tls/certs.h"

static aw_tls_context *client(void)
{
    return aw_tls_context_new(.ca_file = the_world()->root_file);
}

static aw_tls_context *server(void)
{
    return aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
}

static void drop(struct meeting *m)
{
    part(m);
    aw_tls_context_unref(m->client_context);
    aw_tls_context_unref(m->server_context);
}

static struct meeting met(aw_tls_context *c, aw_tls_context *s)
{
    struct meeting m = {.client_context = c, .server_context = s, .name = "good.example"};
    assert_true(c && s);
    meet(&m);
    printf("client: %s\nserver: %s\n", m.client_message, m.server_message);
    return m;
}

TEST_IN_LOOP(tls_agrees_on_what_is_new_and_strong)
{
    char name[64];
    struct meeting m = met(client(), server());
    assert_int_equal(m.client_result, 0);
    assert_int_equal(m.server_result, 0);
    assert_string_equal(aw_tls_version(m.client), "TLSv1.3");
    assert_string_equal(aw_tls_version(m.server), "TLSv1.3");
    assert_true(strlen(aw_tls_cipher(m.client)) > 0);
    assert_string_equal(aw_tls_alpn(m.client), "");
    assert_int_equal(aw_tls_peer_name(m.client, name, sizeof name), 11);
    assert_string_equal(name, "CN = server");
    assert_int_equal(aw_tls_peer_name(m.client, name, 3), 11);
    assert_string_equal(name, "CN");
    assert_int_equal(aw_tls_peer_name(m.server, name, sizeof name), 0);
    assert_int_equal(aw_stream_fd(m.client), -ENOTSUP);
    say(m.client, "hello\n");
    expect_line(m.server, "hello\n");
    drop(&m);
}

TEST_IN_LOOP(tls_says_nothing_of_other_streams)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    assert_string_equal(aw_tls_version(two[0]), "");
    assert_string_equal(aw_tls_cipher(two[0]), "");
    assert_string_equal(aw_tls_alpn(NULL), "");
    assert_false(aw_tls_resumed(two[0]));
    assert_int_equal(aw_tls_peer_name(two[0], NULL, 0), -EINVAL);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
}

TEST_IN_LOOP(tls_chooses_a_protocol)
{
    const char *const theirs[] = {"h2", "http/1.1", NULL}, *const ours[] = {"http/1.1", NULL},
                      *const others[] = {"imap", NULL};
    const struct world *w = the_world();
    struct meeting m =
        met(aw_tls_context_new(.ca_file = w->root_file, .alpn = theirs),
            aw_tls_context_new(.server = true, .certificate = w->server_file, .alpn = ours));
    assert_string_equal(aw_tls_alpn(m.client), "http/1.1");
    assert_string_equal(aw_tls_alpn(m.server), "http/1.1");
    drop(&m);
    m = met(aw_tls_context_new(.ca_file = w->root_file, .alpn = others),
            aw_tls_context_new(.server = true, .certificate = w->server_file, .alpn = ours));
    assert_int_equal(m.client_result, -EPROTO);
    assert_non_null(strstr(m.client_message, "no application protocol"));
    assert_int_equal(m.server_result, -EPROTO);
    drop(&m);
}

TEST_IN_LOOP(tls_asks_the_client_for_a_certificate)
{
    const struct world *w = the_world();
    char name[64], byte;
    aw_tls_context *asks = aw_tls_context_new(.server = true, .certificate = w->server_file,
                                              .ca_file = w->root_file, .require_client = true);
    struct meeting m =
        met(aw_tls_context_new(.ca_file = w->root_file, .certificate = w->client_file),
            aw_tls_context_ref(asks));
    assert_int_equal(m.server_result, 0);
    assert_int_equal(aw_tls_peer_name(m.server, name, sizeof name), 11);
    assert_string_equal(name, "CN = client");
    drop(&m);
    m = met(client(), asks);
    assert_int_equal(m.server_result, -EPROTO);
    assert_non_null(strstr(m.server_message, "peer did not return a certificate"));
    ssize_t n = aw_stream_read(m.client, &byte, 1); /* it hears of it later */
    assert_true(n == -EPROTO || m.client_result == -EPROTO);
    drop(&m);
}

TEST_IN_LOOP(tls_resumes_a_session)
{
    aw_tls_context *c = client(), *s = server();
    for (int i = 0; i < 3; i++) {
        struct meeting m = met(aw_tls_context_ref(c), aw_tls_context_ref(s));
        assert_int_equal(m.client_result, 0);
        assert_true(aw_tls_resumed(m.client) == (i > 0));
        assert_true(aw_tls_resumed(m.server) == (i > 0));
        say(m.server, "a ticket comes before this\n");
        expect_line(m.client, "a ticket comes before this\n");
        assert_int_equal(aw_stream_close(m.client), 0);
        assert_int_equal(aw_stream_wait_closed(m.client), 0);
        drop(&m);
    }
    aw_tls_context_unref(c);
    aw_tls_context_unref(s);
}

TEST_IN_LOOP(tls_does_not_resume_where_it_is_not_wanted)
{
    aw_tls_context *c = aw_tls_context_new(.ca_file = the_world()->root_file, .no_sessions = true);
    aw_tls_context *s = server();
    for (int i = 0; i < 2; i++) {
        struct meeting m = met(aw_tls_context_ref(c), aw_tls_context_ref(s));
        assert_false(aw_tls_resumed(m.client));
        say(m.server, "no ticket is kept\n");
        expect_line(m.client, "no ticket is kept\n");
        drop(&m);
    }
    aw_tls_context_unref(c);
    aw_tls_context_unref(s);
}

TEST_IN_LOOP(tls_insecure_only_by_request)
{
    struct meeting m = {.client_context = aw_tls_context_new(.insecure = true),
                        .server_context = server()};
    meet(&m);
    assert_int_equal(m.client_result, 0);
    drop(&m);
}

/* ---- handshakes that fail ---- */

TEST_IN_LOOP(tls_wrong_calls_leave_the_stream_alone)
{
    aw_stream *two[2];
    aw_tls_context *c = client();
    assert_int_equal(aw_stream_pair(two), 0);
    aw_stream *s = two[0], *none = NULL;
    assert_int_equal(aw_start_tls(&s, c, NULL), -EINVAL);
    assert_int_equal(aw_start_tls(&s, c, ""), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), "name ''"));
    assert_int_equal(aw_start_tls(&s, NULL, "x"), -EINVAL);
    assert_int_equal(aw_start_tls(&none, c, "x"), -EINVAL);
    assert_int_equal(aw_start_tls(NULL, c, "x"), -EINVAL);
    assert_ptr_equal(s, two[0]);
    say(s, "as before");
    expect_text(two[1], "as before");
    aw_tls_context_unref(c);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
}

/* The other side says something else, nothing, or goes away. */
static int try_client(const char *answer, bool goes, char *message)
{
    aw_stream *two[2];
    aw_tls_context *c = client();
    assert_int_equal(aw_stream_pair(two), 0);
    say(two[1], answer);
    if (goes)
        assert_int_equal(aw_stream_write_eof(two[1]), 0);
    aw_stream *s = two[0];
    int err = aw_start_tls(&s, c, "good.example", .timeout = 2);
    copy_text(message, 256, aw_errmsg());
    assert_ptr_equal(s, two[0]);
    assert_true(aw_stream_is_closing(s));
    aw_tls_context_unref(c);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
    return err;
}

TEST_IN_LOOP(tls_handshake_with_something_else)
{
    char message[256];
    assert_int_equal(try_client("HTTP/1.1 400 Bad Request\r\n\r\n", false, message), -EPROTO);
    assert_string_equal(message, "TLS with good.example: wrong version number");
    assert_int_equal(try_client("", true, message), AW_EOF);
    assert_string_equal(message, "TLS with good.example: the connection ended without a good-bye");
    assert_int_equal(try_client("\x16\x03", true, message), AW_EOF);
    double before = aw_time();
    assert_int_equal(try_client("", false, message), -ETIMEDOUT);
    assert_time(aw_time() - before, 2);
    assert_string_equal(message, "TLS with good.example: it was not agreed on within 2 s");
}

static int start_and_wait(void *arg)
{
    aw_tls_context *c = client();
    int err = aw_start_tls((aw_stream **)arg, c, "good.example");
    aw_tls_context_unref(c);
    return err;
}

TEST_IN_LOOP(tls_handshake_cancelled)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    aw_task *t = aw_create_task(start_and_wait, &two[0]);
    passes(3);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
}

TEST_IN_LOOP(tls_old_versions_are_refused)
{
    struct meeting m = {.client_context = client(), .server_context = server(), .name = "x"};
    SSL_CTX *old = m.server_context->ctx;
    m.name = "good.example";
    SSL_CTX_set_security_level(old, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(old, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION), 1);
    meet(&m);
    assert_int_equal(m.client_result, -EPROTO);
    assert_int_equal(m.server_result, -EPROTO);
    drop(&m);
    m = (struct meeting){
        .client_context = client(), .server_context = server(), .name = "good.example"};
    assert_int_equal(SSL_CTX_set_max_proto_version(m.server_context->ctx, TLS1_2_VERSION), 1);
    meet(&m);
    assert_string_equal(aw_tls_version(m.client), "TLSv1.2");
    drop(&m);
}

/* ---- the end ---- */

/* Cut off by somebody on the way, who cannot say good-bye. */
TEST_IN_LOOP(tls_truncation_is_told_from_an_end)
{
    char buf[16], *all;
    struct meeting m = met(client(), server());
    say(m.server, "some data");
    expect_text(m.client, "some");
    aw_stream *below = aw_tls_below(m.server);
    assert_int_equal(aw_stream_close(below), 0);
    expect_text(m.client, " data");
    assert_int_equal(aw_stream_read(m.client, buf, sizeof buf), AW_EOF);
    assert_non_null(strstr(aw_errmsg(), "good-bye"));
    assert_int_equal(aw_stream_readall(m.client, &all, 100), AW_EOF);
    assert_int_equal(aw_stream_readline(m.client, &all), AW_EOF);
    assert_non_null(strstr(aw_errmsg(), "good-bye"));
    drop(&m);
    m = met(client(), server());
    say(m.server, "all data");
    assert_int_equal(aw_stream_close(m.server), 0);
    assert_int_equal(aw_stream_readall(m.client, &all, 100), 8);
    expect_end(m.client);
    drop(&m);
}

/* A byte that is changed on the way. */
TEST_IN_LOOP(tls_changed_bytes_are_noticed)
{
    char byte;
    struct meeting m = met(client(), server());
    aw_stream *below = aw_tls_below(m.server);
    static const char record[] = "\x17\x03\x03\x00\x20 these are 32 bytes of nonsense!";
    assert_int_equal(aw_stream_write(below, record, 5 + 32), 0);
    assert_int_equal(aw_stream_read(m.client, &byte, 1), -EPROTO);
    assert_non_null(strstr(aw_errmsg(), "bad record mac"));
    drop(&m);
}
