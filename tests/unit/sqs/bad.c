/*
 * What goes wrong: on the way, at the service, with keys and clocks, and in what callers give.
 */
#include <time.h>

#include "sqs.h"

#define MESSAGE_OK "{\"MessageId\":\"m\"}"

static void date_header(char *buf, size_t size, double offset)
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t at = (time_t)(aw_wall_time() + offset);
    struct tm tm;
    gmtime_r(&at, &tm);
    snprintf(buf, size, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
             days + 3 * (at / 86400 % 7), tm.tm_mday, months + (size_t)tm.tm_mon * 3,
             tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- errors ---- */

TEST_IN_LOOP(sqs_error_is_told_in_one_line_and_in_parts)
{
    WITH_PLACE(p, sqs,
               answer_of("400 Bad Request",
                         "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n",
                         "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","
                         "\"message\":\"There is\\nno queue.\"}"));
    aw_sqs_error e;
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x", .error = &e), -ENOENT,
                 "sqs: SendMessage " QUEUE ": QueueDoesNotExist: There is no queue. (status 400, "
                 "request id-");
    assert_null(strchr(aw_errmsg(), '\n'));
    assert_int_equal(e.status, 400);
    assert_true(e.sender);
    assert_string_equal(e.code, "QueueDoesNotExist");
    assert_string_equal(e.legacy, "AWS.SimpleQueueService.NonExistentQueue");
    assert_string_equal(e.message, "There is no queue.");
    assert_memory_equal(e.request_id, "id-", 3);
    assert_int_equal(p.requests, 1);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_errors_have_codes)
{
    static const struct {
        const char *status, *body;
        int err;
    } known[] = {
        {"400 B", "{\"__type\":\"QueueNameExists\",\"Message\":\"m\"}", -EEXIST},
        {"400 B", "{\"__type\":\"a#ReceiptHandleIsInvalid\"}", -ESTALE},
        {"400 B", "{\"__type\":\"a#InvalidAttributeValue\"}", -EINVAL},
        {"400 B", "{\"__type\":\"a#BatchRequestTooLong\"}", -EMSGSIZE},
        {"403 F", "{\"__type\":\"a#PurgeQueueInProgress\"}", -EBUSY},
        {"403 F", "{\"__type\":\"a#InvalidClientTokenId\"}", -EACCES},
        {"403 F", "{}", -EACCES},
        {"413 L", "", -EMSGSIZE},
        {"404 N", "<html>", -EBADMSG},
        {"501 N", "", -EREMOTEIO},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        WITH_PLACE(p, sqs, answer_of(known[i].status, "", known[i].body));
        ASSERT_STATUS(aw_sqs_delete(sqs, QUEUE, "r", NULL), known[i].err);
        assert_int_equal(p.requests, 1);
        END_PLACE(p, sqs);
    }
}

TEST_IN_LOOP(sqs_error_may_be_in_a_header)
{
    WITH_PLACE(p, sqs,
               answer_of("400 Bad", "X-Amzn-ErrorType: QueueDoesNotExist:http://x/\r\n", "{}"));
    ASSERT_FAILS(aw_sqs_delete(sqs, QUEUE, "r", NULL), -ENOENT, "QueueDoesNotExist (status 400");
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_wrong_endpoint_is_guessed)
{
    WITH_PLACE(p, sqs, answer_of("404 Not Found", "", "<html>\r\nnothing here</html>"));
    ASSERT_FAILS(aw_sqs_delete(sqs, QUEUE, "r", NULL), -EBADMSG, "is the endpoint right?");
    END_PLACE(p, sqs);
}

/* ---- trying again ---- */

TEST_IN_LOOP(sqs_tries_again_what_may_pass)
{
    WITH_PLACE(p, sqs, answer_of("503 Busy", "", ""), BAD("400 Bad", "ThrottlingException"),
               GOOD(MESSAGE_OK));
    double began = aw_time();
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), 0);
    assert_int_equal(p.requests, 3);
    assert_true(aw_time() - began < 0.1 + 1 + 0.1);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_gives_up_after_its_attempts)
{
    WITH_PLACE(p, sqs, answer_of("500 Broken", "", ""));
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), -EREMOTEIO,
                 "it failed, and did not say why (status 500");
    assert_int_equal(p.requests, 3);
    aw_sqs_unref(sqs);
    sqs = CLIENT_WITH(&p, .attempts = 1);
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), -EREMOTEIO, "status 500");
    assert_int_equal(p.requests, 4);
    END_PLACE(p, sqs);
}

/* A service that is down is asked less and less. */
TEST_IN_LOOP(sqs_trying_again_has_a_budget)
{
    WITH_PLACE(p, sqs, answer_of("500 Broken", "", ""));
    aw_task *t = start_hurry();
    for (int i = 0; i < 60; i++)
        ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), -EREMOTEIO);
    assert_int_equal(p.requests, 60 + 100);
    end_hurry(t);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_does_not_receive_again_when_an_answer_is_lost)
{
    WITH_PLACE(p, sqs, GOOD("{}"));
    aw_sqs_messages *m;
    p.cut = 20;
    ASSERT_STATUS(aw_sqs_receive(&m, sqs, QUEUE), AW_EOF);
    assert_int_equal(p.requests, 1);
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), AW_EOF);
    assert_int_equal(p.requests, 4);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_receive_is_tried_again_when_nobody_was_there)
{
    WITH_PLACE(p, sqs, answer_of("503 Busy", "", ""), GOOD("{}"));
    aw_sqs_messages *m;
    ASSERT_STATUS(aw_sqs_receive(&m, sqs, QUEUE), 0);
    aw_sqs_messages_unref(m);
    assert_int_equal(p.requests, 2);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_answer_that_does_not_come)
{
    WITH_PLACE(p, sqs, GOOD("{}"));
    aw_sqs_messages *m;
    double began = aw_time();
    aw_task *t = start_hurry();
    p.mute = true;
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE, .wait = 20), -ETIMEDOUT, "ReceiveMessage " QUEUE);
    assert_true(aw_time() - began >= 50 && aw_time() - began < 51);
    end_hurry(t);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_slow_answer_is_waited_for)
{
    WITH_PLACE(p, sqs, GOOD("{}"));
    aw_sqs_messages *m;
    aw_task *t = start_hurry();
    p.delay = 19;
    p.piece = 7;
    ASSERT_STATUS(aw_sqs_receive(&m, sqs, QUEUE, .wait = 20), 0);
    aw_sqs_messages_unref(m);
    end_hurry(t);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_answer_that_is_no_json)
{
    WITH_PLACE(p, sqs, GOOD("<?xml version='1.0'?>"));
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), -EBADMSG, "the answer is no JSON: ");
    assert_int_equal(p.requests, 1);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_answer_that_lacks_what_it_is_for)
{
    WITH_PLACE(p, sqs, GOOD("{}"));
    char url[16];
    ASSERT_FAILS(aw_sqs_get_queue_url(sqs, "q", url, sizeof url), -EBADMSG, "lacks something");
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_answer_with_bad_utf8)
{
    WITH_PLACE(p, sqs, GOOD("{\"Messages\":[{\"Body\":\"\377\"}]}"));
    aw_sqs_messages *m;
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE), -EBADMSG, "the answer is no JSON: ");
    END_PLACE(p, sqs);
}

/* Something else than a list is no list of no messages: that would be asked for again at once. */
TEST_IN_LOOP(sqs_answer_whose_messages_are_no_list)
{
    WITH_PLACE(p, sqs, GOOD("{\"Messages\":\"none\"}"), GOOD("{\"Messages\":{}}"),
               GOOD("{\"Messages\":null}"));
    aw_sqs_messages *m;
    aw_sqs_unref(sqs);
    sqs = CLIENT_WITH(&p, .attempts = 1);
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE), -EBADMSG, "lacks something");
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE), -EBADMSG, "lacks something");
    ASSERT_STATUS(aw_sqs_receive(&m, sqs, QUEUE), 0);
    aw_sqs_messages_unref(m);
    END_PLACE(p, sqs);
}

static int receive_slowly(void *arg)
{
    aw_sqs_messages *m;
    int err = aw_sqs_receive(&m, arg, QUEUE);
    assert_null(m);
    return err;
}

TEST_IN_LOOP(sqs_cancelled_receive_closes_its_connection)
{
    WITH_PLACE(p, sqs, GOOD("{}"));
    p.mute = true;
    aw_task *t = aw_create_task(receive_slowly, sqs);
    while (p.requests == 0)
        passes(1);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    while (p.open > 0)
        passes(1);
    END_PLACE(p, sqs);
}

/* ---- keys and clocks ---- */

TEST_IN_LOOP(sqs_clock_is_corrected_by_the_servers)
{
    char date[64];
    date_header(date, sizeof date, 3600);
    WITH_PLACE(p, sqs,
               answer_of("403 Forbidden", date,
                         "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\","
                         "\"message\":\"Signature expired\"}"),
               GOOD(MESSAGE_OK));
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), 0);
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), 0);
    assert_int_equal(p.requests, 3);
    const char *at[3];
    int hours[3];
    for (int i = 0; i < 3; i++) {
        at[i] = strstr(p.seen[i], "X-Amz-Date: ");
        assert_non_null(at[i]);
        hours[i] = (int)strtol((char[]){at[i][21], at[i][22], 0}, NULL, 10);
    }
    assert_int_equal(hours[2], hours[1]); /* and it stays corrected */
    assert_int_equal((hours[1] - hours[0] + 24) % 24, 1);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_clock_is_corrected_once)
{
    char date[64];
    date_header(date, sizeof date, -7200);
    WITH_PLACE(p, sqs, answer_of("403 Forbidden", date, "{\"__type\":\"SignatureDoesNotMatch\"}"));
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), -EACCES, "SignatureDoesNotMatch");
    assert_int_equal(p.requests, 2);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_signature_that_is_wrong_by_a_right_clock_is_told)
{
    char date[64];
    date_header(date, sizeof date, 0);
    WITH_PLACE(p, sqs, answer_of("403 Forbidden", date, "{\"__type\":\"SignatureDoesNotMatch\"}"));
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), -EACCES, "SignatureDoesNotMatch");
    assert_int_equal(p.requests, 1);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_keys_that_expired_are_looked_for_again_once)
{
    WITH_PLACE(p, sqs, BAD("403 Forbidden", "ExpiredToken"));
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), -EKEYEXPIRED, "ExpiredToken: no");
    assert_int_equal(p.requests, 2);
    aw_sqs_unref(sqs);
    forget_surroundings();
    setenv("AWS_ACCESS_KEY_ID", "OLD", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    setenv("AWS_SESSION_TOKEN", "tok/en", 1);
    sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), -EKEYEXPIRED);
    assert_true(saw(&p, 2, "Credential=OLD/"));
    assert_true(saw(&p, 2, "\r\nX-Amz-Security-Token: tok/en\r\n"));
    setenv("AWS_ACCESS_KEY_ID", "NEW", 1);
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "x"), -EKEYEXPIRED);
    assert_true(saw(&p, 5, "Credential=NEW/"));
    END_PLACE(p, sqs);
}

/* ---- what callers give ---- */

TEST_IN_LOOP(sqs_bad_arguments_are_named)
{
    WITH_PLACE(p, sqs, GOOD("{}"));
    aw_sqs_messages *m;
    char url[8];
    const aw_sqs_attribute bad = {"k", NULL, "\377", 0};
    ASSERT_FAILS(aw_sqs_send(sqs, NULL, "x"), -EINVAL, "SendMessage: no queue's URL");
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, NULL), -EINVAL, "no body");
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "ab\xc3"), -EILSEQ, "the body is not UTF-8 at byte 2");
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x", .attributes = &bad, .n_attributes = 1), -EILSEQ,
                 "the attribute k is not UTF-8 at byte 0");
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x", .delay = (double)NAN), -EINVAL, "a delay");
    ASSERT_FAILS(aw_sqs_send(NULL, QUEUE, "x"), -EINVAL, "the client is NULL");
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE, .max = 11), -EINVAL, "more than 10 messages");
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE, .wait = 21), -EINVAL, "more than 20 s");
    ASSERT_FAILS(aw_sqs_receive(NULL, sqs, QUEUE), -EINVAL, "no room");
    ASSERT_FAILS(aw_sqs_delete(sqs, QUEUE, "", NULL), -EINVAL, "no receipt");
    ASSERT_FAILS(aw_sqs_change_visibility(sqs, QUEUE, "r", -1, NULL), -EINVAL, "a visibility");
    ASSERT_FAILS(aw_sqs_create_queue(sqs, "", url, sizeof url), -EINVAL, "no name");
    ASSERT_FAILS(aw_sqs_delete_batch(sqs, QUEUE, NULL, 1, NULL), -EINVAL, "no entries");
    ASSERT_STATUS(aw_sqs_delete_batch(sqs, QUEUE, NULL, 0, NULL), 0);
    ASSERT_STATUS(aw_sqs_send_(NULL), -EINVAL);
    ASSERT_STATUS(aw_sqs_receive_(NULL), -EINVAL);
    assert_int_equal(aw_sqs_messages_count(NULL), 0);
    aw_sqs_messages_unref(NULL);
    aw_sqs_unref(NULL);
    aw_sqs_free_pairs(NULL);
    assert_int_equal(p.requests, 0);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_bad_options_are_named)
{
    forget_surroundings();
    assert_null(aw_sqs_new(NULL, .timeout = (double)NAN));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_sqs_new(NULL, .access_key = "without a secret"));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_sqs_new(NULL, .attempts = -1));
    assert_null(aw_sqs_new_(NULL));
}

TEST(sqs_needs_a_loop_and_a_task)
{
    forget_surroundings();
    assert_null(aw_sqs_new("x"));
    assert_int_equal(aw_errno(), AW_EMISUSE);
}

/* A body of the most that the service takes, every byte of which has to be escaped. */
TEST_IN_LOOP(sqs_large_bodies_are_sent)
{
    WITH_PLACE(p, sqs, GOOD(MESSAGE_OK));
    size_t n = 1 << 20;
    char *big = malloc(n);
    memset(big, '\n', n);
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, big, .size = n), 0);
    assert_true(saw(&p, 0, "Content-Length: 20972"));
    free(big);
    END_PLACE(p, sqs);
}
