/*
 * date.c - the forms in which the service has dates: see date.h.
 */
#include <stdio.h>

#include "sqs/date.h"
#include "text/date.h"

void aw_sqs_date_write(double wall, char out[20])
{
    struct aw_date d;
    aw_date_of(wall > 0 && wall < 2e11 ? (int64_t)wall : 0, &d);
    snprintf(out, 20, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)d.year % 10000,
             (unsigned)d.month % 100, (unsigned)d.day % 100, (unsigned)d.hour % 100,
             (unsigned)d.minute % 100, (unsigned)d.second % 100);
}

double aw_sqs_date_iso(const char *text)
{
    int year;
    struct aw_date d;
    if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &d.month, &d.day, &d.hour,
                        &d.minute, &d.second) != 6)
        return -1;
    d.year = year;
    return (double)aw_date_seconds(&d);
}
