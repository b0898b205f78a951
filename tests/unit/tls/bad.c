/*
 * Bad certificates, each refused for its reason.
 */
#include "unit/core/util.h"
#include "unit/tls/certs.h"

/* The client's verdict on a chain; NULL for .ca_file: the good world's authority. */
struct trial {
    struct cert leaf;
    const struct cert *chain[3];
    size_t n_chain;
    const char *name, *ca_file, *crl_file;
};

/* "TLS with HOST: the certificate of SUBJECT (depth N): REASON" */
static void expect_words(const char *message, const char *host, const char *reason)
{
    char begin[80];
    const char *whose = strstr(message, ": the certificate of /CN=");
    snprintf(begin, sizeof begin, "TLS with %s: ", host);
    assert_memory_equal(message, begin, strlen(begin));
    assert_non_null(whose);
    assert_non_null(strstr(whose, reason));
    assert_non_null(strstr(whose, " (depth "));
}

static void expect_verdict(const struct trial *t, const char *reason)
{
    const char *ca = t->ca_file ? t->ca_file : the_world()->root_file;
    struct meeting m = {.name = t->name ? t->name : "good.example"};
    m.client_context = aw_tls_context_new(.ca_file = ca, .crl_file = t->crl_file);
    m.server_context = serve_certs(&t->leaf, t->chain, t->n_chain);
    assert_non_null(m.client_context);
    meet(&m);
    printf("client: %s\nserver: %s\n", m.client_message, m.server_message);
    if (reason) {
        assert_int_equal(m.client_result, -EKEYREJECTED);
        expect_words(m.client_message, m.name, reason);
        assert_int_equal(m.server_result, -EPROTO); /* it was told by an alert */
        assert_true(aw_stream_is_closing(m.client) && aw_stream_is_closing(m.server));
    } else {
        assert_int_equal(m.client_result, 0);
        assert_int_equal(m.server_result, 0);
    }
    part(&m);
    aw_tls_context_unref(m.client_context);
    aw_tls_context_unref(m.server_context);
}

#define HOST .hosts = "DNS:good.example"

/* Of one certificate, issued by the good authority unless it says otherwise. */
static void expect_refused(struct spec s, const char *reason)
{
    if (!s.by && !s.is_ca)
        s.by = &the_world()->root;
    struct trial t = {.leaf = make_cert(&s)};
    expect_verdict(&t, reason);
    free_cert(&t.leaf);
}

TEST_IN_LOOP(tls_expired_certificate)
{
    expect_refused((struct spec){.name = "x", HOST, .begins = -9999, .ends = -10}, "has expired");
}

TEST_IN_LOOP(tls_certificate_not_yet_valid)
{
    expect_refused((struct spec){.name = "x", HOST, .begins = 1000}, "not yet valid");
}

TEST_IN_LOOP(tls_certificate_of_another_host)
{
    expect_refused((struct spec){.name = "good.example", .hosts = "DNS:bad.example"},
                   "hostname mismatch");
}

TEST_IN_LOOP(tls_certificate_with_nothing_but_a_common_name)
{
    expect_refused((struct spec){.name = "good.example"}, "hostname mismatch");
}

TEST_IN_LOOP(tls_wildcards_for_one_level_only)
{
    const char *const wrong[] = {"a.b.wild.example", "wild.example", "wild.example.org"};
    struct trial t = {.leaf = the_world()->server, .name = "a.wild.example"};
    expect_verdict(&t, NULL);
    for (int i = 0; i < 3; i++) {
        t.name = wrong[i];
        expect_verdict(&t, "hostname mismatch");
    }
    expect_refused((struct spec){.name = "x", .hosts = "DNS:go*.example"}, "hostname mismatch");
}

TEST_IN_LOOP(tls_certificate_of_another_address)
{
    struct trial t = {.leaf = the_world()->server, .name = "127.0.0.1"};
    expect_verdict(&t, NULL);
    t.name = "::1";
    expect_verdict(&t, NULL);
    t.name = "127.0.0.2";
    expect_verdict(&t, "IP address mismatch");
}

TEST_IN_LOOP(tls_self_signed_certificate)
{
    struct cert c = MAKE_CERT(.name = "self", HOST);
    struct trial t = {.leaf = c};
    expect_verdict(&t, "self-signed certificate");
    free_cert(&c);
}

TEST_IN_LOOP(tls_unknown_authority)
{
    struct cert other = MAKE_CERT(.name = "other root", .is_ca = true);
    expect_refused((struct spec){.name = "x", HOST, .by = &other},
                   "unable to get local issuer certificate");
    free_cert(&other);
}

/* Of the same name as the good one, but with another key. */
TEST_IN_LOOP(tls_forged_authority)
{
    struct cert forged = MAKE_CERT(.name = "root", .is_ca = true);
    expect_refused((struct spec){.name = "x", HOST, .by = &forged}, "signature failure");
    free_cert(&forged);
}

TEST_IN_LOOP(tls_intermediate_missing_or_there)
{
    struct cert middle = MAKE_CERT(.name = "middle", .is_ca = true, .by = &the_world()->root);
    struct cert leaf = MAKE_CERT(.name = "leaf", HOST, .by = &middle);
    struct trial t = {.leaf = leaf, .chain = {&middle}, .n_chain = 1};
    expect_verdict(&t, NULL);
    t.n_chain = 0;
    expect_verdict(&t, "unable to get local issuer certificate");
    free_cert(&leaf);
    free_cert(&middle);
}

static void expect_bad_middle(struct spec s, const char *reason)
{
    s.name = "middle";
    s.by = &the_world()->root;
    struct cert middle = make_cert(&s);
    struct cert leaf = MAKE_CERT(.name = "leaf", HOST, .by = &middle);
    struct trial t = {.leaf = leaf, .chain = {&middle}, .n_chain = 1};
    expect_verdict(&t, reason);
    free_cert(&leaf);
    free_cert(&middle);
}

TEST_IN_LOOP(tls_intermediate_that_is_no_authority)
{
    expect_bad_middle((struct spec){.is_ca = false}, "invalid CA certificate");
}

TEST_IN_LOOP(tls_intermediate_that_may_not_sign)
{
    expect_bad_middle((struct spec){.is_ca = true, .usage = "critical,cRLSign"},
                      "invalid CA certificate");
}

TEST_IN_LOOP(tls_expired_intermediate)
{
    expect_bad_middle((struct spec){.is_ca = true, .begins = -9999, .ends = -10},
                      "/CN=middle (depth 1): certificate has expired");
}

TEST_IN_LOOP(tls_name_out_of_an_authoritys_limits)
{
    expect_bad_middle((struct spec){.is_ca = true, .name_limits = "permitted;DNS:other.example"},
                      "permitted subtree violation");
    expect_bad_middle((struct spec){.is_ca = true, .name_limits = "excluded;DNS:good.example"},
                      "excluded subtree violation");
    expect_bad_middle((struct spec){.is_ca = true, .name_limits = "permitted;DNS:example"}, NULL);
}

TEST_IN_LOOP(tls_chain_longer_than_allowed)
{
    struct cert first = MAKE_CERT(.name = "first", .is_ca = true, .by = &the_world()->root,
                                  .constraints = "critical,CA:TRUE,pathlen:0");
    struct cert second = MAKE_CERT(.name = "second", .is_ca = true, .by = &first);
    struct cert leaf = MAKE_CERT(.name = "leaf", HOST, .by = &second);
    struct trial t = {.leaf = leaf, .chain = {&second, &first}, .n_chain = 2};
    expect_verdict(&t, "path length constraint exceeded");
    free_cert(&leaf);
    free_cert(&second);
    free_cert(&first);
}

TEST_IN_LOOP(tls_certificate_for_another_purpose)
{
    expect_refused((struct spec){.name = "x", HOST, .usage = "clientAuth"},
                   "unsuitable certificate purpose");
    expect_refused((struct spec){.name = "x", HOST, .usage = "emailProtection"},
                   "unsuitable certificate purpose");
}

TEST_IN_LOOP(tls_weak_key)
{
    expect_refused((struct spec){.name = "x", HOST, .rsa_bits = 1024}, "key too weak");
}

TEST_IN_LOOP(tls_weak_signature)
{
    expect_refused((struct spec){.name = "x", HOST, .digest = EVP_sha1()}, "digest algorithm");
    struct cert root = MAKE_CERT(.name = "rsa root", .is_ca = true, .rsa_bits = 2048);
    const struct cert *one = &root;
    struct trial t = {.ca_file = write_certs(&one, 1, NULL)};
    t.leaf = MAKE_CERT(.name = "x", HOST, .by = &root, .digest = EVP_md5());
    expect_verdict(&t, "digest algorithm");
    free_cert(&t.leaf);
    free_cert(&root);
    free((char *)t.ca_file);
}

TEST_IN_LOOP(tls_revoked_certificate)
{
    const struct world *w = the_world();
    X509_CRL *nobody = make_crl(&w->root, NULL), *it = make_crl(&w->root, &w->server);
    struct cert stranger = MAKE_CERT(.name = "stranger", .is_ca = true);
    X509_CRL *foreign = make_crl(&stranger, NULL);
    char *files[] = {write_crls(&nobody, 1), write_crls(&it, 1), write_crls(&foreign, 1)};
    const char *const reasons[] = {NULL, "certificate revoked", "unable to get certificate CRL"};
    struct trial t = {.leaf = w->server};
    for (int i = 0; i < 3; i++) {
        t.crl_file = files[i];
        expect_verdict(&t, reasons[i]);
        free(files[i]);
    }
    X509_CRL_free(nobody);
    X509_CRL_free(it);
    X509_CRL_free(foreign);
    free_cert(&stranger);
}

/* Nobody writes lines of his own into a log by what he calls himself. */
TEST_IN_LOOP(tls_strange_name_is_one_line)
{
    expect_refused(
        (struct spec){.name = "x\nawait: all is well", HOST, .ends = -10, .begins = -9999},
        "/CN=x\\x0Aawait: all is well (depth 0): certificate has expired");
}

/* The other way round: a server that asks for one. */
TEST_IN_LOOP(tls_client_of_an_unknown_authority)
{
    const struct world *w = the_world();
    struct cert other = MAKE_CERT(.name = "other root", .is_ca = true);
    struct cert stranger = MAKE_CERT(.name = "stranger", .by = &other);
    const struct cert *one = &stranger;
    char *file = write_certs(&one, 1, stranger.key);
    struct meeting m = {.name = "good.example"};
    m.client_context = aw_tls_context_new(.ca_file = w->root_file, .certificate = file);
    m.server_context = aw_tls_context_new(.server = true, .certificate = w->server_file,
                                          .ca_file = w->root_file, .require_client = true);
    meet(&m);
    assert_int_equal(m.server_result, -EKEYREJECTED);
    assert_string_equal(m.server_message, "TLS: the certificate of /CN=stranger (depth 0): unable "
                                          "to get local issuer certificate");
    part(&m);
    aw_tls_context_unref(m.client_context);
    aw_tls_context_unref(m.server_context);
    free_cert(&stranger);
    free_cert(&other);
    free(file);
}
