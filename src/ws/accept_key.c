/*
 * accept_key.c - the key of a handshake and its answer; tokens and lists of them.
 */
#include <string.h>

#include "ws/text.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* `ret` is a string in the end. */
static void to_base64(const uint8_t *data, size_t n, char *ret)
{
    for (; n > 0; data += 3) {
        size_t have = n < 3 ? n : 3;
        uint32_t bits = (uint32_t)data[0] << 16;
        bits |= have > 1 ? (uint32_t)data[1] << 8 : 0;
        bits |= have > 2 ? data[2] : 0;
        for (size_t i = 0; i < 4; i++)
            *ret++ = i <= have ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
        n -= have;
    }
    *ret = '\0';
}

/* 22 digits and two signs that there is nothing more; of the last digit two bits count. */
bool ws_key_check(const char *key, size_t n)
{
    if (n != WS_KEY_SIZE || memcmp(key + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!key[i] || !strchr(alphabet, key[i]))
            return false;
    return strchr("AQgw", key[21]) != NULL;
}

void ws_key_answer(const char *key, char ret[WS_ACCEPT_SIZE + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WS_KEY_SIZE + sizeof guid];
    uint8_t digest[WS_SHA1_SIZE];
    memcpy(text, key, WS_KEY_SIZE);
    memcpy(text + WS_KEY_SIZE, guid, sizeof guid);
    ws_sha1(text, sizeof text - 1, digest);
    to_base64(digest, sizeof digest, ret);
}

void ws_key_make(const uint8_t bytes[16], char ret[WS_KEY_SIZE + 1])
{
    to_base64(bytes, 16, ret);
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
