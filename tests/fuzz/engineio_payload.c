/*
 * Fuzzing what a POST brings, a payload of Engine.IO: libFuzzer's target.
 *
 * Every packet lies within the payload, none is taken beyond the limit, and the end is final.
 */
#include <stdlib.h>
#include <string.h>

#include "sio/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LIMIT = 100 };
    char *text = malloc(size ? size : 1); /* its very size: what is read beyond is noticed */
    struct aw_eio_payload payload;
    struct aw_eio_packet p;
    unsigned n = 0;
    int more;
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    aw_eio_payload_begin(&payload, text, size, LIMIT);
    while ((more = aw_eio_payload_next(&payload, &p)) > 0) {
        volatile char last = 0;
        if (p.data < text || p.data + p.len > text + size || ++n > LIMIT)
            abort();
        if (p.len)
            last = p.data[p.len - 1];
        (void)last;
    }
    if (more == 0 && aw_eio_payload_next(&payload, &p) != 0)
        abort();
    free(text);
    return 0;
}
