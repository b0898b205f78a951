/*
 * date.h - dates as the service writes and wants them, from and to seconds since 1970; besides
 * HTTP's, for which see text/date.h.
 */
#ifndef AW_SQS_DATE_H
#define AW_SQS_DATE_H

#include "base/base.h"

/* "20261121T094100Z", as requests are dated. */
void aw_sqs_date_write(double wall, char out[20]);

/* "2026-11-21T09:31:44Z", with a fraction or not, as keys expire; -1 if it is none. */
double aw_sqs_date_iso(const char *text);

#endif
