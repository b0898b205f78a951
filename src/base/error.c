/*
 * error.c - the names and texts of error codes.
 *
 * Two constant tables, and no function of the C library: strerror() may write to a buffer that
 * other threads share.  A code is looked up, never computed, so that every thread gets the same
 * text at the same address for the life of the process.
 */
#include "await/error.h"

#include <stddef.h>

#include "base/errnos.h"

struct entry {
    int code;
    const char *name, *text;
};

/* By errno; numbers that are not in use have no name. */
static const struct entry errnos[] = {
#define ERRNO_ENTRY(code, text) [code] = {-code, "-" #code, text},
    AW_ERRNO_TABLE(ERRNO_ENTRY)
#undef ERRNO_ENTRY
};

static const struct entry own[] = {
#define OWN_ENTRY(name, number, text) {number, #name, text},
    AW_ERROR_TABLE(OWN_ENTRY)
#undef OWN_ENTRY
};

static const struct entry unknown = {0, "unknown", "unknown error"};
static const struct entry success = {0, "0", "success"};

static const struct entry *look_up(int code)
{
    const int count = (int)(sizeof errnos / sizeof *errnos);
    if (code == 0)
        return &success;
    if (code < 0 && code > -count)
        return errnos[-code].name ? &errnos[-code] : &unknown;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i].code == code)
            return &own[i];
    return &unknown;
}

const char *aw_strerror(int code)
{
    return look_up(code)->text;
}

const char *aw_error_name(int code)
{
    return look_up(code)->name;
}
