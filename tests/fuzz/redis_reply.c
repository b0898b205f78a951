/*
 * Fuzzing what a Redis server answers: libFuzzer's target.
 *
 * The first byte says in which pieces the rest comes.  However they are cut, the same replies come
 * out, with the same end; and no reply is larger than the limit.
 */
#include <stdlib.h>
#include <string.h>

#include "redis/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 4096 };

/* The size of a reply in memory, and what it says, as a number. */
static uint64_t look(const aw_redis_reply *r, size_t *bytes)
{
    uint64_t sum = (uint64_t)r->type * 31 + (uint64_t)r->integer + r->n;
    *bytes += r->len;
    for (size_t i = 0; i < r->len; i++)
        sum = sum * 33 + (unsigned char)r->str[i];
    if (r->str && r->str[r->len] != '\0')
        abort();
    for (size_t i = 0; i < r->n; i++) {
        *bytes += sizeof *r;
        sum = sum * 37 + look(&r->elements[i], bytes);
    }
    return sum;
}

/* All replies, until an error: their sum. */
static uint64_t read_all(const uint8_t *data, size_t size, size_t step)
{
    struct rd_reader r;
    uint64_t sum = 0;
    int err = rd_reader_open(&r, LIMIT);
    if (err < 0)
        abort();
    for (size_t at = 0; at < size && err >= 0; at += step) {
        size_t n = size - at < step ? size - at : step;
        aw_redis_reply *reply;
        err = rd_reader_feed(&r, (const char *)data + at, n);
        while (err >= 0 && (err = rd_reader_next(&r, &reply)) >= 0 && reply) {
            size_t bytes = 0;
            sum = sum * 41 + look(reply, &bytes);
            if (bytes > LIMIT)
                abort();
            aw_redis_reply_free(reply);
        }
    }
    rd_reader_close(&r);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint64_t whole = read_all(data + 1, size - 1, size);
    if (read_all(data + 1, size - 1, 1u + data[0] % 16) != whole)
        abort();
    return 0;
}
