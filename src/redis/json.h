/*
 * json.h - JSON, by jansson: the one place of this folder that knows of it.
 *
 * Texts come from elsewhere, so their depth is looked at before they are parsed, which recurses.
 */
#ifndef AW_REDIS_JSON_H
#define AW_REDIS_JSON_H

#include "await/socketio.h"
#include "redis/text.h"

struct json_t;

enum { RD_JSON_DEPTH = 64 };

/* A text, whole: 0; -EBADMSG; AW_ELIMIT: too deep; -ENOMEM. */
int rd_json_parse(struct json_t **ret, const char *text, size_t n);
void rd_json_unref(struct json_t *value);

/* What is in it; all take NULL, and answer NULL, false or 0 for what is of another kind. */
const struct json_t *rd_json_get(const struct json_t *object, const char *key);
const struct json_t *rd_json_at(const struct json_t *array, size_t i);
size_t rd_json_size(const struct json_t *array);
/* No string with a zero in it. */
const char *rd_json_string(const struct json_t *value);
bool rd_json_integer(const struct json_t *value, int64_t *ret);
bool rd_json_true(const struct json_t *value);
bool rd_json_is_array(const struct json_t *value);

/* As text, compact. */
void rd_json_write(struct aw_growing *out, const struct json_t *value);

/* As msgpack; placeholders become the bytes that they stand for.  What is wrong, out->failed. */
void rd_json_pack(struct aw_growing *out, const struct json_t *value,
                  const aw_sio_bytes *attachments, size_t n);

#endif
