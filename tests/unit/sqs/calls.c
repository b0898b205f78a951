/*
 * The operations: the exact bytes of requests, what answers mean, batches, and the MD5 of both.
 */
#include "sqs.h"

#define MESSAGE_OK                                                                                 \
    "{\"MessageId\":\"m-1\",\"MD5OfMessageBody\":\"5d41402abc4b2a76b9719d911017c592\"}"

/* A request is these lines, and this body. */
TEST_IN_LOOP(sqs_request_is_what_the_service_wants)
{
    WITH_PLACE(p, sqs, GOOD(MESSAGE_OK));
    char id[64];
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "hello", .delay = 1.5, .ret_id = id), 0);
    assert_string_equal(id, "m-1");
    assert_true(saw(&p, 0, "POST / HTTP/1.1\r\n"));
    assert_true(saw(&p, 0, "\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"));
    assert_true(saw(&p, 0, "\r\nContent-Type: application/x-amz-json-1.0\r\n"));
    assert_true(saw(&p, 0, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/20"));
    assert_true(saw(&p, 0,
                    "/eu-west-1/sqs/aws4_request, SignedHeaders=content-type;host;"
                    "x-amz-date;x-amz-target;x-amzn-query-mode, Signature="));
    assert_false(saw(&p, 0, "Expect"));
    assert_false(saw(&p, 0, "X-Amz-Security-Token"));
    assert_string_equal(body_seen(&p, 0), "{\"QueueUrl\":\"" QUEUE "\",\"MessageBody\":\"hello\","
                                          "\"DelaySeconds\":2}");
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_sends_everything_a_message_has)
{
    WITH_PLACE(p, sqs,
               GOOD("{\"MessageId\":\"m\",\"SequenceNumber\":\"7\","
                    "\"MD5OfMessageAttributes\":\"9741a701f09322c0fd4c6754c124c25c\"}"));
    const aw_sqs_attribute a[] = {
        {"k", NULL, "v", 0}, {"n", "Number", "1", 0}, {"b", "Binary", "\1\2", 2}};
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "b", .attributes = a, .n_attributes = 3, .group = "g",
                              .dedup = "d", .trace = "t"),
                  0);
    assert_string_equal(
        body_seen(&p, 0),
        "{\"QueueUrl\":\"" QUEUE "\",\"MessageBody\":\"b\",\"MessageGroupId\":\"g\","
        "\"MessageDeduplicationId\":\"d\",\"MessageAttributes\":{\"k\":{\"DataType\":\"String\","
        "\"StringValue\":\"v\"},\"n\":{\"DataType\":\"Number\",\"StringValue\":\"1\"},\"b\":{"
        "\"DataType\":\"Binary\",\"BinaryValue\":\"AQI=\"}},\"MessageSystemAttributes\":{"
        "\"AWSTraceHeader\":{\"DataType\":\"String\",\"StringValue\":\"t\"}}}");
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_receives_messages)
{
    WITH_PLACE(
        p, sqs,
        GOOD("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"h\\u00e9\","
             "\"MD5OfBody\":\"33fcd01258e6ba07ef405dc9e721f3a7\",\"Attributes\":{"
             "\"ApproximateReceiveCount\":\"3\",\"SentTimestamp\":\"1700000000500\","
             "\"MessageGroupId\":\"g\",\"SenderId\":\"s\"},\"MessageAttributes\":{"
             "\"b\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AQI=\"},"
             "\"k\":{\"DataType\":\"String\",\"StringValue\":\"v\"},"
             "\"n\":{\"DataType\":\"Number\",\"StringValue\":\"1\"}},"
             "\"MD5OfMessageAttributes\":\"9741a701f09322c0fd4c6754c124c25c\"}]}"),
        GOOD("{}"), GOOD(""));
    aw_sqs_messages *m;
    ASSERT_STATUS(aw_sqs_receive(&m, sqs, QUEUE, .max = 4, .wait = 1, .visibility = 30), 1);
    assert_string_equal(
        body_seen(&p, 0),
        "{\"QueueUrl\":\"" QUEUE "\",\"MaxNumberOfMessages\":4,"
        "\"WaitTimeSeconds\":1,\"VisibilityTimeout\":30,\"AttributeNames\":[\"All\"],"
        "\"MessageAttributeNames\":[\"All\"]}");
    const aw_sqs_message *got = aw_sqs_messages_at(m, 0);
    assert_string_equal(got->body, "h\303\251");
    assert_int_equal(got->size, 3);
    assert_int_equal(got->receives, 3);
    assert_true(got->sent == 1700000000.5);
    assert_string_equal(got->group, "g");
    assert_string_equal(got->dedup, "");
    assert_int_equal(got->n_attributes, 3);
    assert_string_equal(got->attributes[0].name, "b");
    assert_memory_equal(got->attributes[0].value, "\1\2", 3);
    assert_null(aw_sqs_messages_at(m, 1));
    aw_sqs_messages_unref(aw_sqs_messages_ref(m));
    aw_sqs_messages_unref(m);
    for (int i = 0; i < 2; i++) { /* nothing came */
        ASSERT_STATUS(aw_sqs_receive(&m, sqs, QUEUE), 0);
        assert_int_equal(aw_sqs_messages_count(m), 0);
        aw_sqs_messages_unref(m);
    }
    END_PLACE(p, sqs);
}

/* A body that was altered on the way is asked for again, and then told of. */
TEST_IN_LOOP(sqs_md5_of_what_is_received_is_checked)
{
    const char *altered = GOOD("{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\","
                               "\"Body\":\"hello\",\"MD5OfBody\":\"0\"}]}");
    WITH_PLACE(p, sqs, altered);
    aw_sqs_messages *m;
    ASSERT_FAILS(aw_sqs_receive(&m, sqs, QUEUE), -EBADMSG, "a wrong MD5");
    assert_null(m);
    assert_int_equal(p.requests, 3);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_md5_of_what_is_sent_is_checked)
{
    WITH_PLACE(p, sqs, GOOD("{\"MessageId\":\"m\",\"MD5OfMessageBody\":\"0\"}"), GOOD(MESSAGE_OK));
    ASSERT_STATUS(aw_sqs_send(sqs, QUEUE, "hello"), 0);
    assert_int_equal(p.requests, 2);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_md5_of_attributes_is_checked)
{
    WITH_PLACE(p, sqs, GOOD("{\"MessageId\":\"m\",\"MD5OfMessageAttributes\":\"0\"}"));
    const aw_sqs_attribute a = {"k", NULL, "v", 0};
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "hello", .attributes = &a, .n_attributes = 1), -EBADMSG,
                 "a wrong MD5");
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_queues_are_made_found_and_described)
{
    WITH_PLACE(p, sqs, GOOD("{\"QueueUrl\":\"" QUEUE "\"}"), GOOD("{\"QueueUrl\":\"" QUEUE "\"}"),
               GOOD("{\"Attributes\":{\"A\":\"1\",\"B\":\"two\"}}"), GOOD("{}"), GOOD(""),
               GOOD(""));
    char url[8];
    const char *const two[] = {"DelaySeconds", "5", NULL}, *const tags[] = {"t", "x", NULL};
    ASSERT_STATUS(aw_sqs_create_queue(sqs, "q", url, sizeof url, .attributes = two, .tags = tags),
                  (int)strlen(QUEUE));
    assert_string_equal(url, "http://");
    assert_string_equal(body_seen(&p, 0), "{\"QueueName\":\"q\",\"Attributes\":{\"DelaySeconds\":"
                                          "\"5\"},\"tags\":{\"t\":\"x\"}}");
    ASSERT_STATUS(aw_sqs_get_queue_url(sqs, "q", url, sizeof url, .owner = "12"),
                  (int)strlen(QUEUE));
    assert_string_equal(body_seen(&p, 1),
                        "{\"QueueName\":\"q\",\"QueueOwnerAWSAccountId\":\"12\"}");
    const char *const *pairs;
    ASSERT_STATUS(aw_sqs_get_attributes(sqs, QUEUE, NULL, &pairs, NULL), 0);
    assert_string_equal(pairs[1], "1");
    assert_string_equal(pairs[3], "two");
    assert_null(pairs[4]);
    aw_sqs_free_pairs(pairs);
    ASSERT_STATUS(aw_sqs_set_attributes(sqs, QUEUE, two, NULL), 0);
    ASSERT_STATUS(aw_sqs_purge_queue(sqs, QUEUE, NULL), 0);
    ASSERT_STATUS(aw_sqs_delete_queue(sqs, QUEUE, NULL), 0);
    assert_true(saw(&p, 4, "AmazonSQS.PurgeQueue"));
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_deletes_and_hides)
{
    WITH_PLACE(p, sqs, GOOD(""));
    ASSERT_STATUS(aw_sqs_delete(sqs, QUEUE, "r\"1", NULL), 0);
    assert_string_equal(body_seen(&p, 0),
                        "{\"QueueUrl\":\"" QUEUE "\",\"ReceiptHandle\":\"r\\\"1\"}");
    ASSERT_STATUS(aw_sqs_change_visibility(sqs, QUEUE, "r", 0, NULL), 0);
    assert_string_equal(body_seen(&p, 1), "{\"QueueUrl\":\"" QUEUE "\",\"ReceiptHandle\":\"r\","
                                          "\"VisibilityTimeout\":0}");
    END_PLACE(p, sqs);
}

/* ---- batches ---- */

TEST_IN_LOOP(sqs_batches_are_of_ten)
{
    const char *ten = GOOD("{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"},{\"Id\":\"2\"},"
                           "{\"Id\":\"3\"},{\"Id\":\"4\"},{\"Id\":\"5\"},{\"Id\":\"6\"},"
                           "{\"Id\":\"7\"},{\"Id\":\"8\"},{\"Id\":\"9\"}],\"Failed\":[]}");
    WITH_PLACE(p, sqs, ten, GOOD("{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"}]}"));
    aw_sqs_entry e[12];
    for (int i = 0; i < 12; i++)
        e[i] = (aw_sqs_entry){.receipt = "r", .visibility = i};
    ASSERT_STATUS(aw_sqs_change_visibility_batch(sqs, QUEUE, e, 12, NULL), 0);
    assert_int_equal(p.requests, 2);
    assert_string_equal(body_seen(&p, 1),
                        "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":"
                        "\"r\",\"VisibilityTimeout\":10},{\"Id\":\"1\",\"ReceiptHandle\":\"r\","
                        "\"VisibilityTimeout\":11}]}");
    END_PLACE(p, sqs);
}

/* Some fail for good, some are tried again, some are bad already here. */
TEST_IN_LOOP(sqs_batch_entries_have_outcomes_of_their_own)
{
    WITH_PLACE(p, sqs,
               GOOD("{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m0\"}],\"Failed\":["
                    "{\"Id\":\"1\",\"SenderFault\":true,\"Code\":\"InvalidMessageContents\","
                    "\"Message\":\"bad\"},{\"Id\":\"2\",\"SenderFault\":false,"
                    "\"Code\":\"InternalError\"}]}"),
               GOOD("{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m2\"}]}"));
    aw_sqs_send_entry e[4] = {{.body = "0"}, {.body = "1"}, {.body = "\377"}, {.body = "2"}};
    aw_sqs_error error;
    ASSERT_FAILS(aw_sqs_send_batch(sqs, QUEUE, e, 4, &error), -EINVAL,
                 "2 of 4 entries failed, the first: invalid argument, InvalidMessageContents");
    assert_int_equal(e[0].result, 0);
    assert_string_equal(e[0].message_id, "m0");
    assert_int_equal(e[1].result, -EINVAL);
    assert_string_equal(e[1].code, "InvalidMessageContents");
    assert_int_equal(e[2].result, -EILSEQ);
    assert_int_equal(e[3].result, 0);
    assert_string_equal(e[3].message_id, "m2");
    assert_string_equal(error.code, "InvalidMessageContents");
    assert_string_equal(error.message, "bad");
    assert_int_equal(p.requests, 2);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_batch_that_is_refused_leaves_the_rest)
{
    WITH_PLACE(p, sqs, BAD("403 Forbidden", "AccessDenied"));
    aw_sqs_entry e[11];
    for (int i = 0; i < 11; i++)
        e[i] = (aw_sqs_entry){.receipt = "r"};
    ASSERT_FAILS(aw_sqs_delete_batch(sqs, QUEUE, e, 11, NULL), -EACCES, "AccessDenied: no");
    assert_int_equal(e[9].result, -EACCES);
    assert_string_equal(e[9].code, "AccessDenied");
    assert_int_equal(e[10].result, -ECANCELED);
    END_PLACE(p, sqs);
}

/* An answer that does not mention an entry says nothing of it. */
TEST_IN_LOOP(sqs_batch_entries_that_are_not_mentioned_have_failed)
{
    WITH_PLACE(p, sqs, GOOD("{\"Successful\":[{\"Id\":\"7\"},{\"Id\":\"\"},{}]}"));
    aw_sqs_entry e = {.receipt = "r"};
    ASSERT_FAILS(aw_sqs_delete_batch(sqs, QUEUE, &e, 1, NULL), -EBADMSG, "1 of 1 entries");
    assert_int_equal(p.requests, 3);
    END_PLACE(p, sqs);
}

TEST_IN_LOOP(sqs_batches_stay_below_the_services_limit)
{
    WITH_PLACE(p, sqs, GOOD("{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\"}]}"));
    static char big[200000];
    memset(big, 'x', sizeof big);
    aw_sqs_send_entry e[2] = {{.body = big, .size = sizeof big}, {.body = big, .size = 100000}};
    ASSERT_STATUS(aw_sqs_send_batch(sqs, QUEUE, e, 2, NULL), 0);
    assert_int_equal(p.requests, 2);
    END_PLACE(p, sqs);
}
