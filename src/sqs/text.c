/*
 * text.c - bytes that grow, and what is written into them: see text.h.
 */
#include <stdio.h>
#include <string.h>

#include "await/memory.h"
#include "sqs/text.h"

static bool reserve(struct aw_sqs_text *t, size_t n)
{
    if (t->failed)
        return false;
    if (t->room - t->len > n)
        return true;
    size_t room = t->room * 2 > t->len + n + 1 ? t->room * 2 : t->len + n + 1;
    room = room < 512 ? 512 : room;
    char *data = aw_mem_alloc(room);
    if (!data) {
        t->failed = true;
        return false;
    }
    if (t->len)
        memcpy(data, t->data, t->len);
    aw_mem_free(t->data);
    t->data = data;
    t->room = room;
    return true;
}

void aw_sqs_text_add(struct aw_sqs_text *t, const void *data, size_t n)
{
    if (!reserve(t, n))
        return;
    if (n)
        memcpy(t->data + t->len, data, n);
    t->len += n;
    t->data[t->len] = 0;
}

void aw_sqs_text_put(struct aw_sqs_text *t, const char *s)
{
    aw_sqs_text_add(t, s, strlen(s));
}

void aw_sqs_text_free(struct aw_sqs_text *t)
{
    aw_mem_free(t->data);
    *t = (struct aw_sqs_text){0};
}

/* ---- JSON ---- */

static void escape(struct aw_sqs_text *t, unsigned char c)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char text[8] = {'\\'};
    /* Names stand behind what they name. */
    for (size_t i = 0; i < sizeof named - 1; i += 2)
        if ((unsigned char)named[i] == c) {
            text[1] = named[i + 1];
            aw_sqs_text_add(t, text, 2);
            return;
        }
    snprintf(text, sizeof text, "\\u%04x", c);
    aw_sqs_text_add(t, text, 6);
}

void aw_sqs_text_string(struct aw_sqs_text *t, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t plain = 0;
    aw_sqs_text_add(t, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= ' ' && p[i] != '"' && p[i] != '\\')
            continue;
        aw_sqs_text_add(t, p + plain, i - plain);
        escape(t, p[i]);
        plain = i + 1;
    }
    if (n > plain)
        aw_sqs_text_add(t, p + plain, n - plain);
    aw_sqs_text_add(t, "\"", 1);
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void aw_sqs_text_base64(struct aw_sqs_text *t, const void *data, size_t n)
{
    const unsigned char *p = data;
    aw_sqs_text_add(t, "\"", 1);
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        aw_sqs_text_add(t, four, 4);
    }
    aw_sqs_text_add(t, "\"", 1);
}

long long aw_sqs_base64_decode(const char *text, size_t n, unsigned char *out)
{
    size_t made = 0;
    unsigned v = 0, bits = 0;
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        const char *at = text[i] ? strchr(digits, text[i]) : NULL;
        if (!at)
            return -1;
        v = v << 6 | (unsigned)(at - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[made++] = (unsigned char)(v >> bits);
        }
    }
    return n % 4 == 1 ? -1 : (long long)made;
}

void aw_sqs_text_name(struct aw_sqs_text *t, const char *name)
{
    char last = t->len ? t->data[t->len - 1] : '{';
    if (last != '{')
        aw_sqs_text_put(t, ",");
    aw_sqs_text_string(t, name, strlen(name));
    aw_sqs_text_put(t, ":");
}

void aw_sqs_text_member(struct aw_sqs_text *t, const char *name, const char *value)
{
    if (!value)
        return;
    aw_sqs_text_name(t, name);
    aw_sqs_text_string(t, value, strlen(value));
}

void aw_sqs_text_number(struct aw_sqs_text *t, const char *name, long long value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", value);
    aw_sqs_text_name(t, name);
    aw_sqs_text_put(t, text);
}

/* ---- UTF-8 ---- */

/* How many bytes the character at p has, of n that are there; 0 if it is none. */
static size_t character(const unsigned char *p, size_t n)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len <= 1)
        return len;
    if (len > n || p[0] > 0xf4)
        return 0;
    unsigned c = p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = c >= 0xd800 && c < 0xe000;
    return c < least[len] || c > 0x10ffff || surrogate ? 0 : len;
}

long long aw_sqs_utf8_bad(const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n;) {
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t len = character(p + i, n - i);
        if (!len)
            return (long long)i;
        i += len;
    }
    return -1;
}

/* ---- copies ---- */

char *aw_sqs_copy_n(const char *text, size_t n)
{
    char *copy = text ? aw_mem_alloc(n + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

char *aw_sqs_copy(const char *text)
{
    return text ? aw_sqs_copy_n(text, strlen(text)) : NULL;
}

void aw_sqs_forget(char *text)
{
    for (volatile char *p = text; p && *p; p++)
        *p = 0;
    aw_mem_free(text);
}
