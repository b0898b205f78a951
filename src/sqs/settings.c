/*
 * settings.c - where region and endpoint come from.
 *
 * They are found by the first request and kept: one task looks while the others wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqs/sqs.h"

const char *aw_sqs_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool aw_sqs_env_true(const char *name)
{
    const char *value = aw_sqs_env(name);
    return value && (!strcmp(value, "true") || !strcmp(value, "True") || !strcmp(value, "TRUE") ||
                     !strcmp(value, "1"));
}

const char *aw_sqs_profile(const aw_sqs *c)
{
    const char *name = c->o.profile;
    name = name ? name : aw_sqs_env("AWS_PROFILE");
    name = name ? name : aw_sqs_env("AWS_DEFAULT_PROFILE");
    return name ? name : "default";
}

int aw_sqs_shared_file(const char *variable, const char *in_home, char **ret)
{
    const char *path = aw_sqs_env(variable), *home = aw_sqs_env("HOME");
    char text[512];
    if (!path && home)
        snprintf(text, sizeof text, "%.400s/%s", home, in_home);
    if (!path && !home)
        return 0;
    return aw_sqs_file(path ? path : text, ret);
}

/* ---- looking ---- */

/* A setting of the profile in the config file, if there is one: 1, 0, an error. */
static int of_profile(const aw_sqs *c, const char *config, const char *key, char **ret)
{
    return config ? aw_sqs_profile_find(config, "profile", aw_sqs_profile(c), key, NULL, ret) : 0;
}

static int copy(const char *text, char **ret)
{
    *ret = aw_copy(text);
    return *ret ? 1 : -ENOMEM;
}

static int find_region(const aw_sqs *c, const char *config, char **ret)
{
    const char *said = c->o.region ? c->o.region : aw_sqs_env("AWS_REGION");
    said = said ? said : aw_sqs_env("AWS_DEFAULT_REGION");
    return said ? copy(said, ret) : of_profile(c, config, "region", ret);
}

static int of_services(const aw_sqs *c, const char *config, char **ret)
{
    char *services = NULL;
    int found = of_profile(c, config, "services", &services);
    if (found > 0)
        found = aw_sqs_profile_find(config, "services", services, "sqs", "endpoint_url", ret);
    aw_mem_free(services);
    return found;
}

static int find_endpoint(const aw_sqs *c, const char *config, char **ret)
{
    if (c->o.endpoint)
        return copy(c->o.endpoint, ret);
    if (aw_sqs_env_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
        return 0;
    const char *said = aw_sqs_env("AWS_ENDPOINT_URL_SQS");
    said = said ? said : aw_sqs_env("AWS_ENDPOINT_URL");
    if (said)
        return copy(said, ret);
    int found = of_services(c, config, ret);
    return found ? found : of_profile(c, config, "endpoint_url", ret);
}

/* ---- making ---- */

/* A region becomes part of a host's name. */
static bool is_region(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    return n > 0 && n < 64 && !s[n];
}

static int make_endpoint(const char *region, char **ret)
{
    char text[160];
    const char *rest = !strncmp(region, "cn-", 3) ? ".cn" : "";
    snprintf(text, sizeof text, "https://sqs.%s.amazonaws.com%s/", region, rest);
    return copy(text, ret);
}

static int check_endpoint(const char *url)
{
    char words[320];
    int err = aw_url_make(NULL, url, NULL, NULL, 0);
    if (err >= 0 && (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8)))
        return 0;
    snprintf(words, sizeof words, "sqs: the endpoint %.200s is no URL of http or https", url);
    return aw_raise(-EINVAL, words);
}

static int set_up(aw_sqs *c, char **region, char **endpoint)
{
    char signing[96], words[160];
    if (!*region && !*endpoint)
        return aw_raise(-EINVAL, "sqs: no region: neither given nor in AWS_REGION nor in the "
                                 "profile, and no endpoint");
    if (!*region)
        AW_TRY(copy("us-east-1", region));
    snprintf(words, sizeof words, "sqs: the region %.80s is no name of one", *region);
    if (!is_region(*region))
        return aw_raise(-EINVAL, words);
    if (!*endpoint)
        AW_TRY(make_endpoint(*region, endpoint));
    AW_TRY(check_endpoint(*endpoint));
    snprintf(signing, sizeof signing, "aws:amz:%s:sqs", *region);
    AW_TRY(copy(signing, &c->signing));
    c->region = *region;
    c->endpoint = *endpoint;
    *region = *endpoint = NULL;
    return 0;
}

static int read_config(const aw_sqs *c, char **ret)
{
    bool needed = !c->o.endpoint || !c->o.region;
    return needed ? aw_sqs_shared_file("AWS_CONFIG_FILE", ".aws/config", ret) : 0;
}

static int settle(void *arg)
{
    aw_sqs *c = arg;
    char *config = NULL, *region = NULL, *endpoint = NULL;
    if (c->endpoint)
        return 0;
    int err = read_config(c, &config);
    if (err >= 0)
        err = find_region(c, config, &region);
    if (err >= 0)
        err = find_endpoint(c, config, &endpoint);
    if (err >= 0)
        err = set_up(c, &region, &endpoint);
    aw_mem_free(config);
    aw_mem_free(region);
    aw_mem_free(endpoint);
    return err < 0 ? err : 0;
}

int aw_sqs_settle(aw_sqs *c)
{
    return c->endpoint ? 0 : aw_lock_call(&c->settling, settle, c);
}
