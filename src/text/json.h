/*
 * json.h - JSON, by jansson: texts are parsed, values are written, strings are quoted.
 *
 * Texts come from strangers, so their depth is looked at before they are parsed, which recurses;
 * and values come from programs, so theirs is looked at before they are written, which recurses
 * too, and would not end for a value that contains itself.
 */
#ifndef AW_TEXT_JSON_H
#define AW_TEXT_JSON_H

#include "text/growing.h"

struct json_t;

enum { AW_JSON_WHY = 128 };

/* A text, whole: what it says.  0; -EBADMSG; AW_ELIMIT: an array or object is deeper than `depth`,
 * the outermost counting as 1; -ENOMEM.  What is wrong is told in `why`, unless that is NULL. */
int aw_json_parse(struct json_t **ret, const char *text, size_t n, unsigned depth,
                  char why[AW_JSON_WHY]);

/* A value as compact text, keys in the order they were set.  0; AW_ELIMIT, -ENOMEM; -EINVAL for
 * what has no text.  `out` is then failed. */
int aw_json_write(struct aw_growing *out, const struct json_t *value, unsigned depth);

/* A string, quoted.  What is no UTF-8 fails with -EILSEQ. */
void aw_json_quote(struct aw_growing *out, const char *text, size_t n);

void aw_json_unref(struct json_t *value);
bool aw_json_is_array(const struct json_t *value);

/* The i-th element of an array, NULL: there is none. */
const struct json_t *aw_json_at(const struct json_t *array, size_t i);

#endif
