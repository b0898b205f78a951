/*
 * json.h - the values of JSON that packets carry, and the placeholders in them.
 */
#ifndef AW_SIO_JSON_H
#define AW_SIO_JSON_H

#include "text/json.h"

/* Half of a surrogate pair is no character, and what JavaScript writes as "\\ud83d" would be no
 * JSON: make it U+FFFD, in place, as WebSocket does with texts. */
void aw_sio_json_mend(char *text, size_t n);

bool aw_sio_json_is_object(const struct json_t *value);

/* The string that is the first element (NULL: it is none), and take that one out of the array. */
const char *aw_sio_json_first(const struct json_t *array, size_t *ret_len);
int aw_sio_json_drop_first(struct json_t *array);

/* The i-th element if it is a string without a zero, NULL: it is not; if it is a number. */
const char *aw_sio_json_string(const struct json_t *array, size_t i);
bool aw_sio_json_number(const struct json_t *array, size_t i, double *ret);

/* Are all placeholders of a value for one of n attachments, and is each attachment named by at
 * least one?  0, -EBADMSG.  n <= 64. */
int aw_sio_json_placeholders(const struct json_t *value, unsigned n);

/* The number in a placeholder, or -1 for what is none. */
int aw_sio_json_placeholder(const struct json_t *value);

#endif
