/*
 * text.c - members of JSON objects, and secrets: see text.h.
 */
#include <string.h>

#include "await/memory.h"
#include "sqs/text.h"
#include "text/base64.h"
#include "text/json.h"

/* ---- JSON ---- */

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
    aw_json_quote(t, name, strlen(name));
    aw_growing_adds(t, ":");
}

void aw_sqs_text_member(struct aw_growing *t, const char *name, const char *value)
{
    if (!value)
        return;
    aw_sqs_text_name(t, name);
    aw_json_quote(t, value, strlen(value));
}

void aw_sqs_text_number(struct aw_growing *t, const char *name, long long value)
{
    aw_sqs_text_name(t, name);
    aw_growing_printf(t, "%lld", value);
}

void aw_sqs_forget(char *text)
{
    for (volatile char *p = text; p && *p; p++)
        *p = 0;
    aw_mem_free(text);
}
