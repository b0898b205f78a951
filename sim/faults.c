/*
 * faults.c - what is drawn: whether, how much, how long.
 *
 * A storm is counted in refusals as well as in time: a caller that tries again and again without
 * letting time pass gets through too.
 */
#include "sim/sim.h"

static const int64_t storm_max = 3000000; /* ns */

static bool is_calm(const struct sim *s)
{
    return s->now >= s->calm_at;
}

bool aw_simu_draw(struct sim *s, double chance)
{
    if (chance <= 0 || is_calm(s))
        return false;
    const double steps = 1u << 30;
    return (double)aw_prng_below(&s->prng, 1u << 30) < chance * steps;
}

int64_t aw_simu_ns(double seconds)
{
    return (int64_t)(seconds * 1e9);
}

int64_t aw_simu_latency(struct sim *s)
{
    int64_t jitter = is_calm(s) ? 0 : aw_simu_ns(s->opts.jitter);
    int64_t more = jitter > 0 ? (int64_t)aw_prng_below(&s->prng, (uint64_t)jitter) : 0;
    return aw_simu_ns(s->opts.latency) + more;
}

size_t aw_simu_part(struct sim *s, size_t n)
{
    return 1 + (size_t)aw_prng_below(&s->prng, n - 1);
}

/* ---- storms ---- */

static void storm_over(struct sim *s, struct sim_event *e)
{
    e->sock->storms[e->n].left = 0;
    aw_simu_touch(s, e->sock);
}

static void begin_storm(struct sim *s, struct sim_sock *k, int side)
{
    struct sim_storm *storm = &k->storms[side];
    int64_t lasts = 1 + (int64_t)aw_prng_below(&s->prng, (uint64_t)storm_max);
    storm->left = 1 + (unsigned)aw_prng_below(&s->prng, 8);
    storm->over.n = (size_t)side;
    s->counts.storms++;
    aw_simu_schedule(s, &storm->over, s->now + lasts, k, storm_over);
}

bool aw_simu_refuses(struct sim *s, struct sim_sock *k, int side)
{
    struct sim_storm *storm = &k->storms[side];
    if (storm->left == 0 && !sim_is_coming(&storm->over) && aw_simu_draw(s, s->opts.storm))
        begin_storm(s, k, side);
    if (storm->left == 0)
        return false;
    storm->left--;
    s->counts.refusals++;
    return true;
}

/* ---- swarms ---- */

/* Half of the runs are without a fault, so that each is also seen without the others. */
static void draw_chance(aw_prng *prng, double *chance, double most)
{
    bool with = aw_prng_below(prng, 2);
    double drawn = most * (double)aw_prng_below(prng, 1000) / 1000;
    if (*chance == 0 && with)
        *chance = drawn;
}

void aw_simu_swarm(aw_sim_opts *o)
{
    static const size_t buffers[] = {1, 16, 300, 4096, 65536, 65536};
    const size_t n_buffers = sizeof buffers / sizeof *buffers;
    aw_prng prng;
    aw_prng_seed(&prng, o->seed ^ 0x5a77);
    size_t buffer = buffers[aw_prng_below(&prng, n_buffers)];
    if (o->buffer == 0)
        o->buffer = buffer;
    double most = o->buffer < 100 ? 0.0005 : 0.05; /* a narrow way is short, or nothing gets done */
    draw_chance(&prng, &o->latency, most);
    draw_chance(&prng, &o->jitter, most);
    draw_chance(&prng, &o->split, 0.9);
    draw_chance(&prng, &o->coalesce, 0.9);
    draw_chance(&prng, &o->short_write, 0.8);
    draw_chance(&prng, &o->short_read, 0.8);
    draw_chance(&prng, &o->storm, 0.5);
    draw_chance(&prng, &o->stall, 0.05);
    draw_chance(&prng, &o->reset, 0.02);
    draw_chance(&prng, &o->half_close, 0.02);
    draw_chance(&prng, &o->abort, 0.2);
    draw_chance(&prng, &o->late, 0.8);
}
