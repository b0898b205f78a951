/*
 * json.h - JSON, by jansson: the one place that knows of it.
 *
 * Texts come from strangers, so their depth is looked at before they are parsed, which recurses;
 * and values come from programs, so theirs is looked at before they are written, which recurses
 * too, and would not end for a value that contains itself.
 */
#ifndef AW_SIO_JSON_H
#define AW_SIO_JSON_H

#include "base/base.h"
#include "text/growing.h"

struct json_t;

/* Is no array or object in the text deeper than `limit`?  The outermost counts as 1.  0, AW_ELIMIT.
 * It need not be JSON: one pass that only knows strings and brackets. */
int aw_sio_json_depth(const char *text, size_t n, unsigned limit);

/* A text, whole: what it says.  0; -EBADMSG; AW_ELIMIT (too deep); -ENOMEM. */
int aw_sio_json_parse(struct json_t **ret, const char *text, size_t n, unsigned depth);

/* A value as compact text, keys in the order they were set.  0; AW_ELIMIT, -ENOMEM; -EINVAL for
 * what has no text.  `out` is then failed. */
int aw_sio_json_write(struct aw_growing *out, const struct json_t *value, unsigned depth);

/* A string as JSON, quoted. */
void aw_sio_json_quote(struct aw_growing *out, const char *text, size_t n);

void aw_sio_json_unref(struct json_t *value);
struct json_t *aw_sio_json_ref(struct json_t *value);

bool aw_sio_json_is_array(const struct json_t *value);
bool aw_sio_json_is_object(const struct json_t *value);

/* The string that is the first element (NULL: it is none), and take that one out of the array. */
const char *aw_sio_json_first(const struct json_t *array, size_t *ret_len);
int aw_sio_json_drop_first(struct json_t *array);

/* The i-th element, NULL: there is none; if it is a string, NULL: it is not; if it is a number. */
const struct json_t *aw_sio_json_at(const struct json_t *array, size_t i);
const char *aw_sio_json_string(const struct json_t *array, size_t i);
bool aw_sio_json_number(const struct json_t *array, size_t i, double *ret);

/* Are all placeholders of a value for one of n attachments, and is each attachment named by at
 * least one?  0, -EBADMSG.  n <= 64. */
int aw_sio_json_placeholders(const struct json_t *value, unsigned n);

/* The number in a placeholder, or -1 for what is none. */
int aw_sio_json_placeholder(const struct json_t *value);

#endif
