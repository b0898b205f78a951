/*
 * url.h - where a server is, taken from a URL.
 */
#ifndef AW_REDIS_URL_H
#define AW_REDIS_URL_H

#include "base/base.h"

/* The parts of a URL, all in one block of memory; NULL where there is nothing. */
struct rd_url {
    char *memory; /* to be given to aw_mem_free() */
    const char *host, *port, *path, *user, *password;
    unsigned db;
    bool secure;
};

/* 0; -EINVAL with words, -ENOMEM; then there is nothing to free. */
int rd_url_parse(struct rd_url *u, const char *url);

#endif
