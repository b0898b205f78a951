/*
 * accept_key.c - the key of a handshake and its answer; what lists have in them.
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

bool ws_list_has(const char *list, size_t n, const char *token)
{
    const char *at = list, *item;
    size_t size;
    while (aw_next_item(&at, list + n, &item, &size))
        if (aw_same_word(item, size, token))
            return true;
    return false;
}

bool ws_list_names(const char *list, size_t n, const char *name)
{
    const char *at = list, *item;
    size_t size;
    while (aw_next_item(&at, list + n, &item, &size))
        if (size == strlen(name) && !memcmp(item, name, size))
            return true;
    return false;
}
