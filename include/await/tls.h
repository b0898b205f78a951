/*
 * await/tls.h - TLS for streams, by OpenSSL: the companion library await-tls.
 *
 *     aw_tls_context *tls = aw_tls_context_new();              // a client's: verifies
 *     ...
 *     aw_stream *s;
 *     AW_TRY(aw_open_connection(&s, "example.org", "443", .tls = tls));
 *     AW_TRY(aw_stream_write(s, "GET / ...", n));
 *
 * Servers take a context by their option .tls, too; aw_start_tls() is for any other stream, and for
 * protocols that begin without.
 *
 * A TLS stream is a stream like any other (await/stream.h), over the one it was started on, which
 * it owns.  What is different: a stream that ends without the other side's good-bye (close_notify)
 * may have been cut off by anybody on the way; reading then fails with AW_EOF after the data, where
 * an end in order gives 0.
 *
 * What is safe is the default: TLS 1.2 or later, the chain of certificates and the name of the host
 * verified, keys and signatures of today's strength (OpenSSL's security level 2), neither
 * renegotiation nor compression.
 *
 * A context is made once and used for many connections, by any thread; it does not change.
 */
#ifndef AWAIT_TLS_H
#define AWAIT_TLS_H

#include "await/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What connections have in common: whom to trust, what to show: an aw_tls_context. */
typedef struct aw_tls_context_opts {
    const char *file; /* filled by the macro: for the words of -EINVAL */
    int line;
    bool server;             /* for the accepting side; a client's by default */
    const char *ca_file;     /* PEM: whom to trust, in place of the system's authorities */
    const char *ca_path;     /* the same as a folder, which is there, made by c_rehash */
    const char *crl_file;    /* PEM: revoked certificates; then every certificate that is verified
                                needs a list of its authority's */
    const char *certificate; /* PEM: what to show, with the certificates between it and the
                                authority; a server needs one */
    const char *key;         /* PEM: its private key; by default in the same file */
    const char *password;    /* of the key's file */
    bool require_client;     /* a server: verify a certificate of the client's, too */
    bool insecure;           /* a client: believe anybody.  For tests */
    const char *const *alpn; /* protocols in order of preference, up to a NULL */
    bool no_sessions;        /* do not resume sessions; a client keeps one for each host's name */
} aw_tls_context_opts;

/* aw_tls_context *aw_tls_context_new(...options): the handle is the caller's.  NULL with
 * aw_errno() and the detail in aw_errmsg(): -EINVAL (options that make no sense, a key that does
 * not belong to the certificate), -ENOENT, -EACCES, ... or -EBADMSG for a file that cannot be used,
 * -ENOMEM.  Reads files, so it may block.  Any thread. */
#ifndef __cplusplus
#define aw_tls_context_new(...)                                                                    \
    aw_tls_context_new_(&(aw_tls_context_opts){.file = __FILE__, .line = __LINE__, __VA_ARGS__})
#endif
AW_API aw_tls_context *aw_tls_context_new_(const aw_tls_context_opts *opts);

/* Another handle; returns `c`.  And one less: the memory goes with the last handle, and the last
 * stream.  NULL is allowed in both.  Any thread. */
AW_API aw_tls_context *aw_tls_context_ref(aw_tls_context *c);
AW_API void aw_tls_context_unref(aw_tls_context *c);

typedef struct aw_start_tls_opts {
    aw_stream **stream;
    aw_tls_context *context;
    const char *server_name; /* a client: the host's name or address, to be sent and verified */
    double timeout;          /* seconds for the handshake; 0: 60 */
    size_t limit, high, low; /* of the new stream, as in await/stream.h */
    size_t max_pending;
    double close_timeout;
} aw_start_tls_opts;

/* int aw_start_tls(aw_stream **stream, aw_tls_context *c, const char *server_name, ...options):
 * agree on TLS over a stream, in the role of the context.
 *
 * 0, and *stream is the encrypted stream, which owns the one that was there; what that had buffered
 * is the beginning of the handshake.  Otherwise *stream is the old one, closed, and still the
 * caller's: -EKEYREJECTED when a certificate was not accepted, with the reason, the host and the
 * certificate's subject and depth in aw_errmsg() ("TLS with example.org: the certificate of
 * /CN=example.org (depth 0): certificate has expired"); -EPROTO for any other failure of the
 * protocol; AW_EOF when the other side went away; -ETIMEDOUT; -ECANCELED; -EINVAL (a client without
 * a name that does not say .insecure), then the stream is untouched; what ended the stream below;
 * -ENOMEM.  Suspends. */
#ifndef __cplusplus
#define aw_start_tls(...) aw_start_tls_(&(aw_start_tls_opts){.stream = __VA_ARGS__})
#endif
AW_API int aw_start_tls_(const aw_start_tls_opts *opts) AW_MUST_USE;

/* What was agreed on, of a TLS stream: the protocol of ALPN, "TLSv1.3", the cipher.  "" where there
 * is none, and for any other stream.  Valid as long as the stream. */
AW_API const char *aw_tls_alpn(const aw_stream *s);
AW_API const char *aw_tls_version(const aw_stream *s);
AW_API const char *aw_tls_cipher(const aw_stream *s);

/* The subject of the other side's certificate as text ("CN = example.org") into `buf`, cut at
 * `size`: its whole length; 0 when it showed none; -EINVAL for other streams. */
AW_API int aw_tls_peer_name(const aw_stream *s, char *buf, size_t size);

/* Was an earlier session resumed?  False for other streams. */
AW_API bool aw_tls_resumed(const aw_stream *s);

#ifdef __cplusplus
}
#endif
#endif
