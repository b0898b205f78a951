/*
 * table.c - the hash table, and the hash that nobody can play with.
 */
#include "sio/table.h"
#include "harness/test.h"

/* The test vectors of SipHash-2-4's authors: the key 00..0f, messages 00, 00 01, ... */
TEST(sio_hash_is_siphash)
{
    static const uint64_t want[] = {0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
                                    0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
                                    0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
                                    0x9e0082df0ba9e4b0};
    static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    unsigned char message[16];
    for (unsigned i = 0; i < sizeof want / sizeof *want; i++) {
        message[i] = (unsigned char)i;
        assert_true(aw_sio_hash(key, message, i) == want[i]);
    }
}

struct thing {
    struct aw_sio_node node;
    char name[16];
};

TEST(sio_table_adds_finds_removes)
{
    enum { N = 1000 };
    static struct thing things[N];
    static const uint64_t key[2] = {1, 2};
    struct aw_sio_table t = {.key = key};
    assert_null(aw_sio_table_find(&t, "0"));
    assert_null(aw_sio_table_any(&t));
    for (int i = 0; i < N; i++) {
        snprintf(things[i].name, sizeof things[i].name, "%d", i);
        things[i].node.name = things[i].name;
        assert_int_equal(aw_sio_table_add(&t, &things[i].node), 0);
    }
    for (int i = 0; i < N; i += 2)
        aw_sio_table_remove(&t, &things[i].node);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(aw_sio_table_find(&t, things[i].name), i % 2 ? &things[i].node : NULL);
    struct aw_sio_node *node;
    while ((node = aw_sio_table_any(&t)) != NULL)
        aw_sio_table_remove(&t, node);
    assert_int_equal(t.n, 0);
    aw_sio_table_clear(&t);
}

/* Hash flooding: names that meet under one key do not under another. */
TEST(reliability_hash_flooding_slots_depend_on_the_key)
{
    static const uint64_t key[2] = {3, 4}, other[2] = {5, 6};
    unsigned met = 0, found = 0;
    for (unsigned i = 0; found < 64; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "%u", i);
        if ((aw_sio_hash(key, name, (size_t)n) & 255) != 0)
            continue; /* an attacker keeps those of one slot */
        found++;
        met += (aw_sio_hash(other, name, (size_t)n) & 255) == 0;
    }
    assert_in_range(met, 0, 4);
}
