/*
 * calls.c - the operations on one message: sent, received, deleted, hidden for longer.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sqs/sqs.h"

/* ---- sending ---- */

static int check_sent(const struct aw_sqs_json *reply, void *entry)
{
    return aw_sqs_take_sent(reply, entry);
}

int aw_sqs_send_(const aw_sqs_send_opts *o)
{
    if (!o)
        return -EINVAL;
    aw_sqs_send_entry e = {.body = o->body,
                           .size = o->size,
                           .delay = o->delay,
                           .attributes = o->attributes,
                           .n_attributes = o->n_attributes,
                           .group = o->group,
                           .dedup = o->dedup,
                           .trace = o->trace};
    struct aw_sqs_call q = {.error = o->error, .check = check_sent, .arg = &e};
    int err = aw_sqs_begin(&q, "SendMessage", o->queue);
    if (err >= 0)
        err = aw_sqs_check_message(&q, &e);
    if (err >= 0) {
        aw_sqs_write_message(&q, &e);
        err = aw_sqs_call(o->sqs, &q);
    }
    if (err >= 0 && o->ret_id)
        snprintf(o->ret_id, sizeof e.message_id, "%s", e.message_id);
    aw_sqs_call_end(&q);
    return err;
}

/* ---- receiving ---- */

static int take_messages(const struct aw_sqs_json *reply, void *arg)
{
    return aw_sqs_messages_make(reply, arg);
}

static int check_receive(const struct aw_sqs_call *q, const aw_sqs_receive_opts *o)
{
    if (!o->ret)
        return aw_sqs_refuse(q, -EINVAL, "no room for the messages");
    if (o->max > 10 || isnan(o->wait) || o->wait > 20)
        return aw_sqs_refuse(q, -EINVAL, "more than 10 messages, or a wait of more than 20 s");
    if (aw_sqs_seconds(o->visibility) < 0)
        return aw_sqs_refuse(q, -EINVAL, "a visibility below zero, or that is no number");
    return 0;
}

static void write_receive(struct aw_sqs_call *q, const aw_sqs_receive_opts *o)
{
    struct aw_growing *t = &q->body;
    q->wait = o->wait > 0 ? o->wait : o->wait < 0 ? 0 : 20;
    aw_sqs_text_number(t, "MaxNumberOfMessages", o->max ? o->max : 10);
    aw_sqs_text_number(t, "WaitTimeSeconds", aw_sqs_seconds(q->wait));
    if (o->visibility > 0)
        aw_sqs_text_number(t, "VisibilityTimeout", aw_sqs_seconds(o->visibility));
    /* The older of two names for the same, which everything that speaks the protocol knows. */
    aw_growing_adds(t, ",\"AttributeNames\":[\"All\"],\"MessageAttributeNames\":[\"All\"]");
    aw_sqs_text_member(t, "ReceiveRequestAttemptId", o->attempt_id);
}

int aw_sqs_receive_(const aw_sqs_receive_opts *o)
{
    if (!o)
        return -EINVAL;
    aw_sqs_messages *m = NULL;
    struct aw_sqs_call q = {.error = o->error, .takes = true, .check = take_messages, .arg = &m};
    if (o->ret)
        *o->ret = NULL;
    int err = aw_sqs_begin(&q, "ReceiveMessage", o->queue);
    if (err >= 0)
        err = check_receive(&q, o);
    if (err >= 0) {
        write_receive(&q, o);
        err = aw_sqs_call(o->sqs, &q);
    }
    if (err >= 0) {
        m->reply = q.reply;
        q.reply = NULL;
        *o->ret = m;
        err = (int)m->n;
    }
    aw_sqs_call_end(&q);
    return err;
}

/* ---- done with, or not yet ---- */

static int begin_receipt(struct aw_sqs_call *q, const char *operation, const char *queue,
                         const char *receipt)
{
    AW_TRY(aw_sqs_begin(q, operation, queue));
    if (!receipt || !*receipt)
        return aw_sqs_refuse(q, -EINVAL, "no receipt");
    AW_TRY(aw_sqs_check_text(q, "the receipt", receipt, strlen(receipt)));
    aw_sqs_text_member(&q->body, "ReceiptHandle", receipt);
    return 0;
}

int aw_sqs_delete(aw_sqs *sqs, const char *queue, const char *receipt, aw_sqs_error *error)
{
    struct aw_sqs_call q = {.error = error};
    int err = begin_receipt(&q, "DeleteMessage", queue, receipt);
    if (err >= 0)
        err = aw_sqs_call(sqs, &q);
    aw_sqs_call_end(&q);
    return err;
}

int aw_sqs_change_visibility(aw_sqs *sqs, const char *queue, const char *receipt, double seconds,
                             aw_sqs_error *error)
{
    struct aw_sqs_call q = {.error = error};
    int err = begin_receipt(&q, "ChangeMessageVisibility", queue, receipt);
    if (err >= 0 && aw_sqs_seconds(seconds) < 0)
        err = aw_sqs_refuse(&q, -EINVAL, "a visibility below zero, or that is no number");
    if (err >= 0) {
        aw_sqs_text_number(&q.body, "VisibilityTimeout", aw_sqs_seconds(seconds));
        err = aw_sqs_call(sqs, &q);
    }
    aw_sqs_call_end(&q);
    return err;
}
