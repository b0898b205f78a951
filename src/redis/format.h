/*
 * format.h - commands as the bytes that are sent.
 */
#ifndef AW_REDIS_FORMAT_H
#define AW_REDIS_FORMAT_H

#include <stdarg.h>

#include "text/growing.h"

/* A command from its format, as await/redis.h has it: 0; -EINVAL with words; -ENOMEM. */
int rd_format(struct aw_growing *out, const char *format, va_list ap);

/* A command from its arguments; `lengths` may be NULL. */
int rd_format_argv(struct aw_growing *out, const char *const *argv, const size_t *lengths,
                   size_t n);

/* The same for strings, for our own. */
#define RD_FORMAT(out, ...)                                                                        \
    rd_format_argv((out), (const char *const[]){__VA_ARGS__}, NULL,                                \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* May it be sent on a connection that is shared?  AW_EMISUSE with words. */
int rd_format_check(const struct aw_growing *command);

#endif
