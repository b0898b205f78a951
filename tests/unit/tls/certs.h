/*
 * certs.h - certificates made as they are needed, good ones and bad ones.
 */
#ifndef TESTS_TLS_CERTS_H
#define TESTS_TLS_CERTS_H

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "await/tls.h"
#include "harness/test.h"

/* A certificate and its key. */
struct cert {
    X509 *x;
    EVP_PKEY *key;
};

/* What a certificate says; zero: as a good one of a server would. */
struct spec {
    const char *name;      /* common name */
    const char *hosts;     /* "DNS:a.example,IP:127.0.0.1"; NULL: none */
    const struct cert *by; /* NULL: itself */
    bool is_ca;
    const char *constraints; /* basicConstraints; by default by is_ca */
    const char *usage;       /* extendedKeyUsage, or keyUsage of an authority */
    const char *name_limits; /* nameConstraints */
    long begins, ends;       /* seconds from now; 0: yesterday, tomorrow */
    const EVP_MD *digest;    /* SHA-256 */
    unsigned rsa_bits;       /* 0: P-256 */
};
struct cert make_cert(const struct spec *s);
#define MAKE_CERT(...) make_cert(&(struct spec){__VA_ARGS__})
void free_cert(struct cert *c);

/* A list of revoked certificates: `revoked` or nothing. */
X509_CRL *make_crl(const struct cert *by, const struct cert *revoked);

/* Files, in a folder that goes with the process: certificates (and a key) one after the other;
 * their path, to be freed. */
char *write_certs(const struct cert *const *certs, size_t n, EVP_PKEY *key);
char *write_crls(X509_CRL *const *crls, size_t n);
char *write_text(const char *text);

/* The world in which everything is right: an authority, a server's certificate for good.example,
 * *.wild.example and 127.0.0.1, a client's. */
struct world {
    struct cert root, server, client;
    char *root_file, *server_file, *client_file;
};
const struct world *the_world(void);

/* A server's context that shows these, however weak they are. */
aw_tls_context *serve_certs(const struct cert *leaf, const struct cert *const *chain, size_t n);

/* Handshake over a pair of streams in memory: what became of both sides.  The streams of those who
 * succeeded are TLS's. */
struct meeting {
    aw_stream *client, *server;
    aw_tls_context *client_context, *server_context;
    const char *name;
    double timeout;
    int client_result, server_result;
    char client_message[256], server_message[256];
    const aw_stream_opts *opts; /* of the new streams; NULL: the default ones */
};
void shake_hands(struct meeting *m); /* over the streams that it has */
void meet(struct meeting *m);
void part(struct meeting *m);

#endif
