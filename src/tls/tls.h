/*
 * tls.h - a context, and a connection, as the two files of this folder share them.
 */
#ifndef AW_TLS_H
#define AW_TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "await/loop.h"
#include "await/tls.h"

struct aw_tls_context {
    aw_security security; /* first: what aw_open_connection() and servers know of it */
    SSL_CTX *ctx;         /* with its own count of references, which connections share */
    int refs;             /* under `lock` */
    CRYPTO_RWLOCK *lock;
    bool insecure, sessions;
    unsigned char *alpn; /* in the protocol's form */
    unsigned alpn_len;
    struct aw_tls_session {
        char *name; /* of the host */
        SSL_SESSION *session;
    } kept[32];    /* under `lock`; a client's, the oldest replaced */
    unsigned next; /* the oldest */
};

/* stream.c: the start() of a context's `security`. */
int aw_tls_secure(const aw_security *self, aw_stream **stream, const char *name, double timeout,
                  const aw_stream_opts *opts);

/* stream.c: hears of each certificate whether OpenSSL accepts it, and leaves it at that. */
int aw_tls_verified(int accepted, X509_STORE_CTX *store);

/* A session to resume with this host, which is the caller's; NULL: none. */
SSL_SESSION *aw_tls_session_for(aw_tls_context *c, const char *name);

/* The stream below a TLS stream; still that one's.  For tests. */
aw_stream *aw_tls_below(const aw_stream *s);

/* aw_raise() with what OpenSSL last complained of; `what` if it said nothing. */
int aw_tls_raise(int code, const char *what);

#endif
