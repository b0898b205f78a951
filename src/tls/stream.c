/*
 * stream.c - TLS as a transport: an SSL object between the outer stream and the one below.
 *
 *      outer stream --write()--> SSL_write --> BIO --> aw_stream_write(below)   never waits
 *      outer stream <--read()--- SSL_read  <-- BIO <-- aw_stream_read(below)    only what is there
 *
 * The BIO never waits: writing to a stream does not, and it reads only what the stream below has
 * buffered.  Waiting is done beside OpenSSL, for the stream below to have something or to have
 * room; so no call into OpenSSL is ever suspended in, and its queue of errors, which belongs to the
 * thread, is read before anybody else runs.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "await/scope.h"
#include "tls/tls.h"

#define HANDSHAKE_TIMEOUT 60.0 /* seconds, by default */

struct tls {
    SSL *ssl;
    aw_stream *below;
    aw_tls_context *context;
    char *name;     /* of the host; NULL: a server's, or nobody asked */
    int error;      /* of the stream below, told through the BIO */
    bool ended;     /* the stream below has */
    int depth;      /* which certificate was not accepted: 0 is the other side's own */
    char *subject;  /* and whose it is; or NULL */
    char alpn[256]; /* what was chosen, as a string */
};

/* ---- the BIO ---- */

static int bio_write(BIO *b, const char *data, int n)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    int err = aw_stream_write(t->below, data, (size_t)n);
    if (err < 0)
        t->error = err;
    return err < 0 ? -1 : n;
}

static int bio_read(BIO *b, char *buf, int n)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (!aw_stream_buffered(t->below)) {
        if (!t->ended)
            BIO_set_retry_read(b);
        return t->ended ? 0 : -1;
    }
    ssize_t got = aw_stream_read(t->below, buf, (size_t)n);
    if (got < 0)
        t->error = (int)got;
    return (int)got;
}

static long bio_ctrl(BIO *b, int cmd, long n, void *p)
{
    const struct tls *t = BIO_get_data(b);
    (void)n, (void)p;
    if (cmd == BIO_CTRL_EOF)
        return t->ended && !aw_stream_buffered(t->below);
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (!method)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

/* ---- what OpenSSL says ---- */

/* Whom it was agreed on with, in words. */
struct whom {
    char text[300];
};

static const char *with(const struct tls *t, struct whom *w)
{
    snprintf(w->text, sizeof w->text, "TLS%s%.255s", t->name ? " with " : "",
             t->name ? t->name : "");
    return w->text;
}

static int raise_truncated(const struct tls *t)
{
    struct whom w;
    char text[400];
    ERR_clear_error();
    snprintf(text, sizeof text, "%s: the connection ended without a good-bye", with(t, &w));
    return aw_raise(AW_EOF, text);
}

/* The stream below has something, or has ended: 0, or its error. */
static int wait_below(struct tls *t)
{
    if (t->ended)
        return raise_truncated(t);
    ssize_t n = aw_stream_wait_readable(t->below);
    t->ended = n == 0;
    return n < 0 ? (int)n : 0;
}

/* Called for each certificate that is verified: the one that is not accepted is remembered. */
int aw_tls_verified(int accepted, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    struct tls *t = ssl ? BIO_get_data(SSL_get_rbio(ssl)) : NULL;
    if (accepted || !t || !cert)
        return accepted;
    OPENSSL_free(t->subject);
    t->subject = X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0);
    t->depth = X509_STORE_CTX_get_error_depth(store);
    return accepted;
}

/* "TLS with example.org: the certificate of /CN=example.org (depth 0): certificate has expired" */
static int raise_verification(const struct tls *t, long verdict)
{
    struct whom w;
    char text[640], whose[200] = "";
    if (t->subject)
        snprintf(whose, sizeof whose, "the certificate of %.128s (depth %d): ", t->subject,
                 t->depth);
    snprintf(text, sizeof text, "%s: %s%s", with(t, &w), whose,
             X509_verify_cert_error_string(verdict));
    ERR_clear_error();
    return aw_raise(-EKEYREJECTED, text);
}

/* Why a call failed; 0: it may be tried again, as the stream below has more now.  What OpenSSL
 * complains of comes first: that its alert could not be sent any more is a consequence. */
static int what_now(struct tls *t, int result)
{
    struct whom w;
    int why = SSL_get_error(t->ssl, result), reason = ERR_GET_REASON(ERR_peek_last_error());
    long verdict = SSL_get_verify_result(t->ssl);
    if (why == SSL_ERROR_WANT_READ)
        return wait_below(t);
    if (why != SSL_ERROR_SSL && t->error) {
        ERR_clear_error();
        return aw_raise(t->error, aw_errmsg());
    }
    if (why == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return raise_truncated(t);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
        return raise_verification(t, verdict);
    return aw_tls_raise(-EPROTO, with(t, &w));
}

/* ---- the transport ---- */

static ssize_t tls_read(void *context, void *buf, size_t n)
{
    struct tls *t = context;
    for (;;) {
        size_t got;
        ERR_clear_error();
        int result = SSL_read_ex(t->ssl, buf, n, &got);
        if (result == 1)
            return (ssize_t)got;
        if (SSL_get_error(t->ssl, result) == SSL_ERROR_ZERO_RETURN)
            return 0;
        AW_TRY(what_now(t, result));
    }
}

/* What OpenSSL has taken has been written, cancelled or not. */
static ssize_t tls_write(void *context, const void *buf, size_t n)
{
    struct tls *t = context;
    size_t written;
    int result;
    for (;;) {
        ERR_clear_error();
        result = SSL_write_ex(t->ssl, buf, n, &written);
        if (result == 1)
            break;
        AW_TRY(what_now(t, result));
    }
    int err = aw_stream_drain(t->below);
    return err < 0 && err != -ECANCELED ? err : (ssize_t)written;
}

static int tls_shutdown(void *context)
{
    struct tls *t = context;
    struct whom w;
    ERR_clear_error();
    if (!(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) && SSL_shutdown(t->ssl) < 0)
        return t->error ? aw_raise(t->error, aw_errmsg()) : aw_tls_raise(-EPROTO, with(t, &w));
    return aw_stream_drain(t->below);
}

/* The other side need not answer: whoever closes has heard all that it wanted. */
static int tls_close(void *context)
{
    struct tls *t = context;
    AW_TRY(tls_shutdown(context));
    AW_TRY(aw_stream_close(t->below));
    return aw_stream_wait_closed(t->below);
}

static void tls_abort(void *context)
{
    const struct tls *t = context;
    aw_ignore(aw_stream_abort(t->below));
}

/* The stream below is given up with it, unless it was given back before. */
static void tls_release(void *context)
{
    struct tls *t = context;
    SSL_free(t->ssl);
    aw_stream_unref(t->below);
    aw_tls_context_unref(t->context);
    OPENSSL_free(t->name);
    OPENSSL_free(t->subject);
    OPENSSL_free(t);
}

static int tls_fd(void *context)
{
    const struct tls *t = context;
    return aw_stream_fd(t->below);
}

static size_t tls_pending(void *context)
{
    const struct tls *t = context;
    return aw_stream_pending(t->below);
}

static const aw_transport transport = {.read = tls_read,
                                       .write = tls_write,
                                       .shutdown = tls_shutdown,
                                       .close = tls_close,
                                       .abort = tls_abort,
                                       .release = tls_release,
                                       .fd = tls_fd,
                                       .pending = tls_pending};

/* ---- the handshake ---- */

/* Whom the certificate has to be for: a name or an address, which is not sent. */
static int set_name(struct tls *t, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    if (!name)
        return 0;
    t->name = OPENSSL_strdup(name);
    if (!t->name)
        return aw_raise(-ENOMEM, "no memory for the host's name");
    SSL_set_app_data(t->ssl, t->name);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
        return 0;
    bool set = X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
               SSL_set_tlsext_host_name(t->ssl, name) == 1;
    if (set)
        return 0;
    char what[128];
    snprintf(what, sizeof what, "the host's name '%.80s'", name);
    return aw_tls_raise(-EINVAL, what);
}

static int set_session(struct tls *t)
{
    SSL_SESSION *session =
        t->context->security.server ? NULL : aw_tls_session_for(t->context, t->name);
    if (session)
        SSL_set_session(t->ssl, session);
    SSL_SESSION_free(session);
    return 0;
}

static int set_up(struct tls *t, const char *name)
{
    CRYPTO_THREAD_run_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    t->ssl = SSL_new(t->context->ctx);
    if (!bio || !t->ssl) {
        BIO_free(bio);
        return aw_raise(-ENOMEM, "no memory for TLS");
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    if (t->context->security.server) {
        SSL_set_accept_state(t->ssl);
        return 0;
    }
    SSL_set_connect_state(t->ssl);
    AW_TRY(set_name(t, name));
    return set_session(t);
}

static void keep_protocol(struct tls *t)
{
    const unsigned char *name;
    unsigned n;
    SSL_get0_alpn_selected(t->ssl, &name, &n);
    snprintf(t->alpn, sizeof t->alpn, "%.*s", (int)n, n ? (const char *)name : "");
}

static int handshake(void *arg)
{
    struct tls *t = arg;
    for (;;) {
        ERR_clear_error();
        int result = SSL_do_handshake(t->ssl);
        if (result == 1)
            break;
        AW_TRY(what_now(t, result));
    }
    keep_protocol(t);
    return aw_stream_drain(t->below);
}

static struct tls *make(const aw_start_tls_opts *o)
{
    struct tls *t = OPENSSL_zalloc(sizeof *t);
    if (!t)
        return aw_refuse(-ENOMEM, "no memory for TLS");
    t->below = aw_stream_ref(*o->stream);
    t->context = aw_tls_context_ref(o->context);
    int err = set_up(t, o->server_name);
    if (err == 0)
        return t;
    aw_refuse(err, aw_errmsg());
    tls_release(t);
    return NULL;
}

/* The outer stream, which takes `t` over. */
static int finish(struct tls *t, const aw_start_tls_opts *o)
{
    aw_stream *s =
        aw_stream_from_transport(&transport, t, .limit = o->limit, .high = o->high, .low = o->low,
                                 .max_pending = o->max_pending, .close_timeout = o->close_timeout);
    if (!s)
        return aw_errno();
    aw_stream_unref(*o->stream); /* `t` has its own handle */
    *o->stream = s;
    return 0;
}

static int check(const aw_start_tls_opts *o)
{
    if (!o->stream || !*o->stream || !o->context)
        return aw_raise(-EINVAL, "the stream or the context is NULL");
    if (!o->context->security.server && !o->context->insecure && !o->server_name)
        return aw_raise(-EINVAL, "the host's name is needed, to be verified");
    if (o->timeout != o->timeout)
        return aw_raise(-EINVAL, ".timeout is NaN");
    return 0;
}

static int out_of_time(const struct tls *t, double limit)
{
    struct whom w;
    char text[400];
    snprintf(text, sizeof text, "%s: it was not agreed on within %g s", with(t, &w), limit);
    return aw_raise(-ETIMEDOUT, text);
}

int aw_start_tls_(const aw_start_tls_opts *opts)
{
    AW_TRY(check(opts));
    struct tls *t = make(opts);
    if (!t)
        return aw_errno();
    double limit = opts->timeout ? opts->timeout : HANDSHAKE_TIMEOUT;
    int err = aw_timeout_call(limit, handshake, t);
    if (err >= 0)
        err = finish(t, opts);
    if (err >= 0)
        return 0;
    aw_ignore(aw_stream_close(t->below)); /* behind the alert that says why */
    if (err == -ETIMEDOUT)
        err = out_of_time(t, limit);
    tls_release(t);
    return err;
}

int aw_tls_secure(const aw_security *self, aw_stream **stream, const char *name, double timeout,
                  const aw_stream_opts *opts)
{
    return aw_start_tls(stream, (aw_tls_context *)(void *)self, .server_name = name,
                        .timeout = timeout, .limit = opts->limit, .high = opts->high,
                        .low = opts->low, .max_pending = opts->max_pending,
                        .close_timeout = opts->close_timeout);
}

/* ---- what was agreed on ---- */

static const SSL *ssl_of(const aw_stream *s)
{
    const struct tls *t = aw_stream_transport_context(s, &transport);
    return t ? t->ssl : NULL;
}

aw_stream *aw_tls_below(const aw_stream *s)
{
    const struct tls *t = aw_stream_transport_context(s, &transport);
    return t ? t->below : NULL;
}

const char *aw_tls_alpn(const aw_stream *s)
{
    const struct tls *t = aw_stream_transport_context(s, &transport);
    return t ? t->alpn : "";
}

const char *aw_tls_version(const aw_stream *s)
{
    const SSL *ssl = ssl_of(s);
    return ssl ? SSL_get_version(ssl) : "";
}

const char *aw_tls_cipher(const aw_stream *s)
{
    const SSL *ssl = ssl_of(s);
    return ssl ? SSL_get_cipher_name(ssl) : "";
}

bool aw_tls_resumed(const aw_stream *s)
{
    const SSL *ssl = ssl_of(s);
    return ssl && SSL_session_reused(ssl);
}

int aw_tls_peer_name(const aw_stream *s, char *buf, size_t size)
{
    const SSL *ssl = ssl_of(s);
    if (!ssl || (!buf && size))
        return aw_raise(-EINVAL, ssl ? "the buffer is NULL" : "it is no TLS stream");
    X509 *cert = SSL_get0_peer_certificate(ssl);
    BIO *text = cert ? BIO_new(BIO_s_mem()) : NULL;
    if (!text)
        return cert ? aw_raise(-ENOMEM, "no memory for a name") : 0;
    X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_ONELINE);
    char *data;
    long n = BIO_get_mem_data(text, &data);
    if (size)
        snprintf(buf, size, "%.*s", (int)n, data);
    BIO_free(text);
    return (int)n;
}
