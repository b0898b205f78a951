/*
 * json.c - the adapter of jansson: see json.h.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "text/json.h"
#include "text/utf8.h"

/* ---- depth ---- */

/* At the end of the string that begins at `at`, or of all. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at;
}

/* One pass that only knows strings and brackets: the text need not be JSON. */
static bool is_too_deep(const char *text, size_t n, unsigned limit)
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
                return true;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        default:
            break;
        }
    return false;
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

/* ---- parsing ---- */

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

static int refuse(int err, char *why, const char *words)
{
    if (why)
        snprintf(why, AW_JSON_WHY, "%s", words);
    return err;
}

int aw_json_parse(json_t **ret, const char *text, size_t n, unsigned depth, char why[AW_JSON_WHY])
{
    if (is_too_deep(text, n, depth))
        return refuse(AW_ELIMIT, why, "it is nested too deep");
    if (n > 0 && memchr(text, '\0', n)) /* behind a number jansson does not mind one */
        return refuse(-EBADMSG, why, "there is a zero byte in it");
    json_error_t error;
    json_t *value = load(text, n, 0, &error);
    /* JavaScript writes a whole number up to 1e21 with all its digits. */
    if (!value && json_error_code(&error) == json_error_numeric_overflow)
        value = load(text, n, JSON_DECODE_INT_AS_REAL, &error);
    if (value) {
        *ret = value;
        return 0;
    }
    if (lacked_memory(&error))
        return refuse(-ENOMEM, why, "no memory");
    if (why)
        snprintf(why, AW_JSON_WHY, "%.80s at byte %d", error.text, error.position);
    return -EBADMSG;
}

/* ---- writing ---- */

static int add(const char *data, size_t n, void *out)
{
    struct aw_growing *text = out;
    aw_growing_add(text, data, n);
    return text->failed;
}

int aw_json_write(struct aw_growing *out, const json_t *value, unsigned depth)
{
    if (!within((json_t *)value, depth))
        return out->failed = AW_ELIMIT;
    if (json_dump_callback(value, add, out, JSON_COMPACT | JSON_ENCODE_ANY) < 0 && !out->failed)
        out->failed = -EINVAL;
    return out->failed;
}

static void escape(struct aw_growing *out, char c)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* each before its name */
    for (size_t i = 0; i < sizeof named - 1; i += 2)
        if (named[i] == c) {
            aw_growing_printf(out, "\\%c", named[i + 1]);
            return;
        }
    aw_growing_printf(out, "\\u%04x", (unsigned)c);
}

void aw_json_quote(struct aw_growing *out, const char *text, size_t n)
{
    size_t begin = 0; /* of what can stay as it is */
    if (!aw_utf8_whole(text, n) && !out->failed)
        out->failed = -EILSEQ;
    aw_growing_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] >= ' ' && text[i] != '"' && text[i] != '\\')
            continue;
        aw_growing_add(out, text + begin, i - begin);
        escape(out, text[i]);
        begin = i + 1;
    }
    aw_growing_add(out, text + begin, n - begin);
    aw_growing_addc(out, '"');
}

/* ---- looking at values ---- */

void aw_json_unref(json_t *value)
{
    json_decref(value);
}

bool aw_json_is_array(const json_t *value)
{
    return json_is_array(value);
}

const json_t *aw_json_at(const json_t *array, size_t i)
{
    return json_array_get(array, i);
}
