/*
 * engine.c - taking Engine.IO's packets and payloads apart.
 */
#include <string.h>

#include "sio/engine.h"
#include "text/base64.h"

int aw_eio_decode(struct aw_eio_packet *ret, char *text, size_t n)
{
    if (n < 1 || text[0] < AW_EIO_OPEN || text[0] > AW_EIO_NOOP)
        return -EBADMSG;
    *ret =
        (struct aw_eio_packet){.type = (enum aw_eio_type)text[0], .data = text + 1, .len = n - 1};
    return 0;
}

void aw_eio_payload_begin(struct aw_eio_payload *p, char *text, size_t n, size_t limit)
{
    *p = (struct aw_eio_payload){.at = text, .end = text + n, .left = limit};
}

static int decode_binary(struct aw_eio_packet *ret, char *text, size_t n)
{
    long len = aw_base64_decode(text, text, n);
    if (len < 0)
        return -EBADMSG;
    *ret = (struct aw_eio_packet){
        .type = AW_EIO_MESSAGE, .binary = true, .data = text, .len = (size_t)len};
    return 0;
}

int aw_eio_payload_next(struct aw_eio_payload *p, struct aw_eio_packet *ret)
{
    if (!p->at)
        return 0;
    if (p->left == 0)
        return AW_ELIMIT;
    p->left--;
    size_t left = (size_t)(p->end - p->at);
    char *packet = p->at, *separator = left ? memchr(packet, AW_EIO_SEPARATOR, left) : NULL;
    size_t n = separator ? (size_t)(separator - packet) : left;
    p->at = separator ? separator + 1 : NULL;
    int err = n > 0 && packet[0] == 'b' ? decode_binary(ret, packet + 1, n - 1)
                                        : aw_eio_decode(ret, packet, n);
    return err < 0 ? err : 1;
}
