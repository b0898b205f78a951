/*
 * queues.c - the operations on queues: made, found, described, emptied, removed.
 */
#include <stdio.h>
#include <string.h>

#include "sqs/sqs.h"

/* Pairs as an object of strings. */
static int write_pairs(struct aw_sqs_call *q, const char *name, const char *const *pairs)
{
    if (!pairs || !pairs[0])
        return 0;
    aw_sqs_text_name(&q->body, name);
    aw_growing_adds(&q->body, "{");
    for (; pairs[0]; pairs += 2) {
        if (!pairs[1])
            return aw_sqs_refuse(q, -EINVAL, "a name without a value");
        AW_TRY(aw_sqs_check_text(q, pairs[0], pairs[0], strlen(pairs[0])));
        AW_TRY(aw_sqs_check_text(q, pairs[0], pairs[1], strlen(pairs[1])));
        aw_sqs_text_member(&q->body, pairs[0], pairs[1]);
    }
    aw_growing_adds(&q->body, "}");
    return 0;
}

/* ---- those that answer with a URL ---- */

static int has_url(const struct aw_sqs_json *reply, void *arg)
{
    (void)arg;
    return *aw_sqs_json_text(reply, "QueueUrl") ? 0 : -EBADMSG;
}

static int begin_named(struct aw_sqs_call *q, const char *operation, const aw_sqs_queue_opts *o)
{
    aw_sqs_call_begin(q, operation, NULL);
    q->queue = o->name;
    q->error = o->error;
    q->check = has_url;
    if (!o->name || !*o->name || (!o->buf && o->size))
        return aw_sqs_refuse(q, -EINVAL, "no name, or no room for the URL");
    AW_TRY(aw_sqs_check_text(q, "the name", o->name, strlen(o->name)));
    aw_sqs_text_member(&q->body, "QueueName", o->name);
    return 0;
}

static int ask_url(struct aw_sqs_call *q, const aw_sqs_queue_opts *o)
{
    AW_TRY(aw_sqs_call(o->sqs, q));
    return snprintf(o->buf, o->size, "%s", aw_sqs_json_text(q->reply, "QueueUrl"));
}

int aw_sqs_create_queue_(const aw_sqs_queue_opts *o)
{
    struct aw_sqs_call q = {0};
    int err = o ? begin_named(&q, "CreateQueue", o) : -EINVAL;
    if (err >= 0)
        err = write_pairs(&q, "Attributes", o->attributes);
    if (err >= 0)
        err = write_pairs(&q, "tags", o->tags);
    if (err >= 0)
        err = ask_url(&q, o);
    aw_sqs_call_end(&q);
    return err;
}

int aw_sqs_get_queue_url_(const aw_sqs_queue_opts *o)
{
    struct aw_sqs_call q = {0};
    int err = o ? begin_named(&q, "GetQueueUrl", o) : -EINVAL;
    if (err >= 0) {
        aw_sqs_text_member(&q.body, "QueueOwnerAWSAccountId", o->owner);
        err = ask_url(&q, o);
    }
    aw_sqs_call_end(&q);
    return err;
}

/* ---- those that answer with nothing ---- */

static int plain(aw_sqs *sqs, const char *operation, const char *queue, aw_sqs_error *error)
{
    struct aw_sqs_call q = {.error = error};
    int err = aw_sqs_begin(&q, operation, queue);
    if (err >= 0)
        err = aw_sqs_call(sqs, &q);
    aw_sqs_call_end(&q);
    return err;
}

int aw_sqs_delete_queue(aw_sqs *sqs, const char *queue, aw_sqs_error *error)
{
    return plain(sqs, "DeleteQueue", queue, error);
}

int aw_sqs_purge_queue(aw_sqs *sqs, const char *queue, aw_sqs_error *error)
{
    return plain(sqs, "PurgeQueue", queue, error);
}

/* ---- attributes ---- */

static int write_names(struct aw_sqs_call *q, const char *const *names)
{
    static const char *const all[] = {"All", NULL};
    aw_sqs_text_name(&q->body, "AttributeNames");
    aw_growing_adds(&q->body, "[");
    for (const char *const *p = names ? names : all; *p; p++) {
        AW_TRY(aw_sqs_check_text(q, "a name", *p, strlen(*p)));
        if (p != (names ? names : all))
            aw_growing_adds(&q->body, ",");
        aw_json_quote(&q->body, *p, strlen(*p));
    }
    aw_growing_adds(&q->body, "]");
    return 0;
}

/* Pairs, being measured (at NULL) and then made: pointers first, texts behind them. */
struct pairs {
    const char **at;
    char *text;
    size_t n, bytes;
};

static const char *put(struct pairs *p, const char *s)
{
    size_t n = strlen(s) + 1;
    p->bytes += n;
    if (!p->at)
        return NULL;
    char *to = p->text;
    memcpy(to, s, n);
    p->text += n;
    return to;
}

static void add_pair(const char *name, const struct aw_sqs_json *v, void *arg)
{
    struct pairs *p = arg;
    const char *value = aw_sqs_json_string(v, NULL);
    const char *name_there = put(p, name), *value_there = put(p, value ? value : "");
    if (p->at) {
        p->at[p->n] = name_there;
        p->at[p->n + 1] = value_there;
    }
    p->n += 2;
}

static int make_pairs(const struct aw_sqs_json *object, const char *const **ret)
{
    struct pairs p = {0};
    aw_sqs_json_each(object, add_pair, &p);
    const char **at = aw_mem_alloc((p.n + 2) * sizeof *at + p.bytes);
    if (!at)
        return -ENOMEM;
    p = (struct pairs){.at = at, .text = (char *)(at + p.n + 2)};
    aw_sqs_json_each(object, add_pair, &p);
    at[p.n] = at[p.n + 1] = NULL;
    *ret = at;
    return 0;
}

int aw_sqs_get_attributes(aw_sqs *sqs, const char *queue, const char *const *names,
                          const char *const **ret, aw_sqs_error *error)
{
    struct aw_sqs_call q = {.error = error};
    int err = aw_sqs_begin(&q, "GetQueueAttributes", queue);
    if (err >= 0 && !ret)
        err = aw_sqs_refuse(&q, -EINVAL, "no room for the result");
    if (err >= 0)
        err = write_names(&q, names);
    if (err >= 0)
        err = aw_sqs_call(sqs, &q);
    if (err >= 0)
        err = make_pairs(aw_sqs_json_get(q.reply, "Attributes"), ret);
    aw_sqs_call_end(&q);
    return err;
}

void aw_sqs_free_pairs(const char *const *pairs)
{
    aw_mem_free((void *)(uintptr_t)pairs);
}

int aw_sqs_set_attributes(aw_sqs *sqs, const char *queue, const char *const *pairs,
                          aw_sqs_error *error)
{
    struct aw_sqs_call q = {.error = error};
    int err = aw_sqs_begin(&q, "SetQueueAttributes", queue);
    if (err >= 0 && (!pairs || !pairs[0]))
        err = aw_sqs_refuse(&q, -EINVAL, "no attributes");
    if (err >= 0)
        err = write_pairs(&q, "Attributes", pairs);
    if (err >= 0)
        err = aw_sqs_call(sqs, &q);
    aw_sqs_call_end(&q);
    return err;
}
