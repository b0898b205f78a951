/*
 * text.h - JSON as it is written here, and secrets.
 */
#ifndef AW_SQS_TEXT_H
#define AW_SQS_TEXT_H

#include "text/growing.h"
#include "text/words.h"

/* A binary value as a JSON string in base64. */
void aw_sqs_text_base64(struct aw_growing *t, const void *data, size_t n);

/* A member of an object, with the comma before it unless it is the first: a string, if there is
 * one; a number. */
void aw_sqs_text_member(struct aw_growing *t, const char *name, const char *value);
void aw_sqs_text_number(struct aw_growing *t, const char *name, long long value);

/* Begin a member whose value is written next. */
void aw_sqs_text_name(struct aw_growing *t, const char *name);

/* Overwrites a secret, and frees it. */
void aw_sqs_forget(char *text);

#endif
