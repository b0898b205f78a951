/*
 * text.h - bytes that grow, JSON written into them, and what texts may hold.
 *
 * Writing never fails in between: when memory runs out the text remembers it, and who uses it asks
 * once, at the end.
 */
#ifndef AW_SQS_TEXT_H
#define AW_SQS_TEXT_H

#include "base/base.h"

struct aw_sqs_text {
    char *data; /* a zero byte follows; NULL: nothing */
    size_t len, room;
    bool failed;
};

void aw_sqs_text_add(struct aw_sqs_text *t, const void *data, size_t n);
void aw_sqs_text_put(struct aw_sqs_text *t, const char *s);
void aw_sqs_text_free(struct aw_sqs_text *t);

/* A JSON string, quoted and escaped; of valid UTF-8. */
void aw_sqs_text_string(struct aw_sqs_text *t, const void *data, size_t n);

/* A binary value as a JSON string in base64. */
void aw_sqs_text_base64(struct aw_sqs_text *t, const void *data, size_t n);

/* A member of an object, with the comma before it unless it is the first: a string, if there is
 * one; a number. */
void aw_sqs_text_member(struct aw_sqs_text *t, const char *name, const char *value);
void aw_sqs_text_number(struct aw_sqs_text *t, const char *name, long long value);

/* Begin a member whose value is written next. */
void aw_sqs_text_name(struct aw_sqs_text *t, const char *name);

/* Where the first byte is that does not belong to UTF-8; -1 if there is none. */
long long aw_sqs_utf8_bad(const void *data, size_t n);

/* n bytes of base64 decoded to `out` (3/4 of n): how many; -1 if it is none. */
long long aw_sqs_base64_decode(const char *text, size_t n, unsigned char *out);

/* A copy by aw_mem_alloc(); NULL for NULL, and when there is no memory. */
char *aw_sqs_copy(const char *text);
char *aw_sqs_copy_n(const char *text, size_t n);

/* Overwrites a secret, and frees it. */
void aw_sqs_forget(char *text);

#endif
