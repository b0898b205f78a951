/*
 * Where region, endpoint and keys come from: arguments, environment, files, metadata.
 */
#include <time.h>

#include "sqs.h"

#define MESSAGE_OK GOOD("{\"MessageId\":\"m\"}")

static char folder[64];

static void write_file(const char *name, const char *variable, const char *text)
{
    char path[128];
    if (!*folder) {
        snprintf(folder, sizeof folder, "/tmp/await-sqs-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    setenv(variable, path, 1);
}

static void remove_files(void)
{
    static const char *const names[] = {"config", "credentials", "token"};
    char path[128];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        remove(path);
    }
    assert_int_equal(remove(folder), 0);
}

#define ASSERT_SENDS(sqs) ASSERT_STATUS(aw_sqs_send((sqs), QUEUE, "x"), 0)

TEST_IN_LOOP(sqs_settings_come_from_the_environment)
{
    struct place p = {0}, other = {0};
    OPEN_PLACE(&p, MESSAGE_OK);
    OPEN_PLACE(&other, MESSAGE_OK);
    forget_surroundings();
    setenv("AWS_ENDPOINT_URL", other.url, 1);
    setenv("AWS_REGION", "ap-south-1", 1);
    setenv("AWS_ACCESS_KEY_ID", "ENVKEY", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    aw_sqs *sqs = client_made(aw_sqs_new(NULL));
    ASSERT_SENDS(sqs);
    assert_true(saw(&other, 0, "Credential=ENVKEY/20"));
    assert_true(saw(&other, 0, "/ap-south-1/sqs/"));
    aw_sqs_unref(sqs);
    setenv("AWS_ENDPOINT_URL_SQS", p.url, 1); /* is more special */
    unsetenv("AWS_REGION");
    setenv("AWS_DEFAULT_REGION", "eu-north-1", 1);
    sqs = client_made(aw_sqs_new(NULL));
    ASSERT_SENDS(sqs);
    assert_true(saw(&p, 0, "/eu-north-1/sqs/"));
    aw_sqs_unref(sqs);
    unsetenv("AWS_DEFAULT_REGION"); /* an endpoint alone is enough */
    sqs = client_made(aw_sqs_new(NULL));
    ASSERT_SENDS(sqs);
    assert_true(saw(&p, 1, "/us-east-1/sqs/"));
    aw_sqs_unref(sqs);
    close_place(&p);
    close_place(&other);
}

TEST_IN_LOOP(sqs_settings_come_from_the_files)
{
    struct place p = {0};
    char config[512];
    OPEN_PLACE(&p, MESSAGE_OK);
    forget_surroundings();
    snprintf(config, sizeof config,
             "[default]\nregion = us-west-1\n[profile work]\nregion = eu-west-2\nservices = s\n"
             "endpoint_url = http://127.0.0.1:1\n[services s]\nsqs =\n  endpoint_url = %s\n",
             p.url);
    write_file("config", "AWS_CONFIG_FILE", config);
    write_file("credentials", "AWS_SHARED_CREDENTIALS_FILE",
               "[default]\naws_access_key_id = DEFKEY\naws_secret_access_key = s\n"
               "[work]\naws_access_key_id=WORKKEY\naws_secret_access_key=a=b+/\n"
               "aws_session_token = token==\n");
    setenv("AWS_ACCESS_KEY_ID", "ENVKEY", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    aw_sqs *sqs =
        client_made(aw_sqs_new(NULL, .profile = "work")); /* goes before the environment */
    ASSERT_SENDS(sqs);
    assert_true(saw(&p, 0, "Credential=WORKKEY/20"));
    assert_true(saw(&p, 0, "/eu-west-2/sqs/"));
    assert_true(saw(&p, 0, "X-Amz-Security-Token: token==\r\n"));
    aw_sqs_unref(sqs);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    setenv("AWS_PROFILE", "work", 1);
    sqs = client_made(aw_sqs_new(NULL));
    ASSERT_SENDS(sqs);
    assert_true(saw(&p, 1, "Credential=WORKKEY/20"));
    aw_sqs_unref(sqs);
    unsetenv("AWS_PROFILE");
    sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    ASSERT_SENDS(sqs);
    assert_true(saw(&p, 2, "Credential=DEFKEY/20"));
    assert_true(saw(&p, 2, "/us-west-1/sqs/"));
    aw_sqs_unref(sqs);
    remove_files();
    close_place(&p);
}

TEST_IN_LOOP(sqs_keys_may_be_in_the_config_file)
{
    struct place p = {0};
    OPEN_PLACE(&p, MESSAGE_OK);
    forget_surroundings();
    write_file("config", "AWS_CONFIG_FILE",
               "[default]\naws_access_key_id = CFGKEY\naws_secret_access_key = s\n");
    aw_sqs *sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    ASSERT_SENDS(sqs);
    assert_true(saw(&p, 0, "Credential=CFGKEY/20"));
    aw_sqs_unref(sqs);
    remove_files();
    close_place(&p);
}

/* ---- what is missing ---- */

static void assert_refused(int err, const char *words)
{
    aw_sqs *sqs = client_made(aw_sqs_new(NULL));
    ASSERT_FAILS(aw_sqs_send(sqs, QUEUE, "x"), err, words);
    assert_null(strchr(aw_errmsg(), '\n'));
    aw_sqs_unref(sqs);
}

TEST_IN_LOOP(sqs_missing_settings_are_named)
{
    forget_surroundings();
    assert_refused(-EINVAL, "no region");
    setenv("AWS_REGION", "not/one", 1);
    assert_refused(-EINVAL, "the region not/one is no name of one");
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL", "127.0.0.1:4566", 1);
    assert_refused(-EINVAL, "the endpoint 127.0.0.1:4566 is no URL");
    setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
    assert_refused(-ENOKEY, "no credentials: not in .access_key, the environment, the profile "
                            "default of the shared files");
    setenv("AWS_ACCESS_KEY_ID", "K", 1);
    assert_refused(-ENOKEY, "AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY");
    setenv("AWS_SECRET_ACCESS_KEY", "line\nbreak", 1);
    assert_refused(-ENOKEY, "a blank or a line break");
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    write_file("config", "AWS_CONFIG_FILE", "[default]\nrole_arn = arn:aws:iam::1:role/x\n");
    assert_refused(-ENOKEY, "the profile default has its keys by role_arn");
    write_file("config", "AWS_CONFIG_FILE", "[default]\naws_access_key_id = K\n");
    assert_refused(-ENOKEY, "without the other");
    setenv("AWS_CONFIG_FILE", folder, 1);
    assert_refused(-EISDIR, folder);
    setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.org/keys", 1);
    assert_refused(-EACCES, "neither https nor an address of this machine");
    remove_files();
}

/* ---- metadata ---- */

/* The keys, good for so many seconds. */
static const char *keys_for(double seconds, const char *name)
{
    char text[256], date[32];
    time_t at = (time_t)(aw_wall_time() + seconds);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(text, sizeof text,
             "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\","
             "\"Token\":\"tok\",\"Expiration\":\"%s\"}",
             name, date);
    return GOOD(text);
}

TEST_IN_LOOP(sqs_keys_of_a_container)
{
    struct place p = {0}, meta = {0};
    char url[96];
    OPEN_PLACE(&p, MESSAGE_OK);
    OPEN_PLACE(&meta, keys_for(3600, "CONKEY"));
    forget_surroundings();
    snprintf(url, sizeof url, "%s/creds?a=b", meta.url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    write_file("token", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "Bearer secret\n");
    aw_sqs *sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    ASSERT_SENDS(sqs);
    ASSERT_SENDS(sqs);
    assert_true(saw(&meta, 0, "GET /creds?a=b HTTP/1.1\r\n"));
    assert_true(saw(&meta, 0, "\r\nAuthorization: Bearer secret\r\n"));
    assert_true(saw(&p, 1, "Credential=CONKEY/20"));
    assert_true(saw(&p, 1, "X-Amz-Security-Token: tok\r\n"));
    assert_int_equal(meta.requests, 1); /* they are kept */
    aw_sqs_unref(sqs);
    remove_files();
    close_place(&meta);
    close_place(&p);
}

TEST_IN_LOOP(sqs_keys_of_an_instance)
{
    struct place p = {0}, meta = {0};
    OPEN_PLACE(&p, MESSAGE_OK);
    OPEN_PLACE(&meta, GOOD("metatoken"), GOOD("my-role\n"), keys_for(7200, "IMDSKEY"));
    forget_surroundings();
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", meta.url, 1);
    aw_sqs *sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    ASSERT_SENDS(sqs);
    assert_true(saw(&meta, 0, "PUT /latest/api/token HTTP/1.1\r\n"));
    assert_true(saw(&meta, 0, "\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
    assert_true(saw(&meta, 1, "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"));
    assert_true(saw(&meta, 2, "/security-credentials/my-role HTTP/1.1\r\n"));
    assert_true(saw(&meta, 2, "\r\nx-aws-ec2-metadata-token: metatoken\r\n"));
    assert_true(saw(&p, 0, "Credential=IMDSKEY/20"));
    aw_sqs_unref(sqs);
    close_place(&meta);
    close_place(&p);
}

static int send_one(void *sqs)
{
    return aw_sqs_send(sqs, QUEUE, "x");
}

/* Keys that are about to expire are asked for again by one, while the others wait or go on. */
TEST_IN_LOOP(sqs_keys_are_renewed_before_they_expire)
{
    struct place p = {0}, meta = {0};
    char url[96];
    OPEN_PLACE(&p, MESSAGE_OK);
    OPEN_PLACE(&meta, keys_for(300, "FIRST"), keys_for(3600, "SECOND"));
    meta.delay = 0.2;
    forget_surroundings();
    snprintf(url, sizeof url, "%s/creds", meta.url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    aw_sqs *sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    assert_int_equal(
        aw_gather(AW_CORO(send_one, sqs), AW_CORO(send_one, sqs), AW_CORO(send_one, sqs)), 0);
    assert_int_equal(p.requests, 3);
    assert_true(meta.requests == 2);
    ASSERT_SENDS(sqs);
    assert_int_equal(meta.requests, 2);
    assert_true(saw(&p, 3, "Credential=SECOND/20"));
    aw_sqs_unref(sqs);
    close_place(&meta);
    close_place(&p);
}

/* When that fails, what there is goes on until it has expired. */
TEST_IN_LOOP(sqs_keys_are_used_while_no_newer_ones_are_to_be_had)
{
    struct place p = {0}, meta = {0};
    char url[96];
    OPEN_PLACE(&p, MESSAGE_OK);
    OPEN_PLACE(&meta, keys_for(300, "FIRST"), answer_of("500 Broken", "", ""));
    forget_surroundings();
    snprintf(url, sizeof url, "%s/creds", meta.url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    aw_sqs *sqs = client_made(aw_sqs_new(NULL, .endpoint = p.url));
    for (int i = 0; i < 4; i++)
        ASSERT_SENDS(sqs);
    assert_true(saw(&p, 3, "Credential=FIRST/20"));
    assert_int_equal(meta.requests, 2); /* and it is not asked at every request */
    aw_sqs_unref(sqs);
    close_place(&meta);
    close_place(&p);
}

TEST_IN_LOOP(sqs_metadata_that_makes_no_sense)
{
    static const struct {
        const char *status, *body, *words;
    } known[] = {{"200 OK", "no json", "credentials of the container: "},
                 {"200 OK", "{\"Message\":\"go away\"}", "credentials of the container: go away"},
                 {"200 OK",
                  "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"?\"}",
                  "Expiration is no date"},
                 {"403 No", "", "the answer has the status 403"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct place meta = {0};
        OPEN_PLACE(&meta, answer_of(known[i].status, "", known[i].body));
        forget_surroundings();
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", meta.url, 1);
        setenv("AWS_REGION", "eu-west-1", 1);
        assert_refused(-EBADMSG, known[i].words);
        close_place(&meta);
    }
}
