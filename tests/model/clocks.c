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

/* The bytes of an aligned word, and its clock if something atomic was done to it. */
struct word {
    uintptr_t address; /* of the word; 0: free */
    uint32_t reads[8][WHO], writes[8][WHO], atomic_writes[8][WHO];
    struct clock released[8]; /* of the atomic object that begins at that byte */
};

static struct word *table[TABLE_SIZE];
static struct word *used[TABLE_SIZE];
static size_t n_used;

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
        table[i] = malloc(sizeof *table[i]);
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
    bool freed, not_raced;
} blocks[MAX_BLOCKS];
static size_t n_blocks;

void clocks_reset(void)
{
    for (size_t i = 0; i < n_used; i++)
        used[i]->address = 0;
    n_used = 0;
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

void blocks_not_raced(const void *ptr)
{
    struct block *b = block_of(ptr);
    if (b)
        b->not_raced = true;
}

const char *blocks_free(int who, void *ptr)
{
    struct block *b = block_of(ptr);
    if (!ptr)
        return NULL;
    if (!b || b->freed)
        return b ? "freed twice" : "freed what was never allocated";
    const char *wrong = b->not_raced ? NULL : clocks_plain(who, b->start, b->size, true);
    b->freed = true;
    return wrong ? "freed under somebody's access" : NULL;
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
static bool unseen(int who, const uint32_t times[WHO])
{
    for (int i = 0; i < WHO; i++)
        if (times[i] > clocks[who].at[i])
            return true;
    return false;
}

static const char *check_byte(int who, uintptr_t address, bool write, bool atomic)
{
    struct word *w = word_at(address & ~(uintptr_t)7);
    unsigned byte = address & 7;
    if (unseen(who, w->writes[byte]))
        return write ? "a write races with a write" : "a read races with a write";
    if (!atomic && unseen(who, w->atomic_writes[byte]))
        return "a plain access races with an atomic one";
    if (write && unseen(who, w->reads[byte]))
        return "a write races with a read";
    uint32_t *times = !write ? w->reads[byte] : atomic ? w->atomic_writes[byte] : w->writes[byte];
    if (write || !atomic)
        times[who] = clocks[who].at[who];
    return NULL;
}

static const char *check_bytes(int who, const void *addr, size_t size, bool write, bool atomic)
{
    struct block *b = block_of(addr);
    if (b && b->freed)
        return "used after it was freed";
    for (size_t i = 0; i < size; i++) {
        const char *wrong = check_byte(who, (uintptr_t)addr + i, write, atomic);
        if (wrong)
            return wrong;
    }
    return NULL;
}

const char *clocks_plain(int who, const void *addr, size_t size, bool write)
{
    return check_bytes(who, addr, size, write, false);
}

const char *clocks_atomic(int who, const void *addr, size_t size, bool write, bool acquire,
                          bool release, bool replaces)
{
    const char *wrong = check_bytes(who, addr, size, write, true);
    if (wrong)
        return wrong;
    struct word *w = word_at((uintptr_t)addr & ~(uintptr_t)7);
    struct clock *released = &w->released[(uintptr_t)addr & 7];
    if (acquire)
        clock_join(&clocks[who], released);
    if (write && replaces)
        memset(released, 0, sizeof *released);
    if (write && release) {
        clock_join(released, &clocks[who]);
        clocks[who].at[who]++;
    }
    return NULL;
}
