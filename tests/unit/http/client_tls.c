/*
 * The client over TLS: what is verified unless somebody says otherwise.
 */
#include "client.h"
#include "unit/tls/certs.h"

/* What a request to https://good.example/ comes to, of a server that shows this certificate. */
static int ask(const char *shown, const aw_http_session_opts *opts, bool requires_client)
{
    static const char *const answers[] = {OK_HELLO, NULL};
    struct place p = {0};
    char lead[64];
    aw_http_session_opts o = *opts;
    p.tls =
        aw_tls_context_new(.server = true, .certificate = shown, .require_client = requires_client,
                           .ca_file = requires_client ? the_world()->root_file : NULL);
    assert_non_null(p.tls);
    open_place(&p, answers);
    snprintf(lead, sizeof lead, "good.example:443:127.0.0.1:%u", p.port);
    const char *const leads[] = {lead, NULL};
    o.base_url = "https://good.example/";
    o.connect_to = leads;
    aw_http_session *s = session_made(aw_http_session_new_(&o));
    int status = aw_http_get(NULL, s, "/");
    if (status >= 0)
        ASSERT_STATUS(aw_http_get(NULL, s, "/again"), 200);
    assert_true(p.connections <= 1);
    assert_int_equal(p.requests, status >= 0 ? 2 : 0); /* nothing is sent to a stranger */
    aw_http_session_unref(s);
    close_place(&p);
    aw_tls_context_unref(p.tls);
    return status;
}

static aw_http_session_opts trusting(void)
{
    return (aw_http_session_opts){.ca_file = the_world()->root_file};
}

TEST_IN_LOOP(client_tls_verified)
{
    aw_http_session_opts o = trusting();
    ASSERT_STATUS(ask(the_world()->server_file, &o, false), 200);
}

static void assert_refused(struct spec s)
{
    struct cert c = make_cert(&s);
    const struct cert *shown[] = {&c};
    char *file = write_certs(shown, 1, c.key);
    aw_http_session_opts o = trusting();
    ASSERT_FAILS(ask(file, &o, false), -EKEYREJECTED, "GET https://good.example/: SSL");
    o.insecure = true;
    ASSERT_STATUS(ask(file, &o, false), 200);
    free(file);
    free_cert(&c);
}

// reliability: TLS not verified: chain and name are, by default.
TEST_IN_LOOP(client_class_tls_not_verified)
{
    const struct cert *root = &the_world()->root;
    struct cert other = MAKE_CERT(.name = "other root", .is_ca = true);
    assert_refused((struct spec){.name = "x", .hosts = "DNS:bad.example", .by = root});
    assert_refused((struct spec){.name = "self", .hosts = "DNS:good.example"});
    assert_refused((struct spec){.name = "x", .hosts = "DNS:good.example", .by = &other});
    assert_refused((struct spec){
        .name = "x", .hosts = "DNS:good.example", .by = root, .begins = -7200, .ends = -3600});
    assert_refused((struct spec){
        .name = "x", .hosts = "DNS:good.example", .by = root, .begins = 3600, .ends = 7200});
    free_cert(&other);
    /* The system's authorities do not know ours. */
    ASSERT_FAILS(ask(the_world()->server_file, &(aw_http_session_opts){0}, false), -EKEYREJECTED,
                 "SSL");
}

TEST_IN_LOOP(client_tls_shows_its_certificate)
{
    aw_http_session_opts o = trusting();
    assert_true(ask(the_world()->server_file, &o, true) < 0);
    o.certificate = the_world()->client_file;
    ASSERT_STATUS(ask(the_world()->server_file, &o, true), 200);
}

TEST_IN_LOOP(client_tls_pinned_key)
{
    aw_http_session_opts o = trusting();
    o.pinned_key = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    ASSERT_FAILS(ask(the_world()->server_file, &o, false), -EKEYREJECTED, "pinned");
}

TEST_IN_LOOP(client_tls_with_files_that_are_missing)
{
    aw_http_session_opts o = {.ca_file = "/no/such/file"};
    assert_true(ask(the_world()->server_file, &o, false) < 0);
}
