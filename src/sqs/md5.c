/*
 * md5.c - MD5, by which the service tells what it got and what it gives: OpenSSL's.
 *
 * It finds mistakes, not enemies.  These are the older calls, which take no memory and cannot fail.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/md5.h>

#include "sqs/md5.h"

_Static_assert(sizeof(MD5_CTX) <= sizeof(struct aw_sqs_md5), "room for OpenSSL's state");

static MD5_CTX *state_of(struct aw_sqs_md5 *m)
{
    return (MD5_CTX *)(void *)m->state;
}

void aw_sqs_md5_begin(struct aw_sqs_md5 *m)
{
    MD5_Init(state_of(m));
}

void aw_sqs_md5_add(struct aw_sqs_md5 *m, const void *data, size_t n)
{
    MD5_Update(state_of(m), data, n);
}

void aw_sqs_md5_end(struct aw_sqs_md5 *m, char hex[33])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[16];
    MD5_Final(sum, state_of(m));
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[32] = '\0';
}
