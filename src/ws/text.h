/*
 * text.h - what the handshake is checked with: SHA-1, keys, lists.
 */
#ifndef AW_WS_TEXT_H
#define AW_WS_TEXT_H

#include "text/words.h"

/* ---- sha1.c ---- */

enum { WS_SHA1_SIZE = 20 };
void ws_sha1(const void *data, size_t n, uint8_t ret[WS_SHA1_SIZE]);

/* ---- accept_key.c ---- */

/* A key is 16 bytes in base64; what answers it is a SHA-1 in base64. */
enum { WS_KEY_SIZE = 24, WS_ACCEPT_SIZE = 28 };

/* Is it 16 bytes in base64, without another bit?  The answer to it.  And a new one, of 16 bytes. */
bool ws_key_check(const char *key, size_t n);
void ws_key_answer(const char *key, char ret[WS_ACCEPT_SIZE + 1]);
void ws_key_make(const uint8_t bytes[16], char ret[WS_KEY_SIZE + 1]);

/* Is `token` in the list "a, b, c", whatever the case of letters?  And where that matters. */
bool ws_list_has(const char *list, size_t n, const char *token);
bool ws_list_names(const char *list, size_t n, const char *name);

#endif
