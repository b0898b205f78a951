/*
 * json.c - the adapter of jansson.
 */
#include <jansson.h>
#include <string.h>

#include "sio/json.h"

/* ---- depth ---- */

/* Behind the string that begins at `at`, or the end. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at;
}

int aw_sio_json_depth(const char *text, size_t n, unsigned limit)
{
    unsigned depth = 0;
    for (const char *at = text, *end = text + n; at < end; at++)
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            break;
        case '[':
        case '{':
            if (++depth > limit)
                return AW_ELIMIT;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        default:
            break;
        }
    return 0;
}

/* The same for a value: what is too deep is not gone into, so this ends for every value. */
static bool within(json_t *value, unsigned limit)
{
    if (!json_is_array(value) && !json_is_object(value))
        return true;
    if (limit == 0)
        return false;
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach(value, key, member) if (!within(member, limit - 1)) return false;
    json_array_foreach(value, i, member) if (!within(member, limit - 1)) return false;
    return true;
}

/* ---- both ways ---- */

/* jansson writes down what is wrong with a text; where there is no memory it mostly does not, and
 * then the code is still what it was before the call. */
static json_t *load(const char *text, size_t n, size_t flags, json_error_t *error)
{
    *error = (json_error_t){0};
    return json_loadb(text, n, flags | JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
}

static bool lacked_memory(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_unknown || code == json_error_out_of_memory;
}

int aw_sio_json_parse(json_t **ret, const char *text, size_t n, unsigned depth)
{
    if (aw_sio_json_depth(text, n, depth) < 0)
        return AW_ELIMIT;
    if (n > 0 && memchr(text, '\0', n)) /* behind a number jansson does not mind one */
        return -EBADMSG;
    json_error_t error;
    json_t *value = load(text, n, 0, &error);
    /* JavaScript writes a whole number up to 1e21 with all its digits. */
    if (!value && json_error_code(&error) == json_error_numeric_overflow)
        value = load(text, n, JSON_DECODE_INT_AS_REAL, &error);
    if (!value)
        return lacked_memory(&error) ? -ENOMEM : -EBADMSG;
    *ret = value;
    return 0;
}

static int add(const char *data, size_t n, void *out)
{
    struct aw_growing *text = out;
    aw_growing_add(text, data, n);
    return text->failed;
}

int aw_sio_json_write(struct aw_growing *out, const json_t *value, unsigned depth)
{
    if (!within((json_t *)value, depth))
        return out->failed = AW_ELIMIT;
    if (json_dump_callback(value, add, out, JSON_COMPACT | JSON_ENCODE_ANY) < 0 && !out->failed)
        out->failed = -EINVAL;
    return out->failed;
}

void aw_sio_json_quote(struct aw_growing *out, const char *text, size_t n)
{
    aw_growing_addc(out, '"');
    for (const char *end = text + n; text < end; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            aw_growing_addc(out, '\\');
            aw_growing_addc(out, *text);
        } else if (c < 0x20) {
            static const char hex[] = "0123456789abcdef";
            char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            aw_growing_add(out, escape, sizeof escape);
        } else {
            aw_growing_addc(out, *text);
        }
    }
    aw_growing_addc(out, '"');
}

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

void aw_sio_json_unref(json_t *value)
{
    json_decref(value);
}

json_t *aw_sio_json_ref(json_t *value)
{
    return json_incref(value);
}

bool aw_sio_json_is_array(const json_t *value)
{
    return json_is_array(value);
}

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

const json_t *aw_sio_json_at(const json_t *array, size_t i)
{
    return json_array_get(array, i);
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
