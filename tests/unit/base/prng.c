/*
 * The generator: the same seed gives the same draws, and draws keep to their range.
 */
#include "base/prng.h"

#include "harness/test.h"

TEST(prng_same_seed_same_draws)
{
    aw_prng a, b, other;
    aw_prng_seed(&a, 42);
    aw_prng_seed(&b, 42);
    aw_prng_seed(&other, 43);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t draw = aw_prng_next(&a);
        assert_true(draw == aw_prng_next(&b));
        same += draw == aw_prng_next(&other);
    }
    assert_int_equal(same, 0);
}

TEST(prng_below_reaches_every_number_of_its_range)
{
    aw_prng p;
    aw_prng_seed(&p, 0);
    unsigned seen[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t draw = aw_prng_below(&p, 10);
        assert_true(draw < 10);
        seen[draw]++;
    }
    for (int i = 0; i < 10; i++)
        assert_true(seen[i] > 800 && seen[i] < 1200);
}
