/*
 * json.c - JSON that strangers have written.
 *
 * jansson calls itself for each level, and a coroutine's stack is small: so the depth is counted
 * before anything is parsed.
 */

#include "feed/feed.h"

/* Behind the string that begins at `at`, or the end. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at;
}

static int depth(const char *at, size_t n)
{
    int now = 0, most = 0;
    for (const char *end = at + n; at < end; at++) {
        if (*at == '"')
            at = skip_string(at, end);
        else if (*at == '[' || *at == '{')
            most = ++now > most ? now : most;
        else if (*at == ']' || *at == '}')
            now--;
    }
    return most;
}

/* What a stranger wrote may be in the reason: it goes into logs and answers. */
static void clean(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

json_t *json_read(const char *text, size_t n, char why[WHY])
{
    json_error_t error;
    if (depth(text, n) > MAX_DEPTH) {
        snprintf(why, WHY, "nested more than %d deep", MAX_DEPTH);
        return NULL;
    }
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        snprintf(why, WHY, "line %d, column %d: %.100s", error.line, error.column, error.text);
        clean(why);
    }
    return value;
}

bool json_is_item(const char *text, size_t n)
{
    char why[WHY];
    json_t *value = json_read(text, n, why);
    bool fine = json_is_object(value);
    json_decref(value);
    return fine;
}
