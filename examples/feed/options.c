/*
 * options.c - what can be said to the service: flags, and the environment for those not given.
 *
 * --keep 500, --keep=500 and FEED_KEEP=500 are the same; the table has them all.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feed/feed.h"

enum kind { TEXT, NUMBER, FLAG };

static const struct option {
    const char *name, *environment;
    enum kind kind;
    size_t at;
    const char *fallback, *help;
} table[] = {
    {"host", "FEED_HOST", TEXT, offsetof(struct options, host), "127.0.0.1",
     "address to listen on"},
    {"port", "FEED_PORT", TEXT, offsetof(struct options, port), "8080", "port; 0: a free one"},
    {"journal", "FEED_JOURNAL", TEXT, offsetof(struct options, journal), "feed.journal",
     "file of the queue and of the kept items"},
    {"dead-letters", "FEED_DEAD_LETTERS", TEXT, offsetof(struct options, dead_letters), "feed.dead",
     "file of messages that are no items"},
    {"queue", "FEED_QUEUE", TEXT, offsetof(struct options, queue), "",
     "URL of a queue of SQS, in place of the embedded one"},
    {"dead-queue", "FEED_DEAD_QUEUE", TEXT, offsetof(struct options, dead_queue), "",
     "URL of a queue of SQS for messages that are no items"},
    {"redis", "FEED_REDIS", TEXT, offsetof(struct options, redis), "",
     "URL of a Redis, for several copies with one set of clients"},
    {"sync", "FEED_SYNC", FLAG, offsetof(struct options, sync), NULL,
     "answer when an item is on the disk: survives a loss of power, too"},
    {"keep", "FEED_KEEP", NUMBER, offsetof(struct options, keep), "200",
     "items that newcomers are shown"},
    {"waiting", "FEED_WAITING", NUMBER, offsetof(struct options, waiting), "100000",
     "items that may wait; further ones are refused with 503"},
    {"blocking", "FEED_BLOCKING", FLAG, offsetof(struct options, blocking), NULL,
     "take from the queue in a thread of its own"},
    {"grace", "FEED_GRACE", NUMBER, offsetof(struct options, grace), "10",
     "seconds to finish what is in hand when asked to stop"},
    {"page", "FEED_PAGE", TEXT, offsetof(struct options, page), FEED_FOLDER "/page",
     "folder of the page"},
    {"client", "FEED_CLIENT", TEXT, offsetof(struct options, client), FEED_CLIENT,
     "script of the Socket.IO client; where there is none the page's own serves"},
};
enum { OPTIONS = sizeof table / sizeof *table };

static int set_number(double *field, const char *value, const char *from)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= 0 && number <= 1e9)) {
        fprintf(stderr, "feed: %s: \"%s\" is not a number from 0 to 1000000000\n", from, value);
        return -EINVAL;
    }
    *field = number;
    return 0;
}

/* Words that begin like others are none: "off" is not to be taken for "on". */
static int set_flag(bool *field, const char *value, const char *from)
{
    static const char *const words[] = {"0", "1", "no", "yes", "false", "true", "off", "on", ""};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(value, words[i]) == 0) {
            *field = i % 2;
            return 0;
        }
    fprintf(stderr, "feed: %s: \"%s\" is neither 1 nor 0\n", from, value);
    return -EINVAL;
}

/* An empty text is good for what is off by default only: an address that is empty would be all. */
static int set_text(const char **field, const char *value, const struct option *it,
                    const char *from)
{
    if (!*value && *it->fallback) {
        fprintf(stderr, "feed: %s: the value is empty\n", from);
        return -EINVAL;
    }
    *field = value;
    return 0;
}

static int set(struct options *o, const struct option *it, const char *value, const char *from)
{
    void *field = (char *)o + it->at;
    return it->kind == NUMBER ? set_number(field, value, from)
           : it->kind == FLAG ? set_flag(field, value, from)
                              : set_text(field, value, it, from);
}

static int defaults(struct options *o)
{
    for (int i = 0; i < OPTIONS; i++) {
        const char *value = getenv(table[i].environment);
        if (!value)
            value = table[i].fallback;
        if (value)
            AW_TRY(set(o, &table[i], value, table[i].environment));
    }
    return 0;
}

static int help(void)
{
    printf(
        "feed: items from a queue to every browser that looks on\n\nusage: feed [OPTION]...\n\n");
    for (int i = 0; i < OPTIONS; i++) {
        const struct option *it = &table[i];
        printf("  --%-14s%s\n%18s%s", it->name, it->help, "", it->environment);
        if (it->fallback && *it->fallback)
            printf(", by default %s", it->fallback);
        printf("\n");
    }
    return 0;
}

static const struct option *find(const char *word, size_t n)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strlen(table[i].name) == n && memcmp(table[i].name, word, n) == 0)
            return &table[i];
    return NULL;
}

static int refuse(const char *word, const char *why)
{
    fprintf(stderr, "feed: %s: %s; see --help\n", word, why);
    return -EINVAL;
}

int options_read(struct options *o, int argc, char **argv)
{
    AW_TRY(defaults(o));
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = strchr(word, '=');
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return help();
        const struct option *it = NULL;
        if (strncmp(word, "--", 2) == 0)
            it = find(word + 2, value ? (size_t)(value - word) - 2 : strlen(word) - 2);
        if (!it)
            return refuse(word, "no such option");
        if (value)
            value++;
        else if (it->kind == FLAG)
            value = "1";
        else if (!(value = argv[++i]))
            return refuse(word, "a value is missing");
        AW_TRY(set(o, it, value, word));
    }
    return 1;
}
