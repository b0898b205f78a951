/*
 * Contexts: what they refuse, and in which words.
 */
#include <openssl/pem.h>

#include "unit/core/util.h"
#include "unit/tls/certs.h"

static void expect_refusal(aw_tls_context *c, int code, const char *words)
{
    assert_null(c);
    printf("%s: %s\n", aw_error_name(aw_errno()), aw_errmsg());
    assert_int_equal(aw_errno(), code);
    assert_non_null(strstr(aw_errmsg(), words));
}

TEST(tls_context_options_that_make_no_sense)
{
    const struct world *w = the_world();
    const char *const empty[] = {"h2", "", NULL};
    expect_refusal(aw_tls_context_new(.server = true), -EINVAL, ".certificate");
    expect_refusal(aw_tls_context_new(.key = w->server_file), -EINVAL, ".key");
    expect_refusal(aw_tls_context_new(.require_client = true), -EINVAL, ".require_client");
    expect_refusal(aw_tls_context_new(.alpn = empty), -EINVAL, ".alpn");
    expect_refusal(
        aw_tls_context_new(.server = true, .insecure = true, .certificate = w->server_file),
        -EINVAL, ".insecure");
    assert_null(aw_tls_context_ref(NULL));
    aw_tls_context_unref(NULL);
}

TEST(tls_context_files_that_cannot_be_used)
{
    const struct world *w = the_world();
    char *rubbish = write_text("this is no certificate\n");
    struct cert weak = MAKE_CERT(.name = "x", .rsa_bits = 1024);
    const struct cert *one = &weak;
    char *weak_file = write_certs(&one, 1, weak.key);
    expect_refusal(aw_tls_context_new(.ca_file = "/nonexistent/ca"), -ENOENT, "/nonexistent/ca");
    expect_refusal(aw_tls_context_new(.ca_file = rubbish), -EBADMSG, rubbish);
    expect_refusal(aw_tls_context_new(.ca_path = "/nonexistent/ca"), -ENOENT, "/nonexistent/ca");
    expect_refusal(aw_tls_context_new(.ca_path = rubbish), -ENOTDIR, rubbish);
    expect_refusal(aw_tls_context_new(.crl_file = rubbish), -EBADMSG, rubbish);
    expect_refusal(aw_tls_context_new(.certificate = "/nonexistent/c"), -ENOENT, "/nonexistent/c");
    expect_refusal(aw_tls_context_new(.certificate = rubbish), -EBADMSG, rubbish);
    expect_refusal(aw_tls_context_new(.certificate = w->client_file, .key = rubbish), -EBADMSG,
                   rubbish);
    expect_refusal(aw_tls_context_new(.certificate = w->client_file, .key = "/nonexistent/k"),
                   -ENOENT, "/nonexistent/k");
    expect_refusal(aw_tls_context_new(.certificate = w->client_file, .key = w->server_file),
                   -EINVAL, "mismatch");
    expect_refusal(aw_tls_context_new(.server = true, .certificate = weak_file), -EBADMSG,
                   "too small");
    free(rubbish);
    free(weak_file);
    free_cert(&weak);
}

TEST(tls_context_key_with_a_password)
{
    const struct world *w = the_world();
    char *path = write_text("");
    FILE *f = fopen(path, "w");
    PEM_write_PrivateKey(f, w->server.key, EVP_aes_128_cbc(), NULL, 0, NULL, "sesame");
    fclose(f);
    aw_tls_context *c =
        aw_tls_context_new(.certificate = w->server_file, .key = path, .password = "sesame");
    assert_non_null(c);
    aw_tls_context_unref(c);
    expect_refusal(
        aw_tls_context_new(.certificate = w->server_file, .key = path, .password = "open"),
        -EBADMSG, path);
    expect_refusal(aw_tls_context_new(.certificate = w->server_file, .key = path), -EBADMSG, path);
    free(path);
}
