/*
 * error.c - what the service's errors mean, as codes and in words.
 */
#include <stdio.h>
#include <string.h>

#include "sqs/sqs.h"
#include "text/utf8.h"

/* Codes that are no more than their status says are not here. */
static const struct {
    const char *code;
    int err;
} meanings[] = {
    {"QueueDoesNotExist", -ENOENT},
    {"AWS.SimpleQueueService.NonExistentQueue", -ENOENT},
    {"ResourceNotFoundException", -ENOENT},
    {"QueueNameExists", -EEXIST},
    {"QueueAlreadyExists", -EEXIST},
    {"QueueDeletedRecently", -EBUSY},
    {"PurgeQueueInProgress", -EBUSY},
    {"OverLimit", -EBUSY},
    {"ReceiptHandleIsInvalid", -ESTALE},
    {"MessageNotInflight", -ESTALE},
    {"BatchRequestTooLong", -EMSGSIZE},
    {"RequestEntityTooLarge", -EMSGSIZE},
    {"ExpiredToken", -EKEYEXPIRED},
    {"ExpiredTokenException", -EKEYEXPIRED},
    {"AccessDenied", -EACCES},
    {"AccessDeniedException", -EACCES},
    {"AuthFailure", -EACCES},
    {"IncompleteSignature", -EACCES},
    {"InvalidClientTokenId", -EACCES},
    {"InvalidSecurity", -EACCES},
    {"InvalidSignatureException", -EACCES},
    {"KmsAccessDenied", -EACCES},
    {"MissingAuthenticationToken", -EACCES},
    {"OptInRequired", -EACCES},
    {"RequestExpired", -EACCES},
    {"RequestInTheFuture", -EACCES},
    {"RequestTimeTooSkewed", -EACCES},
    {"SignatureDoesNotMatch", -EACCES},
    {"UnrecognizedClientException", -EACCES},
};

static bool is_one_of(const char *code, const char *const *codes)
{
    for (; *codes; codes++)
        if (!strcmp(code, *codes))
            return true;
    return false;
}

bool aw_sqs_is_throttled(const char *code, int status)
{
    static const char *const codes[] = {"RequestThrottled",     "ThrottlingException",
                                        "Throttling",           "ThrottledException",
                                        "KmsThrottled",         "TooManyRequestsException",
                                        "RequestLimitExceeded", NULL};
    return status == 429 || is_one_of(code, codes);
}

bool aw_sqs_is_clock(const char *code)
{
    static const char *const codes[] = {"AuthFailure",
                                        "InvalidSignatureException",
                                        "RequestExpired",
                                        "RequestInTheFuture",
                                        "RequestTimeTooSkewed",
                                        "SignatureDoesNotMatch",
                                        NULL};
    return is_one_of(code, codes);
}

int aw_sqs_error_meaning(const char *code, int status)
{
    if (aw_sqs_is_throttled(code, status))
        return -EBUSY;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (!strcmp(code, meanings[i].code))
            return meanings[i].err;
    return status == 413                    ? -EMSGSIZE
           : status == 401 || status == 403 ? -EACCES
           : status >= 500                  ? -EREMOTEIO
           : !*code                         ? -EBADMSG
           : status >= 400                  ? -EINVAL
                                            : -EREMOTEIO;
}

/* A text of the service's, without line breaks, cut: an error is one line. */
static void take(char *to, size_t size, const char *from, size_t n)
{
    n = n < size ? n : size - 1;
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)from[i] < ' ' || from[i] == 127 ? ' ' : from[i];
    to[aw_utf8_good(to, n)] = 0; /* not in the middle of a character */
}

/* "com.amazonaws.sqs#QueueDoesNotExist", "QueueDoesNotExist:http://..." */
static void take_code(aw_sqs_error *e, const char *text)
{
    const char *hash = strchr(text, '#');
    const char *name = hash ? hash + 1 : text;
    take(e->code, sizeof e->code, name, strcspn(name, ":"));
}

static void read_legacy(const aw_http_response *r, aw_sqs_error *e)
{
    const char *legacy = aw_http_response_header(r, "x-amzn-query-error");
    if (!legacy)
        return;
    size_t n = strcspn(legacy, ";");
    take(e->legacy, sizeof e->legacy, legacy, n);
    if (legacy[n])
        e->sender = !strncmp(legacy + n + 1, "Sender", 6);
}

void aw_sqs_error_read(const aw_http_response *r, aw_sqs_error *e)
{
    size_t n;
    const char *body = aw_http_response_body(r, &n);
    const char *header = aw_http_response_header(r, "x-amzn-errortype");
    const char *id = aw_http_response_header(r, "x-amzn-requestid");
    struct aw_sqs_json *v = NULL;
    char why[AW_JSON_WHY] = "";
    *e = (aw_sqs_error){.status = aw_http_response_status(r)};
    e->sender = e->status < 500;
    if (id)
        take(e->request_id, sizeof e->request_id, id, strlen(id));
    read_legacy(r, e);
    aw_ignore(aw_sqs_json_parse(body, n, &v, why));
    const char *type = aw_sqs_json_text(v, "__type"), *said = aw_sqs_json_text(v, "message");
    if (!*said)
        said = aw_sqs_json_text(v, "Message");
    take_code(e, *type ? type : header ? header : "");
    take(e->message, sizeof e->message, said, strlen(said));
    if (!*e->code && !*e->message)
        snprintf(e->message, sizeof e->message, "%s",
                 e->status < 500 ? "an answer that is not a queue service's; is the endpoint right?"
                                 : "it failed, and did not say why");
    aw_sqs_json_free(v);
}
