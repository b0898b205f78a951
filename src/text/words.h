/*
 * words.h - small texts: copies, words and lists of HTTP's fields, %-codes.
 */
#ifndef AW_TEXT_WORDS_H
#define AW_TEXT_WORDS_H

#include "base/base.h"

/* A copy by aw_mem_alloc(), terminated; NULL for NULL, and when there is no memory. */
char *aw_copy(const char *text);
char *aw_copy_n(const char *text, size_t n);

/* Are they the same, whatever the case of ASCII letters?  The second is a string. */
bool aw_same_word(const char *a, size_t n, const char *b);

/* Is this byte one of a token of RFC 9110 (a method, a field's name)?  Is a text one, not empty? */
extern const unsigned char aw_token_char[256];
bool aw_is_token(const char *text, size_t n);

/* Does it have control characters other than tabs?  A line's end is one. */
bool aw_has_control(const char *text, size_t n);

/* The next element of a list, "a, b", without blanks around it, and *at behind it: false at the
 * end. */
bool aw_next_item(const char **at, const char *end, const char **ret, size_t *ret_n);

/* Decode the %-codes of a path, or of a query, where "+" is a blank too, in place: the length; -1
 * when it is malformed or has a zero. */
ptrdiff_t aw_percent_decode(char *text, size_t n, bool is_query);

#endif
