/*
 * sqs.h - what the tests of the queue service's client share: answers, and clients that ask for
 * them.  The servers are those of the HTTP client's tests.
 */
#ifndef TESTS_SQS_SQS_H
#define TESTS_SQS_SQS_H

#include <unistd.h>

#include "../http/client.h"
#include "await/sqs.h"

#define QUEUE "http://sqs.test/1/q"

/* An answer with a status, more headers (each with its line break) and a body. */
static inline const char *answer_of(const char *status, const char *headers, const char *body)
{
    static char texts[32][8192];
    static int n;
    char *text = texts[n++ % 32];
    int size = snprintf(text, sizeof texts[0],
                        "HTTP/1.1 %s\r\nx-amzn-RequestId: id-%d\r\n%sContent-Length: %zu\r\n\r\n%s",
                        status, n, headers, strlen(body), body);
    assert_true(size < (int)sizeof texts[0]);
    return text;
}
#define GOOD(body) answer_of("200 OK", "", (body))
#define BAD(status, code)                                                                          \
    answer_of((status), "", "{\"__type\":\"com.amazonaws.sqs#" code "\",\"message\":\"no\"}")

/* No variable of the surroundings' has a say. */
static inline void forget_surroundings(void)
{
    static const char *const names[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_SQS",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_CA_BUNDLE",
                                        "AWS_MAX_ATTEMPTS",
                                        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

static inline aw_sqs *client_made(aw_sqs *sqs)
{
    if (!sqs)
        fail_msg("%s: %s", aw_error_name(aw_errno()), aw_errmsg());
    return sqs;
}

/* A client of this place. */
#define CLIENT_WITH(p, ...)                                                                        \
    (forget_surroundings(),                                                                        \
     client_made(aw_sqs_new("eu-west-1", .endpoint = (p)->url, .access_key = "AKID",               \
                            .secret_key = "secret", __VA_ARGS__)))
#define CLIENT(p) CLIENT_WITH(p, .attempts = 3)

/* The body of a request. */
static inline const char *body_seen(const struct place *p, size_t request)
{
    const char *end = strstr(p->seen[request], "\r\n\r\n");
    return end ? end + 4 : "";
}

/* While something is under way in the kernel the loop's time is real: a task that lets it pass, a
 * bit whenever everybody else waits, also a moment later, when what was sent has arrived. */
static inline int hurry(void *arg)
{
    (void)arg;
    for (;;) {
        for (int i = 0; i < 3; i++) {
            AW_TRY(aw_wait_all_blocked());
            usleep(100);
        }
        AW_TRY(aw_wait_all_blocked());
        assert_int_equal(aw_testing_advance(0.1), 0);
    }
}

static inline aw_task *start_hurry(void)
{
    return aw_create_task(hurry, NULL);
}

static inline void end_hurry(aw_task *t)
{
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
}

/* A test with a place, a client and an error to fill. */
#define WITH_PLACE(p, sqs, ...)                                                                    \
    struct place p = {0};                                                                          \
    OPEN_PLACE(&p, __VA_ARGS__);                                                                   \
    aw_sqs *sqs = CLIENT(&p)

#define END_PLACE(p, sqs)                                                                          \
    do {                                                                                           \
        aw_sqs_unref(sqs);                                                                         \
        close_place(&p);                                                                           \
    } while (0)

#endif
