/*
 * reader.c - the adapter of hiredis: its protocol reader, which makes our replies.
 *
 * Elements of an array are made in the array's memory, which is there in full once its length is
 * known; whatever is not read yet is nil.  So a reply can be freed at any time, by its root.
 *
 * What the server announces is held against the limit before there is memory for it: the length
 * of a string as soon as it has come, an array's when it is made, and a line that does not end
 * when it is longer than any sensible one.
 */
#include <assert.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "await/memory.h"
#include "redis/reader.h"

enum { LINE_MAX_BYTES = 64 << 10 };

#if HIREDIS_MAJOR >= 1
typedef size_t count_type;
#define CURRENT(parser) ((parser)->task[(parser)->ridx])
#else
typedef int count_type;
#define CURRENT(parser) (&(parser)->rstack[(parser)->ridx])
#endif

/* ---- making replies ---- */

static struct rd_reader *reader_of(const redisReadTask *task)
{
    return task->privdata;
}

/* Where the object of a task is to be: as the root, or in its parent's array. */
static aw_redis_reply *place(const redisReadTask *task, enum aw_redis_type type, size_t more)
{
    struct rd_reader *r = reader_of(task);
    if (more > r->limit - r->size) {
        r->failed = AW_ELIMIT;
        return NULL;
    }
    r->size += more;
    aw_redis_reply *node;
    if (task->parent) {
        aw_redis_reply *parent = task->parent->obj;
        assert((size_t)task->idx < parent->n);
        node = &parent->elements[task->idx];
    } else {
        node = aw_mem_zalloc(sizeof *node);
        if (!node)
            r->failed = -ENOMEM;
    }
    if (node)
        node->type = type;
    return node;
}

/* A part that could not be made: the root is ours to free, hiredis has not heard of it yet. */
static void *give_up(const redisReadTask *task, aw_redis_reply *node)
{
    reader_of(task)->failed = -ENOMEM;
    node->type = AW_REDIS_NIL;
    if (!task->parent)
        aw_redis_reply_free(node);
    return NULL;
}

static void *make_string(const redisReadTask *task, char *text, size_t n)
{
    aw_redis_reply *node = place(task,
                                 task->type == REDIS_REPLY_STATUS  ? AW_REDIS_STATUS
                                 : task->type == REDIS_REPLY_ERROR ? AW_REDIS_ERROR
                                                                   : AW_REDIS_STRING,
                                 n);
    if (!node)
        return NULL;
    node->str = aw_mem_alloc(n + 1);
    if (!node->str)
        return give_up(task, node);
    if (n)
        memcpy(node->str, text, n);
    node->str[n] = '\0';
    node->len = n;
    return node;
}

static void *make_array(const redisReadTask *task, count_type count)
{
    size_t n = (size_t)count;
    struct rd_reader *r = reader_of(task);
    if (n > r->limit / sizeof(aw_redis_reply)) {
        r->failed = AW_ELIMIT;
        return NULL;
    }
    aw_redis_reply *node = place(task, AW_REDIS_ARRAY, n * sizeof *node);
    if (!node || n == 0)
        return node;
    node->elements = aw_mem_zalloc(n * sizeof *node);
    if (!node->elements)
        return give_up(task, node);
    node->n = n;
    return node;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    aw_redis_reply *node = place(task, AW_REDIS_INTEGER, 0);
    if (node)
        node->integer = value;
    return node;
}

static void *make_nil(const redisReadTask *task)
{
    return place(task, AW_REDIS_NIL, 0);
}

static void clear(aw_redis_reply *node)
{
    for (size_t i = 0; i < node->n; i++)
        clear(&node->elements[i]);
    aw_mem_free(node->elements);
    aw_mem_free(node->str);
}

void aw_redis_reply_free(aw_redis_reply *reply)
{
    if (!reply)
        return;
    clear(reply);
    aw_mem_free(reply);
}

static void free_object(void *object)
{
    aw_redis_reply_free(object);
}

#if HIREDIS_MAJOR >= 1
/* RESP3, which is never asked for: as strings and numbers. */
static void *make_double(const redisReadTask *task, double value, char *text, size_t n)
{
    (void)value;
    return make_string(task, text, n);
}

static void *make_bool(const redisReadTask *task, int value)
{
    return make_integer(task, value);
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = make_string,
    .createArray = make_array,
    .createInteger = make_integer,
    .createNil = make_nil,
    .freeObject = free_object,
#if HIREDIS_MAJOR >= 1
    .createDouble = make_double,
    .createBool = make_bool,
#endif
};

/* ---- the reader ---- */

int rd_reader_open(struct rd_reader *r, size_t limit)
{
    *r = (struct rd_reader){.limit = limit};
    redisReader *parser = redisReaderCreateWithFunctions(&functions);
    if (!parser)
        return -ENOMEM;
    parser->privdata = r;
    r->parser = parser;
    return 0;
}

void rd_reader_close(struct rd_reader *r)
{
    if (r->parser)
        redisReaderFree(r->parser);
    r->parser = NULL;
}

int rd_reader_feed(struct rd_reader *r, const char *data, size_t n)
{
    return redisReaderFeed(r->parser, data, n) == REDIS_OK ? 0 : -ENOMEM;
}

/* Is what has begun and is not complete something that may be waited for? */
static int check_unread(struct rd_reader *r)
{
    const redisReader *p = r->parser;
    size_t have = p->len - p->pos, length = 0;
    if (p->ridx < 0 || have == 0)
        return 0;
    const char *at = p->buf + p->pos;
    if (CURRENT(p)->type != REDIS_REPLY_STRING)
        return have > LINE_MAX_BYTES ? -EPROTO : 0;
    for (size_t i = 0; i < have && at[i] >= '0' && at[i] <= '9'; i++) {
        length = length * 10 + (size_t)(at[i] - '0');
        if (length > r->limit - r->size)
            return AW_ELIMIT;
    }
    return have > length + LINE_MAX_BYTES ? -EPROTO : 0;
}

int rd_reader_next(struct rd_reader *r, aw_redis_reply **ret)
{
    redisReader *p = r->parser;
    void *reply = NULL;
    *ret = NULL;
    if (redisReaderGetReply(p, &reply) != REDIS_OK) {
        if (r->failed)
            return r->failed;
        if (p->err == REDIS_ERR_OOM)
            return -ENOMEM;
        size_t n = strnlen(p->errstr, sizeof r->why - 1);
        memcpy(r->why, p->errstr, n);
        return -EPROTO;
    }
    if (reply) {
        r->size = 0;
        *ret = reply;
        return 0;
    }
    int err = check_unread(r);
    if (err == -EPROTO)
        memcpy(r->why, "a line without an end", sizeof "a line without an end");
    return err;
}
