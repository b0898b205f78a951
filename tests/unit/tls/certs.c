/*
 * certs.c - certificates, and what the tests of TLS share.
 */
#include "unit/tls/certs.h"

#include <openssl/pem.h>
#include <unistd.h>

#include "tls/tls.h"
#include "unit/core/util.h"

enum { DAY = 24 * 3600 };

/* ---- certificates ---- */

static void extend(const struct spec *s, X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    if (!value)
        return;
    X509V3_set_ctx(&ctx, s->by ? s->by->x : x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

struct cert make_cert(const struct spec *s)
{
    static long serial = 1;
    struct cert c = {.x = X509_new()};
    c.key = s->rsa_bits ? EVP_RSA_gen(s->rsa_bits) : EVP_EC_gen("P-256");
    assert_true(c.x && c.key);
    X509_NAME *name = X509_get_subject_name(c.x);
    X509_set_version(c.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x), s->begins ? s->begins : -DAY);
    X509_gmtime_adj(X509_getm_notAfter(c.x), s->ends ? s->ends : DAY);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)s->name, -1, -1, 0);
    X509_set_issuer_name(c.x, s->by ? X509_get_subject_name(s->by->x) : name);
    X509_set_pubkey(c.x, c.key);
    extend(s, c.x, NID_basic_constraints,
           s->constraints ? s->constraints
           : s->is_ca     ? "critical,CA:TRUE"
                          : "CA:FALSE");
    extend(s, c.x, NID_subject_alt_name, s->hosts);
    extend(s, c.x, NID_name_constraints, s->name_limits);
    if (s->is_ca)
        extend(s, c.x, NID_key_usage, s->usage ? s->usage : "critical,keyCertSign,cRLSign");
    else
        extend(s, c.x, NID_ext_key_usage, s->usage ? s->usage : "serverAuth,clientAuth");
    const EVP_MD *digest = s->digest ? s->digest : EVP_sha256();
    assert_true(X509_sign(c.x, s->by ? s->by->key : c.key, digest) > 0);
    return c;
}

void free_cert(struct cert *c)
{
    X509_free(c->x);
    EVP_PKEY_free(c->key);
}

X509_CRL *make_crl(const struct cert *by, const struct cert *revoked)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(by->x));
    X509_CRL_set1_lastUpdate(crl, X509_gmtime_adj(at, -DAY));
    X509_CRL_set1_nextUpdate(crl, X509_gmtime_adj(at, DAY));
    if (revoked) {
        X509_REVOKED *r = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoked->x));
        X509_REVOKED_set_revocationDate(r, X509_gmtime_adj(at, -DAY));
        X509_CRL_add0_revoked(crl, r);
    }
    ASN1_TIME_free(at);
    assert_true(X509_CRL_sign(crl, by->key, EVP_sha256()) > 0);
    return crl;
}

/* ---- files ---- */

static char folder[] = "/tmp/await-tls-XXXXXX";
static int n_files;
static pid_t maker; /* its children leave them there */

static void remove_files(void)
{
    char path[64];
    if (getpid() != maker)
        return;
    for (int i = 0; i < n_files; i++) {
        snprintf(path, sizeof path, "%s/%d.pem", folder, i);
        unlink(path);
    }
    rmdir(folder);
}

static char *new_file(FILE **ret)
{
    char path[64];
    if (n_files == 0) {
        assert_non_null(mkdtemp(folder));
        maker = getpid();
        atexit(remove_files);
    }
    snprintf(path, sizeof path, "%s/%d.pem", folder, n_files++);
    *ret = fopen(path, "w");
    assert_non_null(*ret);
    return strdup(path);
}

char *write_certs(const struct cert *const *certs, size_t n, EVP_PKEY *key)
{
    FILE *f;
    char *path = new_file(&f);
    for (size_t i = 0; i < n; i++)
        PEM_write_X509(f, certs[i]->x);
    if (key)
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    return path;
}

char *write_crls(X509_CRL *const *crls, size_t n)
{
    FILE *f;
    char *path = new_file(&f);
    for (size_t i = 0; i < n; i++)
        PEM_write_X509_CRL(f, crls[i]);
    fclose(f);
    return path;
}

char *write_text(const char *text)
{
    FILE *f;
    char *path = new_file(&f);
    fputs(text, f);
    fclose(f);
    return path;
}

/* ---- the good world ---- */

static char *write_one(const struct cert *c, bool with_key)
{
    return write_certs(&c, 1, with_key ? c->key : NULL);
}

const struct world *the_world(void)
{
    static struct world w;
    if (w.root.x)
        return &w;
    w.root = MAKE_CERT(.name = "root", .is_ca = true);
    w.server = MAKE_CERT(.name = "server", .by = &w.root,
                         .hosts = "DNS:good.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1");
    w.client = MAKE_CERT(.name = "client", .by = &w.root);
    w.root_file = write_one(&w.root, false);
    w.server_file = write_one(&w.server, true);
    w.client_file = write_one(&w.client, true);
    return &w;
}

aw_tls_context *serve_certs(const struct cert *leaf, const struct cert *const *chain, size_t n)
{
    aw_tls_context *c = aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    assert_non_null(c);
    SSL_CTX_free(c->ctx);
    c->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_app_data(c->ctx, c);
    SSL_CTX_set_security_level(c->ctx, 0);
    assert_int_equal(SSL_CTX_use_certificate(c->ctx, leaf->x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(c->ctx, leaf->key), 1);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(SSL_CTX_add1_chain_cert(c->ctx, chain[i]->x), 1);
    return c;
}

/* ---- a handshake ---- */

static int start(const struct meeting *m, aw_stream **s, aw_tls_context *c, const char *name)
{
    aw_start_tls_opts o = {.stream = s, .context = c, .server_name = name, .timeout = m->timeout};
    if (m->opts) {
        o.limit = m->opts->limit;
        o.high = m->opts->high;
        o.low = m->opts->low;
        o.max_pending = m->opts->max_pending;
        o.close_timeout = m->opts->close_timeout;
    }
    return aw_start_tls_(&o);
}

static int start_client(void *arg)
{
    struct meeting *m = arg;
    m->client_result = start(m, &m->client, m->client_context, m->name);
    copy_text(m->client_message, sizeof m->client_message, aw_errmsg());
    return 0;
}

static int start_server(void *arg)
{
    struct meeting *m = arg;
    m->server_result = start(m, &m->server, m->server_context, NULL);
    copy_text(m->server_message, sizeof m->server_message, aw_errmsg());
    return 0;
}

void shake_hands(struct meeting *m)
{
    assert_int_equal(aw_gather(AW_CORO(start_client, m), AW_CORO(start_server, m)), 0);
}

void meet(struct meeting *m)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    m->client = two[0];
    m->server = two[1];
    shake_hands(m);
}

static void end_stream(aw_stream *s)
{
    assert_int_equal(aw_stream_abort(s), 0);
    aw_ignore(aw_stream_wait_closed(s));
    aw_stream_unref(s);
}

void part(struct meeting *m)
{
    end_stream(m->client);
    end_stream(m->server);
}
