/*
 * sqs_against.c - the client of await/sqs.h against a server that is somebody else's: what
 * tests/scripts/sqs.py runs.
 *
 *     sqs_against operations            every operation once, looked at
 *     sqs_against signed                requests for somebody who compares their signatures
 *     sqs_against consume QUEUE N       works on N messages, and prints how often each was seen
 *     sqs_against fails                 one request, and prints what aw_errmsg() says
 *
 * Endpoint and keys come from the environment.  Exit 0: everything was as it should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "await.h"
#include "await/sqs.h"

static int wrong(int line, const char *what)
{
    fprintf(stderr, "line %d: %s: %s\n", line, what, aw_errmsg());
    return -EPROTO;
}
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return wrong(__LINE__, #cond);                                                         \
    } while (0)

/* ---- every operation ---- */

static const aw_sqs_attribute attributes[] = {
    {.name = "k", .value = "v"},
    {.name = "n", .type = "Number", .value = "1"},
    {.name = "b", .type = "Binary", .value = "\1\2", .size = 2},
};

static int one_message(aw_sqs *sqs, const char *url)
{
    static const char body[] = "h\303\251 \"quoted\" \\ \n\t\360\237\230\200";
    aw_sqs_messages *m;
    char id[64] = "";
    CHECK(aw_sqs_send(sqs, url, body, .attributes = attributes, .n_attributes = 3, .ret_id = id) ==
          0);
    CHECK(*id);
    CHECK(aw_sqs_receive(&m, sqs, url, .wait = 5, .visibility = 30) == 1);
    const aw_sqs_message *got = aw_sqs_messages_at(m, 0);
    CHECK(!strcmp(got->body, body) && got->size == sizeof body - 1);
    CHECK(!strcmp(got->id, id) && got->receives == 1 && got->sent > 1e9);
    CHECK(got->n_attributes == 3);
    CHECK(aw_sqs_change_visibility(sqs, url, got->receipt, 0, NULL) == 0);
    aw_sqs_messages_unref(m);
    CHECK(aw_sqs_receive(&m, sqs, url, .wait = 5) == 1);
    CHECK(aw_sqs_messages_at(m, 0)->receives == 2);
    CHECK(aw_sqs_delete(sqs, url, aw_sqs_messages_at(m, 0)->receipt, NULL) == 0);
    aw_sqs_messages_unref(m);
    CHECK(aw_sqs_receive(&m, sqs, url, .wait = -1) == 0);
    aw_sqs_messages_unref(m);
    return 0;
}

static int many_messages(aw_sqs *sqs, const char *url)
{
    aw_sqs_send_entry out[25] = {{0}};
    char bodies[25][16];
    for (int i = 0; i < 25; i++) {
        snprintf(bodies[i], sizeof bodies[i], "body %d", i);
        out[i].body = bodies[i];
    }
    CHECK(aw_sqs_send_batch(sqs, url, out, 25, NULL) == 0);
    CHECK(*out[24].message_id);
    int seen = 0;
    while (seen < 25) {
        aw_sqs_messages *m;
        int n = aw_sqs_receive(&m, sqs, url, .wait = 2, .visibility = 60);
        CHECK(n > 0);
        aw_sqs_entry e[10] = {{0}};
        for (int i = 0; i < n; i++) {
            e[i].receipt = aw_sqs_messages_at(m, (size_t)i)->receipt;
            e[i].visibility = 90;
        }
        CHECK(aw_sqs_change_visibility_batch(sqs, url, e, (size_t)n, NULL) == 0);
        CHECK(aw_sqs_delete_batch(sqs, url, e, (size_t)n, NULL) == 0);
        aw_sqs_messages_unref(m);
        seen += n;
    }
    return 0;
}

static int mistakes(aw_sqs *sqs, const char *url)
{
    aw_sqs_error e;
    char other[AW_SQS_URL_MAX];
    CHECK(aw_sqs_get_queue_url(sqs, "not-there", other, sizeof other, .error = &e) == -ENOENT);
    CHECK(!strcmp(e.code, "QueueDoesNotExist") && e.status == 400 && e.sender);
    CHECK(!strcmp(e.legacy, "AWS.SimpleQueueService.NonExistentQueue"));
    CHECK(strstr(aw_errmsg(), "GetQueueUrl not-there: QueueDoesNotExist"));
    CHECK(aw_sqs_change_visibility(sqs, url, "no-receipt", 5, &e) == -ESTALE);
    CHECK(!strcmp(e.code, "ReceiptHandleIsInvalid"));
    CHECK(aw_sqs_send(sqs, url, "\377", .error = &e) == -EILSEQ);
    return 0;
}

static int operations(aw_sqs *sqs)
{
    char url[AW_SQS_URL_MAX], again[AW_SQS_URL_MAX];
    CHECK(aw_sqs_create_queue(sqs, "first", url, sizeof url,
                              .attributes = (const char *const[]){"VisibilityTimeout", "45", NULL},
                              .tags = (const char *const[]){"team", "await", NULL}) > 0);
    CHECK(aw_sqs_get_queue_url(sqs, "first", again, sizeof again) == (int)strlen(url));
    CHECK(!strcmp(url, again));
    const char *const *pairs;
    const char *const names[] = {"VisibilityTimeout", NULL};
    CHECK(aw_sqs_get_attributes(sqs, url, names, &pairs, NULL) == 0);
    CHECK(!strcmp(pairs[0], "VisibilityTimeout") && !strcmp(pairs[1], "45") && !pairs[2]);
    aw_sqs_free_pairs(pairs);
    const char *const changed[] = {"VisibilityTimeout", "46", NULL};
    CHECK(aw_sqs_set_attributes(sqs, url, changed, NULL) == 0);
    CHECK(aw_sqs_get_attributes(sqs, url, NULL, &pairs, NULL) == 0);
    bool found = false;
    for (int i = 0; pairs[i]; i += 2)
        found = found || (!strcmp(pairs[i], names[0]) && !strcmp(pairs[i + 1], "46"));
    aw_sqs_free_pairs(pairs);
    CHECK(found);
    AW_TRY(one_message(sqs, url));
    AW_TRY(many_messages(sqs, url));
    AW_TRY(mistakes(sqs, url));
    CHECK(aw_sqs_send(sqs, url, "to be purged") == 0);
    CHECK(aw_sqs_purge_queue(sqs, url, NULL) == 0);
    CHECK(aw_sqs_delete_queue(sqs, url, NULL) == 0);
    CHECK(aw_sqs_get_queue_url(sqs, "first", again, sizeof again) == -ENOENT);
    return 0;
}

/* ---- for signatures ---- */

static int signed_requests(aw_sqs *sqs)
{
    static char big[1100000]; /* above 1 MiB libcurl wants to wait for a "100 Continue" */
    char url[AW_SQS_URL_MAX];
    aw_sqs_messages *m;
    memset(big, 'x', sizeof big - 1);
    AW_TRY(aw_sqs_get_queue_url(sqs, "q", url, sizeof url));
    AW_TRY(aw_sqs_send(sqs, url, "plain"));
    AW_TRY(aw_sqs_send(sqs, url, "h\303\251 \360\237\230\200 \"\\/\n", .attributes = attributes,
                       .n_attributes = 3));
    AW_TRY(aw_sqs_send(sqs, url, big, .size = 100000));
    AW_TRY(aw_sqs_send(sqs, url, big));
    AW_TRY(aw_sqs_receive(&m, sqs, url, .wait = -1));
    aw_sqs_messages_unref(m);
    AW_TRY(aw_sqs_delete(sqs, url, "a receipt/+=", NULL));
    return aw_sqs_purge_queue(sqs, url, NULL);
}

/* ---- a consumer ---- */

struct counts {
    aw_sqs_consumer *c;
    int wanted, n, twice;
    unsigned char seen[100000];
};

static int count_one(const aw_sqs_message *m, void *arg)
{
    struct counts *k = arg;
    long i = strtol(m->body, NULL, 10);
    if (i < 0 || i >= (long)sizeof k->seen)
        return -EBADMSG;
    k->twice += k->seen[i] != 0;
    k->n += !k->seen[i];
    k->seen[i] = 1;
    if (k->n == k->wanted)
        aw_ignore(aw_sqs_consumer_stop(k->c));
    return 0;
}

static int consume(aw_sqs *sqs, const char *name, int n)
{
    static struct counts k;
    char url[AW_SQS_URL_MAX];
    aw_sqs_consumer_stats s;
    const char *pollers = getenv("POLLERS");
    AW_TRY(aw_sqs_get_queue_url(sqs, name, url, sizeof url));
    k.wanted = n;
    k.c = aw_sqs_consumer_new(sqs, url, count_one, &k, .concurrency = 20, .wait = 2,
                              .pollers = pollers ? (unsigned)strtoul(pollers, NULL, 10) : 0);
    double began = aw_time();
    int err = aw_sqs_consumer_run(k.c);
    double took = aw_time() - began;
    aw_ignore(aw_sqs_consumer_stats_of(k.c, &s));
    printf("seen %d twice %d deleted %d polls %d seconds %.3f\n", k.n, k.twice, (int)s.deleted,
           (int)s.polls, took);
    aw_sqs_consumer_unref(k.c);
    return err;
}

/* ---- what fails ---- */

static int fails(aw_sqs *sqs)
{
    char url[AW_SQS_URL_MAX];
    int err = aw_sqs_get_queue_url(sqs, "q", url, sizeof url);
    printf("%s: %s\n", aw_error_name(err), aw_errmsg());
    return 0;
}

struct arguments {
    int argc;
    char **argv;
};

static int run(void *arg)
{
    struct arguments *a = arg;
    const char *what = a->argc > 1 ? a->argv[1] : "";
    aw_sqs *sqs = aw_sqs_new(NULL);
    int err = !sqs                          ? aw_errno()
              : !strcmp(what, "operations") ? operations(sqs)
              : !strcmp(what, "signed")     ? signed_requests(sqs)
              : !strcmp(what, "fails")      ? fails(sqs)
              : !strcmp(what, "consume") && a->argc > 3
                  ? consume(sqs, a->argv[2], (int)strtol(a->argv[3], NULL, 10))
                  : -EINVAL;
    aw_sqs_unref(sqs);
    if (err < 0)
        fprintf(stderr, "%s: %s\n", aw_error_name(err), aw_errmsg());
    return err;
}

int main(int argc, char **argv)
{
    struct arguments a = {argc, argv};
    return aw_run(run, &a) < 0;
}
