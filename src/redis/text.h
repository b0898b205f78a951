/*
 * text.h - JSON's strings.
 */
#ifndef AW_REDIS_TEXT_H
#define AW_REDIS_TEXT_H

#include "text/growing.h"

/* A string as JSON, quoted.  What is no UTF-8 fails with -EILSEQ. */
void rd_text_quote(struct aw_growing *t, const char *text, size_t n);

#endif
