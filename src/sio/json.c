/*
 * json.c - values of jansson: see json.h.
 */
#include <jansson.h>
#include <string.h>

#include "sio/json.h"

/* ---- half characters ---- */

/* The number of an escape "\\uXXXX" that begins at `at`; 0: there is none. */
static unsigned escape_at(const char *at, const char *end)
{
    unsigned n = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return 0;
    for (int i = 2; i < 6; i++) {
        char c = at[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            n = n * 16 + (unsigned)(c - '0');
        else if (low >= 'a' && low <= 'f')
            n = n * 16 + (unsigned)(low - 'a' + 10);
        else
            return 0;
    }
    return n;
}

void aw_sio_json_mend(char *text, size_t n)
{
    char *end = text + n, *at = n ? memchr(text, '\\', n) : NULL;
    while (at) {
        unsigned first = escape_at(at, end), second = 0;
        if (first >= 0xd800 && first < 0xdc00)
            second = escape_at(at + 6, end);
        bool pair = second >= 0xdc00 && second < 0xe000;
        if (first >= 0xd800 && first < 0xe000 && !pair)
            memcpy(at + 2, "fffd", 4);
        at += pair ? 12 : end - at < 2 ? 1 : 2;
        at = memchr(at, '\\', (size_t)(end - at));
    }
}

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
    const json_t *v = json_array_get(array, i);
    const char *text = json_string_value(v);
    return text && strlen(text) == json_string_length(v) ? text : NULL;
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
