/*
 * text.c - members of JSON objects, and copies of texts: see text.h.
 */
#include <stdio.h>
#include <string.h>

#include "await/memory.h"
#include "sqs/text.h"
#include "text/base64.h"

/* ---- JSON ---- */

static void escape(struct aw_growing *t, unsigned char c)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char text[8] = {'\\'};
    /* Names stand behind what they name. */
    for (size_t i = 0; i < sizeof named - 1; i += 2)
        if ((unsigned char)named[i] == c) {
            text[1] = named[i + 1];
            aw_growing_add(t, text, 2);
            return;
        }
    snprintf(text, sizeof text, "\\u%04x", c);
    aw_growing_add(t, text, 6);
}

void aw_sqs_text_string(struct aw_growing *t, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t plain = 0;
    aw_growing_add(t, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= ' ' && p[i] != '"' && p[i] != '\\')
            continue;
        aw_growing_add(t, p + plain, i - plain);
        escape(t, p[i]);
        plain = i + 1;
    }
    if (n > plain)
        aw_growing_add(t, p + plain, n - plain);
    aw_growing_add(t, "\"", 1);
}

void aw_sqs_text_base64(struct aw_growing *t, const void *data, size_t n)
{
    aw_growing_adds(t, "\"");
    aw_growing_base64(t, data, n);
    aw_growing_adds(t, "\"");
}

void aw_sqs_text_name(struct aw_growing *t, const char *name)
{
    char last = t->len ? t->data[t->len - 1] : '{';
    if (last != '{')
        aw_growing_adds(t, ",");
    aw_sqs_text_string(t, name, strlen(name));
    aw_growing_adds(t, ":");
}

void aw_sqs_text_member(struct aw_growing *t, const char *name, const char *value)
{
    if (!value)
        return;
    aw_sqs_text_name(t, name);
    aw_sqs_text_string(t, value, strlen(value));
}

void aw_sqs_text_number(struct aw_growing *t, const char *name, long long value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", value);
    aw_sqs_text_name(t, name);
    aw_growing_adds(t, text);
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
