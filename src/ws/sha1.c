/*
 * sha1.c - SHA-1, with which a server shows that it has understood the handshake: OpenSSL's.
 *
 * Nothing is kept secret by it, so that it is broken as a hash does no harm here.  These are the
 * older calls, which take no memory and cannot fail.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/sha.h>

#include "ws/text.h"

void ws_sha1(const void *data, size_t n, uint8_t ret[WS_SHA1_SIZE])
{
    SHA_CTX c;
    SHA1_Init(&c);
    SHA1_Update(&c, data, n);
    SHA1_Final(ret, &c);
}
