/*
 * reader.h - replies out of bytes, by hiredis: the one place that knows of it.
 */
#ifndef AW_REDIS_READER_H
#define AW_REDIS_READER_H

#include "await/redis.h"
#include "base/base.h"

struct rd_reader {
    void *parser;  /* hiredis's; NULL: closed */
    size_t limit;  /* bytes of a reply in memory */
    size_t size;   /* of the one that is being read */
    int failed;    /* why a part of it was not made */
    char why[160]; /* words, if it has failed with -EPROTO */
};

/* 0, -ENOMEM; and the end: what has been read of a reply is freed. */
int rd_reader_open(struct rd_reader *r, size_t limit);
void rd_reader_close(struct rd_reader *r);

/* Take n bytes in, as they came. */
int rd_reader_feed(struct rd_reader *r, const char *data, size_t n);

/* The next reply that is complete, the caller's; NULL in *ret: there is none yet.  0; -EPROTO;
 * AW_ELIMIT: it is, or says that it will be, above the limit; -ENOMEM.  After an error there is
 * nothing more to be had. */
int rd_reader_next(struct rd_reader *r, aw_redis_reply **ret);

#endif
