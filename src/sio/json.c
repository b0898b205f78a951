/*
 * json.c - values of jansson: see json.h.
 */
#include <jansson.h>

#include "sio/json.h"

/* ---- looking at values ---- */

bool aw_sio_json_is_object(const json_t *value)
{
    return json_is_object(value);
}

const char *aw_sio_json_first(const json_t *array, size_t *ret_len)
{
    const json_t *first = json_array_get(array, 0);
    *ret_len = json_string_length(first);
    return json_string_value(first);
}

int aw_sio_json_drop_first(json_t *array)
{
    return json_array_remove(array, 0);
}

const char *aw_sio_json_string(const json_t *array, size_t i)
{
    return json_string_value(json_array_get(array, i));
}

bool aw_sio_json_number(const json_t *array, size_t i, double *ret)
{
    const json_t *v = json_array_get(array, i);
    if (!json_is_number(v))
        return false;
    *ret = json_number_value(v);
    return true;
}

/* ---- placeholders ---- */

int aw_sio_json_placeholder(const json_t *value)
{
    if (!json_is_true(json_object_get(value, "_placeholder")))
        return -1;
    const json_t *num = json_object_get(value, "num");
    json_int_t n = json_is_integer(num) ? json_integer_value(num) : -1;
    return n >= 0 && n < 64 ? (int)n : -1;
}

/* Notes which attachments are named.  The depth is within bounds already. */
static bool note_placeholders(json_t *value, unsigned n, uint64_t *seen)
{
    if (json_is_true(json_object_get(value, "_placeholder"))) {
        int num = aw_sio_json_placeholder(value);
        if (num < 0 || (unsigned)num >= n)
            return false;
        *seen |= (uint64_t)1 << num;
        return true;
    }
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach(value, key, member) if (!note_placeholders(member, n, seen)) return false;
    json_array_foreach(value, i, member) if (!note_placeholders(member, n, seen)) return false;
    return true;
}

int aw_sio_json_placeholders(const json_t *value, unsigned n)
{
    uint64_t seen = 0;
    if (n > 64 || !note_placeholders((json_t *)value, n, &seen))
        return -EBADMSG;
    return seen == (n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1) ? 0 : -EBADMSG;
}
