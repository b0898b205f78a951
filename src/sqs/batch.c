/*
 * batch.c - operations on many messages: ten to a request, and each has an outcome of its own.
 *
 * What differs between the three kinds is a table of functions.  A request's entries are numbered
 * by their place in it, so the answer's ids are looked up without a search.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqs/sqs.h"

enum { ENTRIES_MAX = 10, BYTES_MAX = 256 << 10 };

/* Results while an entry has none. */
enum { UNSETTLED = 1 };

struct kind {
    const char *operation;
    size_t size; /* of an entry */
    int (*check)(const struct aw_sqs_call *q, const void *entry);
    void (*write)(struct aw_sqs_call *q, const void *entry);
    int (*succeeded)(void *entry, const struct aw_sqs_json *said); /* 0, -EBADMSG */
    void (*settle)(void *entry, int result, const char *code);
    int (*result)(const void *entry);
    size_t (*weight)(const void *entry); /* bytes, as the service counts them */
};

struct batch {
    const struct kind *kind;
    aw_sqs *sqs;
    const char *queue;
    aw_sqs_error first; /* failure */
    char *entries;
    size_t n;

    void *chunk[ENTRIES_MAX]; /* of the present request */
    size_t in_chunk;
    bool again, throttled;
};

/* ---- the kinds ---- */

static int check_send(const struct aw_sqs_call *q, const void *entry)
{
    return aw_sqs_check_message(q, entry);
}

static void write_send(struct aw_sqs_call *q, const void *entry)
{
    aw_sqs_write_message(q, entry);
}

static int take_send(void *entry, const struct aw_sqs_json *said)
{
    return aw_sqs_take_sent(said, entry);
}

static void settle_send(void *entry, int result, const char *code)
{
    aw_sqs_send_entry *e = entry;
    e->result = result;
    snprintf(e->code, sizeof e->code, "%s", code);
}

static int result_of_send(const void *entry)
{
    return ((const aw_sqs_send_entry *)entry)->result;
}

static size_t weight_of_send(const void *entry)
{
    const aw_sqs_send_entry *e = entry;
    size_t n = aw_sqs_body_size(e);
    for (size_t i = 0; i < e->n_attributes; i++) {
        const aw_sqs_attribute *a = &e->attributes[i];
        n += strlen(a->name) + strlen(a->type ? a->type : "String");
        n += a->size ? a->size : strlen(a->value);
    }
    return n;
}

static int check_receipt(const struct aw_sqs_call *q, const void *entry)
{
    const aw_sqs_entry *e = entry;
    if (!e->receipt || !*e->receipt || aw_sqs_seconds(e->visibility) < 0)
        return aw_sqs_refuse(q, -EINVAL, "no receipt, or a visibility that is none");
    return aw_sqs_check_text(q, "the receipt", e->receipt, strlen(e->receipt));
}

static void write_receipt(struct aw_sqs_call *q, const void *entry)
{
    aw_sqs_text_member(&q->body, "ReceiptHandle", ((const aw_sqs_entry *)entry)->receipt);
}

static void write_visibility(struct aw_sqs_call *q, const void *entry)
{
    write_receipt(q, entry);
    aw_sqs_text_number(&q->body, "VisibilityTimeout",
                       aw_sqs_seconds(((const aw_sqs_entry *)entry)->visibility));
}

static int take_receipt(void *entry, const struct aw_sqs_json *said)
{
    (void)entry;
    (void)said;
    return 0;
}

static void settle_receipt(void *entry, int result, const char *code)
{
    aw_sqs_entry *e = entry;
    e->result = result;
    snprintf(e->code, sizeof e->code, "%s", code);
}

static int result_of_receipt(const void *entry)
{
    return ((const aw_sqs_entry *)entry)->result;
}

static size_t weight_of_receipt(const void *entry)
{
    (void)entry;
    return 0;
}

static const struct kind sending = {"SendMessageBatch", sizeof(aw_sqs_send_entry),
                                    check_send,         write_send,
                                    take_send,          settle_send,
                                    result_of_send,     weight_of_send};
static const struct kind deleting = {"DeleteMessageBatch", sizeof(aw_sqs_entry), check_receipt,
                                     write_receipt,        take_receipt,         settle_receipt,
                                     result_of_receipt,    weight_of_receipt};
static const struct kind hiding = {"ChangeMessageVisibilityBatch",
                                   sizeof(aw_sqs_entry),
                                   check_receipt,
                                   write_visibility,
                                   take_receipt,
                                   settle_receipt,
                                   result_of_receipt,
                                   weight_of_receipt};

/* ---- a request ---- */

static void write_chunk(struct batch *b, struct aw_sqs_call *q)
{
    aw_sqs_text_name(&q->body, "Entries");
    aw_growing_adds(&q->body, "[");
    for (size_t i = 0; i < b->in_chunk; i++) {
        const char id[] = {(char)('0' + i), 0};
        aw_growing_adds(&q->body, i ? ",{" : "{");
        aw_sqs_text_member(&q->body, "Id", id);
        b->kind->write(q, b->chunk[i]);
        aw_growing_adds(&q->body, "}");
    }
    aw_growing_adds(&q->body, "]");
}

/* The entry that this part of the answer is about; NULL if there is none, or it was told before. */
static void *entry_of(const struct batch *b, const struct aw_sqs_json *said)
{
    const char *id = aw_sqs_json_text(said, "Id");
    size_t i = id[0] >= '0' && id[0] <= '9' && !id[1] ? (size_t)(id[0] - '0') : ENTRIES_MAX;
    return i < b->in_chunk && b->kind->result(b->chunk[i]) == UNSETTLED ? b->chunk[i] : NULL;
}

static void read_failed(struct batch *b, const struct aw_sqs_json *said)
{
    void *entry = entry_of(b, said);
    const char *code = aw_sqs_json_text(said, "Code");
    bool sender = aw_sqs_json_true(aw_sqs_json_get(said, "SenderFault"));
    bool throttled = aw_sqs_is_throttled(code, 0);
    if (!entry)
        return;
    b->kind->settle(entry, aw_sqs_error_meaning(code, sender ? 400 : 500), code);
    b->again = b->again || throttled || !sender;
    b->throttled = b->throttled || throttled;
    if (!*b->first.code) {
        snprintf(b->first.code, sizeof b->first.code, "%s", code);
        snprintf(b->first.message, sizeof b->first.message, "%s",
                 aw_sqs_json_text(said, "Message"));
        b->first.sender = sender;
    }
}

static void read_answer(struct batch *b, const struct aw_sqs_json *reply)
{
    const struct aw_sqs_json *good = aw_sqs_json_get(reply, "Successful");
    const struct aw_sqs_json *bad = aw_sqs_json_get(reply, "Failed");
    for (size_t i = 0; i < b->in_chunk; i++)
        b->kind->settle(b->chunk[i], UNSETTLED, "");
    for (size_t i = 0; i < aw_sqs_json_count(good); i++) {
        void *entry = entry_of(b, aw_sqs_json_at(good, i));
        if (entry)
            b->kind->settle(entry, b->kind->succeeded(entry, aw_sqs_json_at(good, i)), "");
    }
    for (size_t i = 0; i < aw_sqs_json_count(bad); i++)
        read_failed(b, aw_sqs_json_at(bad, i));
    for (size_t i = 0; i < b->in_chunk; i++)
        if (b->kind->result(b->chunk[i]) == UNSETTLED)
            b->kind->settle(b->chunk[i], -EBADMSG, "");
    for (size_t i = 0; i < b->in_chunk; i++)
        b->again = b->again || b->kind->result(b->chunk[i]) == -EBADMSG;
}

static int send_chunk(struct batch *b)
{
    aw_sqs_error e;
    struct aw_sqs_call q = {.error = &e};
    aw_sqs_call_begin(&q, b->kind->operation, b->queue);
    write_chunk(b, &q);
    b->again = b->throttled = false;
    int err = aw_sqs_call(b->sqs, &q);
    if (err >= 0)
        read_answer(b, q.reply);
    else if (!*b->first.code)
        b->first = e;
    for (size_t i = 0; i < b->in_chunk && err < 0; i++)
        b->kind->settle(b->chunk[i], err, e.code);
    aw_sqs_call_end(&q);
    return err;
}

static bool may_go_better(int result)
{
    return result == -EREMOTEIO || result == -EBUSY || result == -EBADMSG;
}

/* Only what may go better the next time stays. */
static void thin_out(struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->in_chunk; i++)
        if (may_go_better(b->kind->result(b->chunk[i])))
            b->chunk[n++] = b->chunk[i];
    b->in_chunk = n;
}

static int run_chunk(struct batch *b)
{
    int err = 0;
    for (int attempt = 1; b->in_chunk > 0;) {
        AW_TRY(send_chunk(b));
        if (!b->again)
            break;
        thin_out(b);
        if (b->in_chunk == 0 || !aw_sqs_again(b->sqs, ++attempt, b->throttled, &err))
            break;
    }
    return err;
}

/* ---- all of them ---- */

static int run_all(struct batch *b, const struct aw_sqs_call *q)
{
    size_t weight = 0;
    for (size_t i = 0; i < b->n; i++) {
        void *entry = b->entries + i * b->kind->size;
        int err = b->kind->check(q, entry);
        if (err < 0) {
            b->kind->settle(entry, err, "");
            continue;
        }
        size_t own = b->kind->weight(entry);
        if (b->in_chunk == ENTRIES_MAX || (b->in_chunk > 0 && weight + own > BYTES_MAX)) {
            AW_TRY(run_chunk(b));
            b->in_chunk = weight = 0;
        }
        b->chunk[b->in_chunk++] = entry;
        weight += own;
    }
    return run_chunk(b);
}

/* The first failure, and a line on how many there are. */
static int sum_up(const struct batch *b, const struct aw_sqs_call *q)
{
    size_t failed = 0;
    int first = 0;
    char words[200];
    for (size_t i = 0; i < b->n; i++) {
        int result = b->kind->result(b->entries + i * b->kind->size);
        failed += result < 0;
        first = first ? first : result;
    }
    if (!failed)
        return 0;
    const char *code = b->first.code;
    snprintf(words, sizeof words, "%zu of %zu entries failed, the first: %s%s%.80s", failed, b->n,
             aw_strerror(first), *code ? ", " : "", code);
    return aw_sqs_refuse(q, first, words);
}

static int run(const struct kind *kind, aw_sqs *sqs, const char *queue, void *entries, size_t n,
               aw_sqs_error *error)
{
    struct aw_sqs_call q = {0};
    struct batch b = {.kind = kind, .sqs = sqs, .queue = queue, .entries = entries, .n = n};
    int err = aw_sqs_begin(&q, kind->operation, queue);
    if (err >= 0 && ((!entries && n) || !sqs))
        err = aw_sqs_refuse(&q, -EINVAL, sqs ? "no entries" : "the client is NULL");
    if (err >= 0) {
        for (size_t i = 0; i < n; i++)
            kind->settle(b.entries + i * kind->size, -ECANCELED, "");
        err = run_all(&b, &q);
    }
    if (err >= 0)
        err = sum_up(&b, &q);
    if (error)
        *error = b.first;
    aw_sqs_call_end(&q);
    return err;
}

int aw_sqs_send_batch(aw_sqs *sqs, const char *queue, aw_sqs_send_entry *entries, size_t n,
                      aw_sqs_error *error)
{
    return run(&sending, sqs, queue, entries, n, error);
}

int aw_sqs_delete_batch(aw_sqs *sqs, const char *queue, aw_sqs_entry *entries, size_t n,
                        aw_sqs_error *error)
{
    return run(&deleting, sqs, queue, entries, n, error);
}

int aw_sqs_change_visibility_batch(aw_sqs *sqs, const char *queue, aw_sqs_entry *entries, size_t n,
                                   aw_sqs_error *error)
{
    return run(&hiding, sqs, queue, entries, n, error);
}
