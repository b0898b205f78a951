/*
 * curl.h - what scenarios share whose requests libcurl makes: see fetches.c.
 */
#ifndef TESTS_FAULT_CURL_H
#define TESTS_FAULT_CURL_H

#include "fault/scenarios.h"

/* What follows from a disturbance of the other side, or of libcurl. */
static inline bool is_consequence(long long err)
{
    return is_gone(err) || err == -ECONNREFUSED || err == -EPROTO || err == -ETIMEDOUT ||
           err == -EINVAL || err == -EIO;
}

/* Until what libcurl looks up in threads is over. */
void wait_for_threads(void);

#endif
