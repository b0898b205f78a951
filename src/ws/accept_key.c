/*
 * accept_key.c - the key of a handshake and its answer; tokens and lists of them.
 */
#include <string.h>

#include "text/base64.h"
#include "ws/text.h"

bool ws_key_check(const char *key, size_t n)
{
    uint8_t bytes[WS_KEY_SIZE];
    return n == WS_KEY_SIZE && aw_base64_decode(bytes, key, n) == 16;
}

void ws_key_answer(const char *key, char ret[WS_ACCEPT_SIZE + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WS_KEY_SIZE + sizeof guid];
    uint8_t digest[WS_SHA1_SIZE];
    memcpy(text, key, WS_KEY_SIZE);
    memcpy(text + WS_KEY_SIZE, guid, sizeof guid);
    ws_sha1(text, sizeof text - 1, digest);
    aw_base64_encode(ret, digest, sizeof digest);
    ret[WS_ACCEPT_SIZE] = '\0';
}

void ws_key_make(const uint8_t bytes[16], char ret[WS_KEY_SIZE + 1])
{
    aw_base64_encode(ret, bytes, 16);
    ret[WS_KEY_SIZE] = '\0';
}

bool ws_is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] >= 127 || strchr("\"(),/:;<=>?@[\\]{}", s[i]))
            return false;
    return n > 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool ws_same_word(const char *a, size_t n, const char *b)
{
    for (size_t i = 0; i < n; i++)
        if (!b[i] || lower(a[i]) != lower(b[i]))
            return false;
    return b[n] == '\0';
}

/* The next of "a, b, c", without what is around it; false at the end. */
static bool next_item(const char **at, const char *end, const char **ret, size_t *ret_n)
{
    if (*at >= end)
        return false;
    const char *begin = *at, *comma = memchr(begin, ',', (size_t)(end - begin));
    const char *stop = comma ? comma : end;
    *at = stop + 1;
    while (begin < stop && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (stop > begin && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    *ret = begin;
    *ret_n = (size_t)(stop - begin);
    return true;
}

bool ws_list_has(const char *list, size_t n, const char *token)
{
    const char *at = list, *item;
    size_t size;
    while (next_item(&at, list + n, &item, &size))
        if (ws_same_word(item, size, token))
            return true;
    return false;
}

bool ws_list_names(const char *list, size_t n, const char *name)
{
    const char *at = list, *item;
    size_t size;
    while (next_item(&at, list + n, &item, &size))
        if (size == strlen(name) && !memcmp(item, name, size))
            return true;
    return false;
}
