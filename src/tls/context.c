/*
 * context.c - contexts: from options to an SSL_CTX with safe settings, and the sessions it keeps.
 */
#include <stdio.h>
#include <string.h>

#include "tls/tls.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20" /* of TLS 1.2 */

int aw_tls_raise(int code, const char *what)
{
    unsigned long last = ERR_peek_last_error();
    const char *reason = last ? ERR_reason_error_string(last) : NULL;
    char text[512];
    if (reason)
        snprintf(text, sizeof text, "%s: %s", what, reason);
    else
        snprintf(text, sizeof text, "%s", what);
    ERR_clear_error();
    return aw_raise(code, text);
}

/* ---- files ---- */

/* A file that could not be used: because of the system, if OpenSSL says so. */
static int bad_file(const char *path)
{
    char text[512];
    unsigned long e, system = 0;
    const char *reason = NULL;
    while ((e = ERR_get_error()) != 0) {
        if (ERR_SYSTEM_ERROR(e) && !system)
            system = e;
        if (!reason)
            reason = ERR_reason_error_string(e);
    }
    int code = system ? -ERR_GET_REASON(system) : -EBADMSG;
    snprintf(text, sizeof text, "%s: %s", path,
             system   ? aw_strerror(code)
             : reason ? reason
                      : "nothing in it can be used");
    return aw_raise(code, text);
}

/* OpenSSL looks into it when it verifies, and finds nobody to trust where there is no folder. */
static bool is_folder(const char *path)
{
    char itself[4096 + 2];
    snprintf(itself, sizeof itself, "%s/.", path);
    BIO *opened = BIO_new_file(itself, "r");
    BIO_free(opened);
    return opened != NULL;
}

static int set_authorities(SSL_CTX *ctx, const aw_tls_context_opts *o)
{
    if (!o->ca_file && !o->ca_path)
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : aw_tls_raise(-EIO, "authorities");
    if (o->ca_file && SSL_CTX_load_verify_file(ctx, o->ca_file) != 1)
        return bad_file(o->ca_file);
    if (o->ca_path && (!is_folder(o->ca_path) || SSL_CTX_load_verify_dir(ctx, o->ca_path) != 1))
        return bad_file(o->ca_path);
    return 0;
}

static int set_revoked(SSL_CTX *ctx, const char *file)
{
    if (!file)
        return 0;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (!lookup || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) <= 0)
        return bad_file(file);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

/* Never ask a terminal: a server would wait there for ever. */
static int give_password(char *buf, int size, int writing, void *password)
{
    (void)writing;
    if (!password)
        return 0;
    int n = snprintf(buf, (size_t)size, "%s", (const char *)password);
    return n < size ? n : 0;
}

static int set_certificate(SSL_CTX *ctx, const aw_tls_context_opts *o)
{
    if (!o->certificate)
        return 0;
    const char *key = o->key ? o->key : o->certificate;
    SSL_CTX_set_default_passwd_cb(ctx, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)o->password);
    if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1)
        return bad_file(o->certificate);
    bool mismatch = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 &&
                    ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509;
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (mismatch)
        return aw_tls_raise(-EINVAL, key);
    if (ERR_peek_error())
        return bad_file(key);
    return SSL_CTX_check_private_key(ctx) == 1 ? 0 : aw_tls_raise(-EINVAL, key);
}

/* ---- ALPN ---- */

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *theirs, unsigned n, void *context)
{
    const aw_tls_context *c = context;
    (void)ssl;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_len, c->alpn, c->alpn_len, theirs, n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int set_protocols(aw_tls_context *c, const char *const *names)
{
    size_t total = 0;
    for (size_t i = 0; names && names[i]; i++) {
        size_t n = strlen(names[i]);
        if (n < 1 || n > 255)
            return aw_raise(-EINVAL, ".alpn: a name is empty or too long");
        total += n + 1;
    }
    if (!total)
        return 0;
    unsigned char *at = c->alpn = OPENSSL_malloc(total);
    if (!at)
        return aw_raise(-ENOMEM, "no memory for .alpn");
    c->alpn_len = (unsigned)total;
    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        *at++ = (unsigned char)n;
        memcpy(at, names[i], n);
        at += n;
    }
    if (c->security.server)
        SSL_CTX_set_alpn_select_cb(c->ctx, choose_protocol, c);
    else if (SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_len) != 0)
        return aw_raise(-ENOMEM, "no memory for .alpn");
    return 0;
}

/* ---- sessions of clients ---- */

static struct aw_tls_session *session_slot(aw_tls_context *c, const char *name)
{
    for (size_t i = 0; i < sizeof c->kept / sizeof *c->kept; i++)
        if (c->kept[i].name && strcmp(c->kept[i].name, name) == 0)
            return &c->kept[i];
    return NULL;
}

/* 1: it is ours. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    aw_tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *name = SSL_get_app_data(ssl);
    if (!name || !SSL_SESSION_is_resumable(session))
        return 0;
    CRYPTO_THREAD_write_lock(c->lock);
    struct aw_tls_session *k = session_slot(c, name);
    if (!k) {
        k = &c->kept[c->next++ % (sizeof c->kept / sizeof *c->kept)];
        OPENSSL_free(k->name);
        k->name = OPENSSL_strdup(name);
    }
    SSL_SESSION_free(k->session);
    k->session = k->name ? session : NULL;
    CRYPTO_THREAD_unlock(c->lock);
    return k->session != NULL;
}

SSL_SESSION *aw_tls_session_for(aw_tls_context *c, const char *name)
{
    if (!c->sessions || !name)
        return NULL;
    CRYPTO_THREAD_write_lock(c->lock);
    struct aw_tls_session *k = session_slot(c, name);
    SSL_SESSION *session = k ? k->session : NULL;
    if (session)
        SSL_SESSION_up_ref(session);
    CRYPTO_THREAD_unlock(c->lock);
    return session;
}

static void set_sessions(aw_tls_context *c)
{
    static const unsigned char id[] = "await";
    if (!c->sessions) {
        SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(c->ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(c->ctx, 0);
    } else if (c->security.server) {
        SSL_CTX_set_session_id_context(c->ctx, id, sizeof id - 1);
    } else {
        SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
    }
}

/* ---- making ---- */

static int check_opts(const aw_tls_context_opts *o)
{
    char text[512];
    const char *wrong = o->server && o->insecure          ? ".insecure is for clients"
                        : !o->server && o->require_client ? ".require_client is for servers"
                        : o->key && !o->certificate       ? "a .key without a .certificate"
                        : o->server && !o->certificate    ? "a server needs a .certificate"
                                                          : NULL;
    if (!wrong)
        return 0;
    snprintf(text, sizeof text, "%s (%s:%d)", wrong, o->file ? o->file : "?", o->line);
    return aw_raise(-EINVAL, text);
}

static int set_up(aw_tls_context *c, const aw_tls_context_opts *o)
{
    SSL_CTX *ctx = c->ctx;
    int verify = c->security.server
                     ? (o->require_client ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                          : SSL_VERIFY_NONE)
                     : (o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER);
    SSL_CTX_set_app_data(ctx, c);
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, verify, aw_tls_verified);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1)
        return aw_tls_raise(-ENOMEM, "ciphers");
    set_sessions(c);
    if (verify != SSL_VERIFY_NONE)
        AW_TRY(set_authorities(ctx, o));
    AW_TRY(set_revoked(ctx, o->crl_file));
    AW_TRY(set_certificate(ctx, o));
    return set_protocols(c, o->alpn);
}

static void keep(const aw_security *self)
{
    aw_tls_context_ref((aw_tls_context *)(void *)self);
}

static void drop(const aw_security *self)
{
    aw_tls_context_unref((aw_tls_context *)(void *)self);
}

aw_tls_context *aw_tls_context_new_(const aw_tls_context_opts *opts)
{
    int err = check_opts(opts);
    if (err < 0)
        return aw_refuse(err, aw_errmsg());
    ERR_clear_error();
    aw_tls_context *c = OPENSSL_zalloc(sizeof *c);
    if (!c)
        return aw_refuse(-ENOMEM, "no memory for a TLS context");
    c->refs = 1;
    c->security =
        (aw_security){.start = aw_tls_secure, .keep = keep, .drop = drop, .server = opts->server};
    c->insecure = opts->insecure;
    c->sessions = !opts->no_sessions;
    c->lock = CRYPTO_THREAD_lock_new();
    c->ctx = SSL_CTX_new(opts->server ? TLS_server_method() : TLS_client_method());
    err = c->lock && c->ctx ? set_up(c, opts) : aw_raise(-ENOMEM, "no memory for a TLS context");
    ERR_clear_error();
    if (err == 0)
        return c;
    aw_refuse(err, aw_errmsg());
    aw_tls_context_unref(c);
    return NULL;
}

aw_tls_context *aw_tls_context_ref(aw_tls_context *c)
{
    int refs;
    if (c)
        CRYPTO_atomic_add(&c->refs, 1, &refs, c->lock);
    return c;
}

void aw_tls_context_unref(aw_tls_context *c)
{
    int refs = 0;
    if (!c)
        return;
    if (c->lock)
        CRYPTO_atomic_add(&c->refs, -1, &refs, c->lock);
    if (refs > 0)
        return;
    for (size_t i = 0; i < sizeof c->kept / sizeof *c->kept; i++) {
        OPENSSL_free(c->kept[i].name);
        SSL_SESSION_free(c->kept[i].session);
    }
    SSL_CTX_free(c->ctx);
    OPENSSL_free(c->alpn);
    CRYPTO_THREAD_lock_free(c->lock);
    OPENSSL_free(c);
}
