/*
 * json.h - reading the service's JSON, by text/json.h.  (JSON is written by text.h.)
 *
 * Values belong to the document they are part of; a NULL is a value that is not there, and has
 * nothing in it.
 */
#ifndef AW_SQS_JSON_H
#define AW_SQS_JSON_H

#include "text/json.h"

struct aw_sqs_json;

/* A document: an object.  0; -ENOMEM; -EBADMSG, and why it is none.  Nothing but blanks is an empty
 * object. */
int aw_sqs_json_parse(const char *text, size_t n, struct aw_sqs_json **ret, char why[AW_JSON_WHY]);
void aw_sqs_json_free(struct aw_sqs_json *document);

const struct aw_sqs_json *aw_sqs_json_get(const struct aw_sqs_json *object, const char *name);

/* A string's bytes, a zero byte behind them; NULL if it is none. */
const char *aw_sqs_json_string(const struct aw_sqs_json *v, size_t *ret_size);

/* The member's string, or "". */
const char *aw_sqs_json_text(const struct aw_sqs_json *object, const char *name);
bool aw_sqs_json_true(const struct aw_sqs_json *v);

/* An array; or there is none. */
bool aw_sqs_json_is_list(const struct aw_sqs_json *v);

size_t aw_sqs_json_count(const struct aw_sqs_json *array_or_object);
const struct aw_sqs_json *aw_sqs_json_at(const struct aw_sqs_json *array, size_t i);

/* Calls fn for every member. */
void aw_sqs_json_each(const struct aw_sqs_json *object,
                      void (*fn)(const char *name, const struct aw_sqs_json *v, void *arg),
                      void *arg);

#endif
