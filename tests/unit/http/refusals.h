/*
 * refusals.h - a server's log for tests: how many refusals there were, and the line of the latest.
 */
#ifndef TESTS_HTTP_REFUSALS_H
#define TESTS_HTTP_REFUSALS_H

#include <stdio.h>

#include "await/http_server.h"

static struct {
    int n;
    char text[4096];
} told;

/* The .logger of such a server. */
static inline void take_down(const aw_http_log_entry *e, void *arg)
{
    (void)arg;
    if (!e->refused)
        return;
    told.n++;
    snprintf(told.text, sizeof told.text, "%s", e->text);
}

#endif
