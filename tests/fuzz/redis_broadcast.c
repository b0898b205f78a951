/*
 * Fuzzing what other servers broadcast through Redis, msgpack: libFuzzer's target.
 *
 * What is taken is JSON, and can be sent on and taken again as the same.  The first time bytes may
 * get lost: of members of one name only the last is sent on, as JSON has it.
 */
#include <stdlib.h>
#include <string.h>

#include "redis/fanout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct rd_broadcast *a, const struct rd_broadcast *b)
{
    if (strcmp(a->packet.event, b->packet.event) != 0 || a->packet.n_rooms != b->packet.n_rooms ||
        a->packet.n_except != b->packet.n_except)
        abort();
    for (size_t i = 0; i < a->packet.n_rooms; i++)
        if (strcmp(a->packet.rooms[i], b->packet.rooms[i]) != 0)
            abort();
}

/* Send it on, and take it again. */
static void again(const struct rd_broadcast *b, struct rd_broadcast *ret)
{
    struct json_t *arguments;
    struct aw_growing t = {0};
    int err = rd_packet_arguments(&b->packet, &arguments);
    if (err < 0)
        abort();
    rd_packet_write(&t, b->uid, b->nsp, &b->packet, arguments);
    aw_json_unref(arguments);
    if (t.failed || rd_broadcast_read(ret, t.data, t.len) < 0)
        abort();
    same(b, ret);
    aw_growing_clear(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd_broadcast b, once, twice;
    char *copy = malloc(size ? size : 1); /* its very size: what is read beyond is noticed */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    if (rd_broadcast_read(&b, copy, size) == 0) {
        again(&b, &once);
        again(&once, &twice);
        if (b.packet.n_attachments < once.packet.n_attachments ||
            once.packet.n_attachments != twice.packet.n_attachments)
            abort();
        rd_broadcast_clear(&b);
        rd_broadcast_clear(&once);
        rd_broadcast_clear(&twice);
    }
    free(copy);
    return 0;
}
