/*
 * journal.h - a file of lines that survives the process.
 *
 * Lines are collected, and one task writes them: whatever came while it was writing goes out with
 * its next write, so a thousand callers a second cost a few dozen writes.  What was written is the
 * kernel's, and survives a kill of the process; with `sync` it is on the disk, and survives a loss
 * of power.  A file that has grown is written anew, with what still counts.
 */
#ifndef FEED_JOURNAL_H
#define FEED_JOURNAL_H

#include <await.h>
#include <stdio.h>

struct journal;

/* What the journal asks of its owner. */
struct journal_owner {
    /* A line of the file, without its end, when it is opened.  False: it makes no sense.  The last
     * one, if it was cut off in the middle, is left out. */
    bool (*replay)(void *arg, char *line, size_t n);
    /* Write all lines that still count. */
    void (*rewrite)(void *arg, FILE *to);
    void *arg;
};

/* NULL with aw_errno() and aw_errmsg(): also when the file's first line makes no sense, for then it
 * is somebody else's, and is left alone.  If a later one makes none, that is said, the file is kept
 * as "<path>.damaged", and the others count.  Suspends. */
struct journal *journal_open(const char *path, bool sync, const struct journal_owner *owner);

/* Write what is pending, and close; says so when that cannot be written.  Suspends. */
void journal_close(struct journal *j);

/* Add a line: "KIND ID TEXT", the text optional.  Does not suspend; -ENOMEM, or the error that
 * keeps the journal from being written. */
int journal_add(struct journal *j, char kind, const char *id, const char *text);

/* Wait until every line up to now is in the file: 0, or why it cannot be written.  Suspends. */
int journal_commit(struct journal *j);

/* 0, or the error that keeps the journal from being written. */
int journal_error(const struct journal *j);

#endif
