/*
 * date.h - dates as the service writes and wants them, from and to seconds since 1970.
 */
#ifndef AW_SQS_DATE_H
#define AW_SQS_DATE_H

#include "base/base.h"

/* "20261121T094100Z", as requests are dated. */
void aw_sqs_date_write(double wall, char out[20]);

/* "Sat, 21 Nov 2026 09:31:44 GMT", as the header Date has it; -1 if it is none. */
double aw_sqs_date_http(const char *text);

/* "2026-11-21T09:31:44Z", with a fraction or not, as keys expire; -1 if it is none. */
double aw_sqs_date_iso(const char *text);

#endif
