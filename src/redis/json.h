/*
 * json.h - the values of JSON that other servers send, and what is made of them.
 */
#ifndef AW_REDIS_JSON_H
#define AW_REDIS_JSON_H

#include "await/socketio.h"
#include "text/json.h"

enum { RD_JSON_DEPTH = 64 };

/* What is in it; all take NULL, and answer NULL, false or 0 for what is of another kind. */
const struct json_t *rd_json_get(const struct json_t *object, const char *key);
size_t rd_json_size(const struct json_t *array);
/* No string with a zero in it. */
const char *rd_json_string(const struct json_t *value);
/* Those of an array, which has room for all of it: how many; others are left out. */
size_t rd_json_strings(const struct json_t *array, const char **to);
bool rd_json_integer(const struct json_t *value, int64_t *ret);
bool rd_json_true(const struct json_t *value);

/* As msgpack; placeholders become the bytes that they stand for.  What is wrong, out->failed. */
void rd_json_pack(struct aw_growing *out, const struct json_t *value,
                  const aw_sio_bytes *attachments, size_t n);

#endif
