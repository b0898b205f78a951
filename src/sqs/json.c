/*
 * json.c - the adapter to jansson: see json.h.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "sqs/json.h"

enum { DEPTH = 32 }; /* what the service answers has five */

/* The handles of json.h are jansson's, by another name. */
static json_t *value(const struct aw_sqs_json *v)
{
    return (json_t *)(uintptr_t)v;
}

static struct aw_sqs_json *handle(json_t *v)
{
    return (struct aw_sqs_json *)v;
}

static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i])
            return false;
    return true;
}

int aw_sqs_json_parse(const char *text, size_t n, struct aw_sqs_json **ret, char why[AW_JSON_WHY])
{
    json_t *v = NULL;
    bool blank = is_blank(text, n);
    int err = aw_json_parse(&v, blank ? "{}" : text, blank ? 2 : n, DEPTH, why);
    if (err == 0 && !json_is_object(v)) {
        snprintf(why, AW_JSON_WHY, "it is no object");
        json_decref(v);
        err = -EBADMSG;
    }
    if (err == 0)
        *ret = handle(v);
    return err == AW_ELIMIT ? -EBADMSG : err;
}

void aw_sqs_json_free(struct aw_sqs_json *document)
{
    json_decref(value(document));
}

const struct aw_sqs_json *aw_sqs_json_get(const struct aw_sqs_json *object, const char *name)
{
    return handle(json_object_get(value(object), name));
}

const char *aw_sqs_json_string(const struct aw_sqs_json *v, size_t *ret_size)
{
    const char *s = json_string_value(value(v));
    if (ret_size)
        *ret_size = json_string_length(value(v));
    return s;
}

const char *aw_sqs_json_text(const struct aw_sqs_json *object, const char *name)
{
    const char *s = aw_sqs_json_string(aw_sqs_json_get(object, name), NULL);
    return s ? s : "";
}

bool aw_sqs_json_true(const struct aw_sqs_json *v)
{
    return json_is_true(value(v));
}

bool aw_sqs_json_is_list(const struct aw_sqs_json *v)
{
    return !v || json_is_null(value(v)) || json_is_array(value(v));
}

size_t aw_sqs_json_count(const struct aw_sqs_json *v)
{
    return json_is_object(value(v)) ? json_object_size(value(v)) : json_array_size(value(v));
}

const struct aw_sqs_json *aw_sqs_json_at(const struct aw_sqs_json *array, size_t i)
{
    return handle(json_array_get(value(array), i));
}

void aw_sqs_json_each(const struct aw_sqs_json *object,
                      void (*fn)(const char *name, const struct aw_sqs_json *v, void *arg),
                      void *arg)
{
    const char *name;
    json_t *member;
    json_object_foreach(value(object), name, member) fn(name, handle(member), arg);
}
