/*
 * clocks.c - which accesses are ordered by releases and acquires, and which memory is whose.
 *
 * Each thread has a vector clock; its own entry grows with every release.  An atomic word has the
 * clock of what was released into it: a plain atomic store replaces that, a read-modify-write adds
 * to it or lets it pass (a release sequence).  For each byte that instrumented code has touched the
 * latest access of each kind by each thread is kept; two accesses conflict if one writes, one is
 * plain, and the earlier is not in the past of the later.
 */
#include "model/clocks.h"

#include <stdlib.h>
#include <string.h>

struct clock clocks[WHO];

/* ---- tables that are emptied for each order ---- */

enum { TABLE_SIZE = 1 << 14 };

/* The bytes of an aligned word: when each was last accessed, by each. */
struct word {
    uintptr_t address; /* of the word; 0: free */
    struct clock reads[8], writes[8], atomic_reads[8], atomic_writes[8];
    struct clock *released[8]; /* into the atomic object that begins at that byte, or NULL */
};

static struct word *table[TABLE_SIZE];
static struct word *used[TABLE_SIZE];
static size_t n_used;
static struct clock releases[TABLE_SIZE];
static size_t n_releases;

static struct word *word_at(uintptr_t address)
{
    size_t i = (address >> 3) * 0x9e3779b97f4a7c15u >> 40;
    for (i %= TABLE_SIZE;; i = (i + 1) % TABLE_SIZE) {
        if (table[i] && table[i]->address == address)
            return table[i];
        if (!table[i] || !table[i]->address)
            break;
    }
    if (n_used == TABLE_SIZE / 2)
        abort();
    if (!table[i])
        table[i] = aligned_alloc(_Alignof(struct word), sizeof *table[i]);
    if (!table[i])
        abort();
    memset(table[i], 0, sizeof *table[i]);
    table[i]->address = address;
    used[n_used++] = table[i];
    return table[i];
}

/* ---- blocks ---- */

enum { MAX_BLOCKS = 512 };

static struct block {
    char *start;
    size_t size;
    bool freed;
} blocks[MAX_BLOCKS];
static size_t n_blocks;

void clocks_reset(void)
{
    for (size_t i = 0; i < n_used; i++)
        used[i]->address = 0;
    n_used = n_releases = 0;
    for (size_t i = 0; i < n_blocks; i++)
        free(blocks[i].start);
    n_blocks = 0;
    memset(clocks, 0, sizeof clocks);
    for (int i = 0; i < WHO; i++)
        clocks[i].at[i] = 1;
}

static struct block *block_of(const void *addr)
{
    for (size_t i = n_blocks; i-- > 0;)
        if ((const char *)addr >= blocks[i].start &&
            (const char *)addr < blocks[i].start + blocks[i].size)
            return &blocks[i];
    return NULL;
}

void *blocks_alloc(size_t size)
{
    if (n_blocks == MAX_BLOCKS)
        abort();
    struct block *b = &blocks[n_blocks++];
    *b = (struct block){.start = malloc(size + 1), .size = size};
    return b->start;
}

size_t blocks_left(void)
{
    size_t left = 0;
    for (size_t i = 0; i < n_blocks; i++)
        left += !blocks[i].freed;
    return left;
}

/* ---- accesses ---- */

/* Has `who` not seen one of these accesses of others? */
static bool unseen(int who, const struct clock *times)
{
    union {
        ticks each;
        uint64_t half[2];
    } later = {.each = (ticks)(times->at > clocks[who].at)};
    return later.half[0] | later.half[1];
}

static const char *conflict(int who, const struct word *w, unsigned byte, bool write, bool atomic)
{
    if (unseen(who, &w->writes[byte]))
        return write ? "a write races with a write" : "a read races with a write";
    if (!atomic && unseen(who, &w->atomic_writes[byte]))
        return "a plain access races with an atomic one";
    if (write && unseen(who, &w->reads[byte]))
        return "a write races with a read";
    if (write && !atomic && unseen(who, &w->atomic_reads[byte]))
        return "a write races with an atomic read";
    return NULL;
}

/* An access that is repeated before the thread has released anything conflicts with nothing that
 * the first did not: whoever came between would have conflicted with that. */
static const char *check_byte(int who, struct word *w, unsigned byte, bool write, bool atomic)
{
    struct clock *times =
        atomic ? (write ? w->atomic_writes : w->atomic_reads) : (write ? w->writes : w->reads);
    tick now = clocks[who].at[who];
    if (times[byte].at[who] == now)
        return NULL;
    times[byte].at[who] = now;
    return conflict(who, w, byte, write, atomic);
}

/* Freeing is a write to all of it; nobody may come after. */
static bool is_free_of_others(int who, const struct block *b)
{
    for (size_t i = 0; i < n_used; i++) {
        const struct word *w = used[i];
        uintptr_t start = (uintptr_t)b->start;
        if (w->address + 8 <= start || w->address >= start + b->size)
            continue;
        for (unsigned byte = 0; byte < 8; byte++)
            if (w->address + byte - start < b->size && conflict(who, w, byte, true, false))
                return false;
    }
    return true;
}

const char *blocks_free(int who, void *ptr)
{
    struct block *b = block_of(ptr);
    if (!ptr)
        return NULL;
    if (!b || b->freed)
        return b ? "freed twice" : "freed what was never allocated";
    b->freed = true;
    return is_free_of_others(who, b) ? NULL : "freed under somebody's access";
}

static const char *check_bytes(int who, const void *addr, size_t size, bool write, bool atomic)
{
    struct block *b = block_of(addr);
    if (b && b->freed)
        return "used after it was freed";
    struct word *w = NULL;
    for (uintptr_t at = (uintptr_t)addr, end = at + size; at < end; at++) {
        if (!w || at % 8 == 0)
            w = word_at(at & ~(uintptr_t)7);
        const char *wrong = check_byte(who, w, at % 8, write, atomic);
        if (wrong)
            return wrong;
    }
    return NULL;
}

const char *clocks_plain(int who, const void *addr, size_t size, bool write)
{
    return check_bytes(who, addr, size, write, false);
}

static struct clock *released_into(const void *addr)
{
    struct clock **released =
        &word_at((uintptr_t)addr & ~(uintptr_t)7)->released[(uintptr_t)addr & 7];
    if (*released)
        return *released;
    if (n_releases == TABLE_SIZE)
        abort();
    *released = &releases[n_releases++];
    return memset(*released, 0, sizeof **released);
}

static void tick_on(int who)
{
    if (++clocks[who].at[who] == UINT16_MAX)
        abort();
}

const char *clocks_atomic(int who, const void *addr, size_t size, bool write, bool acquire,
                          bool release, bool replaces)
{
    const char *wrong = check_bytes(who, addr, size, write, true);
    if (wrong)
        return wrong;
    struct clock *released = released_into(addr);
    if (acquire)
        clock_join(&clocks[who], released);
    if (write && replaces)
        memset(released, 0, sizeof *released);
    if (write && release) {
        clock_join(released, &clocks[who]);
        tick_on(who);
    }
    return NULL;
}
