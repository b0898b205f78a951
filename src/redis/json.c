/*
 * json.c - values of jansson: see json.h.
 */
#include <jansson.h>
#include <string.h>

#include "redis/json.h"
#include "redis/msgpack.h"

const json_t *rd_json_get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

size_t rd_json_size(const json_t *array)
{
    return json_array_size(array);
}

const char *rd_json_string(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

size_t rd_json_strings(const json_t *array, const char **to)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        to[n] = rd_json_string(json_array_get(array, i));
        n += to[n] != NULL;
    }
    return n;
}

bool rd_json_integer(const json_t *value, int64_t *ret)
{
    if (!json_is_integer(value))
        return false;
    *ret = json_integer_value(value);
    return true;
}

bool rd_json_true(const json_t *value)
{
    return json_is_true(value);
}

/* ---- as msgpack ---- */

static void pack(struct aw_growing *out, const json_t *v, const aw_sio_bytes *attachments,
                 size_t n);

/* Is it a placeholder, and for which attachment? */
static bool placeholder(const json_t *v, size_t n, size_t *ret)
{
    int64_t num;
    if (!json_is_true(json_object_get(v, "_placeholder")) ||
        !rd_json_integer(json_object_get(v, "num"), &num) || num < 0 || (uint64_t)num >= n)
        return false;
    *ret = (size_t)num;
    return true;
}

static void pack_object(struct aw_growing *out, const json_t *v, const aw_sio_bytes *attachments,
                        size_t n)
{
    size_t i;
    if (n > 0 && placeholder(v, n, &i)) {
        rd_pack_bytes(out, attachments[i].data, attachments[i].size);
        return;
    }
    rd_pack_map(out, json_object_size(v));
    json_t *object = (json_t *)v; /* its iterators are not for const */
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        rd_pack_text(out, key);
        pack(out, json_object_iter_value(it), attachments, n);
    }
}

/* Recurses no deeper than what was parsed. */
static void pack(struct aw_growing *out, const json_t *v, const aw_sio_bytes *attachments, size_t n)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        pack_object(out, v, attachments, n);
        break;
    case JSON_ARRAY:
        rd_pack_array(out, json_array_size(v));
        for (size_t i = 0; i < json_array_size(v); i++)
            pack(out, json_array_get(v, i), attachments, n);
        break;
    case JSON_STRING:
        rd_pack_string(out, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        rd_pack_integer(out, json_integer_value(v));
        break;
    case JSON_REAL:
        rd_pack_real(out, json_real_value(v));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        rd_pack_bool(out, json_is_true(v));
        break;
    default:
        rd_pack_nil(out);
        break;
    }
}

void rd_json_pack(struct aw_growing *out, const json_t *value, const aw_sio_bytes *attachments,
                  size_t n)
{
    pack(out, value, attachments, n);
}
