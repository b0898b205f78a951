/*
 * date.h - dates of the Gregorian calendar in UTC, from and to seconds since 1970.
 *
 * The C library's functions for that belong to time zones and locales, or to POSIX.
 */
#ifndef AW_TEXT_DATE_H
#define AW_TEXT_DATE_H

#include "base/base.h"

struct aw_date {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int weekday; /* 0: Sunday; need not be set to be read */
};

void aw_date_of(int64_t seconds, struct aw_date *ret);

/* The other way; -1 for what is no date from 1970 to 9999. */
int64_t aw_date_seconds(const struct aw_date *d);

/* "Sun, 06 Nov 1994 08:49:37 GMT", as HTTP's fields have it: written, as that of 1970 if the year
 * has not four digits; and read, -1: it is none, or NULL. */
enum { AW_DATE_HTTP = 48 };
void aw_date_http(char text[AW_DATE_HTTP], int64_t seconds);
int64_t aw_date_of_http(const char *text);

#endif
