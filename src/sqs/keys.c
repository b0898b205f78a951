/*
 * keys.c - where keys come from, and when new ones are needed.
 *
 * The sources are asked in their order until one has keys.  What has no date is kept until the
 * service says that it has expired.  What has one is asked for again MARGIN seconds before; until
 * it has really expired requests go on with what there is, should asking fail or take its time.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sqs/sqs.h"

enum { MARGIN = 600, PAUSE = 60 };

static void free_keys(struct aw_sqs_keys *k)
{
    aw_sqs_forget(k->access);
    aw_sqs_forget(k->secret);
    aw_sqs_forget(k->token);
    *k = (struct aw_sqs_keys){0};
}

int aw_sqs_keys_make(const char *access, const char *secret, const char *token, double expires,
                     struct aw_sqs_keys *k)
{
    k->access = aw_copy(access);
    k->secret = aw_copy(secret);
    k->token = aw_copy(token);
    k->expires = expires;
    if (k->access && k->secret && (k->token || !token))
        return 1;
    free_keys(k);
    return -ENOMEM;
}

/* ---- sources ---- */

static int of_arguments(const aw_sqs *c, struct aw_sqs_keys *k)
{
    const aw_sqs_opts *o = &c->o;
    if (!o->access_key)
        return 0;
    return aw_sqs_keys_make(o->access_key, o->secret_key, o->session_token, (double)INFINITY, k);
}

static int of_environment(const aw_sqs *c, struct aw_sqs_keys *k)
{
    const char *access = aw_sqs_env("AWS_ACCESS_KEY_ID");
    const char *secret = aw_sqs_env("AWS_SECRET_ACCESS_KEY");
    if (c->o.profile || (!access && !secret))
        return 0;
    if (!access || !secret)
        return aw_raise(-ENOKEY, access ? "sqs: AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY"
                                        : "sqs: AWS_SECRET_ACCESS_KEY without AWS_ACCESS_KEY_ID");
    return aw_sqs_keys_make(access, secret, aw_sqs_env("AWS_SESSION_TOKEN"), (double)INFINITY, k);
}

/* What other ways to keys a profile may name, none of which is gone. */
static int refuse_others(const char *text, const char *kind, const char *profile)
{
    static const char *const others[] = {"role_arn", "sso_session", "sso_start_url",
                                         "credential_process", "web_identity_token_file"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *value = NULL, words[200];
        int found = aw_sqs_profile_find(text, kind, profile, others[i], NULL, &value);
        aw_mem_free(value);
        snprintf(words, sizeof words,
                 "sqs: the profile %.80s has its keys by %s, which this "
                 "client does not follow",
                 profile, others[i]);
        if (found)
            return found < 0 ? found : aw_raise(-ENOKEY, words);
    }
    return 0;
}

static int of_section(const char *text, const char *kind, const char *profile,
                      struct aw_sqs_keys *k)
{
    int access = aw_sqs_profile_find(text, kind, profile, "aws_access_key_id", NULL, &k->access);
    int secret =
        aw_sqs_profile_find(text, kind, profile, "aws_secret_access_key", NULL, &k->secret);
    int token = aw_sqs_profile_find(text, kind, profile, "aws_session_token", NULL, &k->token);
    int worst = access < secret ? access : secret;
    k->expires = (double)INFINITY;
    if (worst > 0 && token >= 0)
        return 1;
    bool half = worst == 0 && access != secret && token >= 0;
    free_keys(k);
    if (half)
        return aw_raise(-ENOKEY, "sqs: a profile with one of aws_access_key_id and "
                                 "aws_secret_access_key, and without the other");
    if (worst < 0 || token < 0)
        return -ENOMEM;
    return refuse_others(text, kind, profile);
}

static int of_file(const aw_sqs *c, const char *variable, const char *in_home, const char *kind,
                   struct aw_sqs_keys *k)
{
    char *text = NULL;
    int found = aw_sqs_shared_file(variable, in_home, &text);
    if (found > 0)
        found = of_section(text, kind, aw_sqs_profile(c), k);
    aw_sqs_forget(text);
    return found;
}

static int find(aw_sqs *c, struct aw_sqs_keys *k)
{
    int found = of_arguments(c, k);
    if (!found)
        found = of_environment(c, k);
    if (!found)
        found = of_file(c, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", "", k);
    if (!found)
        found = of_file(c, "AWS_CONFIG_FILE", ".aws/config", "profile", k);
    if (!found)
        found = aw_sqs_container_keys(c, k);
    if (!found)
        found = aw_sqs_instance_keys(c, k);
    if (found)
        return found;
    char words[320];
    snprintf(words, sizeof words,
             "sqs: no credentials: not in .access_key, the environment, the profile %.80s of the "
             "shared files, or a container's or an instance's metadata",
             aw_sqs_profile(c));
    return aw_raise(-ENOKEY, words);
}

/* ---- renewing ---- */

static bool are_good(const aw_sqs *c, double margin)
{
    return c->ring && aw_wall_time() + c->skew < c->ring->keys.expires - margin;
}

static int check_characters(const struct aw_sqs_keys *k)
{
    const char *const texts[] = {k->access, k->secret, k->token};
    for (int i = 0; i < 3; i++)
        for (const char *p = texts[i]; p && *p; p++)
            if (*p <= ' ' || *p == 127)
                return aw_raise(-ENOKEY, "sqs: credentials with a blank or a line break in them");
    return 0;
}

static int find_ring(aw_sqs *c, struct aw_sqs_ring **ret)
{
    struct aw_sqs_ring *r = aw_mem_zalloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    r->refs = 1;
    int err = find(c, &r->keys);
    if (err >= 0)
        err = check_characters(&r->keys);
    if (err < 0)
        aw_sqs_ring_unref(r);
    else
        *ret = r;
    return err < 0 ? err : 0;
}

static int renew(void *arg)
{
    aw_sqs *c = arg;
    struct aw_sqs_ring *r;
    if (are_good(c, MARGIN)) /* another task has renewed them meanwhile */
        return 0;
    int err = find_ring(c, &r);
    if (err < 0) {
        c->ask_again = aw_wall_time() + PAUSE;
        return err != -ECANCELED && are_good(c, 0) ? 0 : err;
    }
    aw_sqs_ring_unref(c->ring);
    c->ring = r;
    return 0;
}

int aw_sqs_ring_get(aw_sqs *c, struct aw_sqs_ring **ret)
{
    bool asked = aw_lock_locked(&c->renewing) || aw_wall_time() < c->ask_again;
    if (!are_good(c, asked ? 0 : MARGIN))
        AW_TRY(aw_lock_call(&c->renewing, renew, c));
    *ret = c->ring;
    c->ring->refs++;
    return 0;
}

void aw_sqs_ring_unref(struct aw_sqs_ring *r)
{
    if (!r || --r->refs > 0)
        return;
    free_keys(&r->keys);
    aw_mem_free(r);
}

void aw_sqs_ring_expired(aw_sqs *c, const struct aw_sqs_ring *r)
{
    if (c->ring != r)
        return;
    aw_sqs_ring_unref(c->ring);
    c->ring = NULL;
}
