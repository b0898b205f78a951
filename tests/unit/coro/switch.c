/*
 * The switch: who runs when, and that what a fiber had is there when it comes back.
 *
 * The compiler is told that a switch loses every register, so what could go wrong is that it is
 * told too little.  The tests keep many values of each kind alive over switches to a fiber that
 * overwrites every register by hand.
 */
#include "fibers.h"

#include <fenv.h>

struct pair {
    struct test_fiber *other;
    int turns, left;
};

static void count_turns(struct test_fiber *self)
{
    int *turns = self->arg;
    for (;;) {
        ++*turns;
        if (*turns == 1000)
            return;
        fiber_pause(self);
    }
}

TEST(coro_thread_and_fiber_take_turns)
{
    fibers_begin();
    int turns = 0;
    struct test_fiber *f = fiber_new(count_turns, &turns);
    for (int i = 1; i <= 1000; i++) {
        fiber_resume(f);
        assert_int_equal(turns, i);
    }
    fibers_end();
}

/* Passes the turn to the other until there is none left; the first to see that ends the test. */
static void ping_pong(struct test_fiber *self)
{
    struct pair *p = self->arg;
    while (p->left > 0) {
        p->left--;
        p->turns++;
        aw_fiber_switch(&self->fiber, &p->other->fiber);
    }
}

TEST(coro_two_fibers_ping_pong)
{
    fibers_begin();
    struct pair a = {NULL, 0, 5000}, b = {NULL, 0, 5000};
    b.other = fiber_new(ping_pong, &a);
    a.other = fiber_new(ping_pong, &b);
    fiber_resume(b.other); /* a; when it has no turn left it ends, and b waits in its switch */
    assert_int_equal(a.turns, 5000);
    assert_int_equal(b.turns, 5000);
    fiber_resume(a.other);
    fibers_end();
}

#define RING 1000

struct ring {
    struct test_fiber *members[RING];
    unsigned order[RING];
    unsigned visited, rounds;
};

struct member {
    struct ring *ring;
    unsigned index;
};

static void pass_on(struct test_fiber *self)
{
    struct member me = *(struct member *)self->arg;
    struct ring *r = me.ring;
    for (unsigned round = 0; round < r->rounds; round++) {
        assert_int_equal(r->visited++, round * RING + me.index);
        if (me.index + 1 < RING)
            aw_fiber_switch(&self->fiber, &r->members[me.index + 1]->fiber);
        else
            fiber_pause(self);
    }
}

TEST(coro_thousand_fibers_in_a_ring)
{
    fibers_begin();
    static struct ring r = {.rounds = 20};
    static struct member members[RING];
    for (unsigned i = 0; i < RING; i++) {
        members[i] = (struct member){&r, i};
        r.members[i] = fiber_new(pass_on, &members[i]);
    }
    for (unsigned round = 0; round < r.rounds; round++)
        fiber_resume(r.members[0]);
    assert_int_equal(r.visited, r.rounds * RING);
    for (unsigned i = 0; i < RING; i++)
        fiber_resume(r.members[i]);
    fibers_end();
}

/* ---- what survives ---- */

/* Overwrites every register that a function may, and comes back, again and again. */
static void trash_registers(struct test_fiber *self)
{
    for (int i = 0; i < 100; i++) {
#ifdef __x86_64__
        __asm__ volatile("movq $-1, %%rax\n\tmovq %%rax, %%rbx\n\tmovq %%rax, %%rcx\n\t"
                         "movq %%rax, %%rdx\n\tmovq %%rax, %%rsi\n\tmovq %%rax, %%rdi\n\t"
                         "movq %%rax, %%r8\n\tmovq %%rax, %%r9\n\tmovq %%rax, %%r10\n\t"
                         "movq %%rax, %%r11\n\tmovq %%rax, %%r12\n\tmovq %%rax, %%r13\n\t"
                         "movq %%rax, %%r14\n\tmovq %%rax, %%r15\n\t"
                         "movq %%rax, %%xmm0\n\tmovq %%rax, %%xmm1\n\tmovq %%rax, %%xmm2\n\t"
                         "movq %%rax, %%xmm3\n\tmovq %%rax, %%xmm4\n\tmovq %%rax, %%xmm5\n\t"
                         "movq %%rax, %%xmm6\n\tmovq %%rax, %%xmm7\n\tmovq %%rax, %%xmm8\n\t"
                         "movq %%rax, %%xmm9\n\tmovq %%rax, %%xmm10\n\tmovq %%rax, %%xmm11\n\t"
                         "movq %%rax, %%xmm12\n\tmovq %%rax, %%xmm13\n\tmovq %%rax, %%xmm14\n\t"
                         "movq %%rax, %%xmm15\n\tfninit"
                         :
                         :
                         : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
                           "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                           "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                           "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)",
                           "st(5)", "st(6)", "st(7)", "cc", "memory");
#elif defined(__aarch64__)
        __asm__ volatile("mov x0, #-1\n\tmov x1, x0\n\tmov x2, x0\n\tmov x3, x0\n\tmov x4, x0\n\t"
                         "mov x5, x0\n\tmov x6, x0\n\tmov x7, x0\n\tmov x8, x0\n\tmov x9, x0\n\t"
                         "mov x10, x0\n\tmov x11, x0\n\tmov x12, x0\n\tmov x13, x0\n\t"
                         "mov x14, x0\n\tmov x15, x0\n\tmov x16, x0\n\tmov x17, x0\n\t"
                         "mov x18, x0\n\tmov x19, x0\n\tmov x20, x0\n\tmov x21, x0\n\t"
                         "mov x22, x0\n\tmov x23, x0\n\tmov x24, x0\n\tmov x25, x0\n\t"
                         "mov x26, x0\n\tmov x27, x0\n\tmov x28, x0\n\tmov x30, x0\n\t"
                         "dup v8.2d, x0\n\tdup v9.2d, x0\n\tdup v10.2d, x0\n\t"
                         "dup v11.2d, x0\n\tdup v12.2d, x0\n\tdup v13.2d, x0\n\t"
                         "dup v14.2d, x0\n\tdup v15.2d, x0\n\tdup v16.2d, x0\n\t"
                         "dup v31.2d, x0"
                         :
                         :
                         : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
                           "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
                           "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v8", "v9",
                           "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v31", "cc", "memory");
#endif
        fiber_pause(self);
    }
}

/* The compiler can know nothing of a value that went through here. */
static uint64_t opaque(uint64_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

static double opaque_double(double value)
{
#ifdef __aarch64__
    __asm__ volatile("" : "+w"(value));
#else
    __asm__ volatile("" : "+x"(value));
#endif
    return value;
}

TEST(coro_integers_in_registers_survive)
{
    fibers_begin();
    struct test_fiber *f = fiber_new(trash_registers, NULL);
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t a = opaque(i + 1), b = opaque(i + 2), c = opaque(i + 3), d = opaque(i + 4);
        uint64_t e = opaque(i + 5), g = opaque(i + 6), h = opaque(i + 7), j = opaque(i + 8);
        uint64_t k = opaque(i + 9), l = opaque(i + 10), m = opaque(i + 11), n = opaque(i + 12);
        fiber_resume(f);
        assert_true(a == i + 1 && b == i + 2 && c == i + 3 && d == i + 4);
        assert_true(e == i + 5 && g == i + 6 && h == i + 7 && j == i + 8);
        assert_true(k == i + 9 && l == i + 10 && m == i + 11 && n == i + 12);
    }
    fiber_resume(f);
    fibers_end();
}

TEST(coro_floating_point_values_survive)
{
    fibers_begin();
    struct test_fiber *f = fiber_new(trash_registers, NULL);
    for (int i = 0; i < 100; i++) {
        double a = opaque_double(i + .5), b = opaque_double(i * 2.), c = opaque_double(i / 3.);
        double d = opaque_double(i - 4.), e = opaque_double(i * 5.), g = opaque_double(i / 7.);
        volatile long double seventh = 7.0L;
        long double h = (long double)i / seventh, k = h * h;
        float l = (float)opaque_double(i + .25);
        fiber_resume(f);
        assert_true(a == i + .5 && b == i * 2. && c == i / 3.);
        assert_true(d == i - 4. && e == i * 5. && g == i / 7.);
        assert_true(h == (long double)i / seventh && k == h * h && l == (float)i + .25f);
    }
    fiber_resume(f);
    fibers_end();
}

static void keep_array(struct test_fiber *self)
{
    unsigned seed = *(unsigned *)self->arg, values[2000];
    for (unsigned i = 0; i < 2000; i++)
        values[i] = seed + i * 7;
    for (int turn = 0; turn < 3; turn++) {
        fiber_pause(self);
        for (unsigned i = 0; i < 2000; i++)
            assert_int_equal(values[i], seed + i * 7);
    }
}

TEST(coro_values_on_the_stack_survive)
{
    fibers_begin();
    struct test_fiber *fibers[50];
    unsigned seeds[50];
    for (unsigned i = 0; i < 50; i++) {
        seeds[i] = i * 1000003;
        fibers[i] = fiber_new(keep_array, &seeds[i]);
    }
    for (int turn = 0; turn < 4; turn++)
        for (unsigned i = 0; i < 50; i++)
            fiber_resume(fibers[i * 7 % 50]);
    fibers_end();
}

#ifndef AW_SWITCH_UCONTEXT /* which gives each context control words of its own */

static void round_upward(struct test_fiber *self)
{
    assert_int_equal(fesetround(FE_UPWARD), 0);
    fiber_pause(self);
    assert_int_equal(fegetround(), FE_DOWNWARD);
}

/* Documented in fiber.h: the control words are the thread's, and pass through a switch. */
TEST(coro_rounding_mode_belongs_to_the_thread)
{
    fibers_begin();
    struct test_fiber *f = fiber_new(round_upward, NULL);
    fiber_resume(f);
    assert_int_equal(fegetround(), FE_UPWARD);
    fesetround(FE_DOWNWARD);
    fiber_resume(f);
    fesetround(FE_TONEAREST);
    fibers_end();
}

#endif

/* ---- entry and stack ---- */

static void check_alignment(struct test_fiber *self)
{
#ifdef __x86_64__
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    assert_int_equal(frame % 16, 0);
    struct {
        _Alignas(16) unsigned char bytes[16];
    } cell;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovaps %%xmm0, %0" : "=m"(cell) : : "xmm0");
    assert_int_equal(cell.bytes[15], 255);
#endif
    struct {
        _Alignas(64) char line[64];
    } wide;
    __asm__ volatile("" : : "r"(&wide) : "memory");
    assert_int_equal((uintptr_t)&wide % 64, 0);
    fiber_pause(self);
    assert_int_equal((uintptr_t)&wide % 64, 0);
}

TEST(coro_stack_is_aligned_at_entry)
{
    fibers_begin();
    for (int i = 0; i < 30; i++) { /* more than there are colours */
        struct test_fiber *f = fiber_new(check_alignment, NULL);
        fiber_resume(f);
        fiber_resume(f);
        fiber_new(check_alignment, NULL); /* so that the next one is another */
        pool.slots_live--;
    }
    fibers_end();
}

/* Goes down until less than `spare` bytes are left; checks its own bytes on the way up. */
static AW_NOINLINE unsigned descend(struct test_fiber *self, size_t spare, unsigned depth)
{
    volatile unsigned char bytes[256];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(depth + i);
    /* The frame's address is one of the real stack, with AddressSanitizer too. */
    size_t left = (size_t)((char *)__builtin_frame_address(0) - self->fiber.stack_lo);
    unsigned reached = depth;
    if (left > spare)
        reached = descend(self, spare, depth + 1);
    else
        fiber_pause(self);
    for (unsigned i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], (unsigned char)(depth + i));
    return reached;
}

static void recurse(struct test_fiber *self)
{
    size_t spare = test_scale(2048, 16384);
    unsigned *depth = self->arg;
    *depth = descend(self, spare, 1);
}

TEST(coro_recursion_to_near_the_end_of_the_stack)
{
    fibers_begin();
    unsigned depth = 0;
    for (int use = 0; use < 3; use++) {
        struct test_fiber *f = fiber_new_sized((size_t)256 << 10, recurse, &depth);
        fiber_resume(f);
        fiber_resume(f);
        assert_true(depth > 50);
    }
    fibers_end();
}

/* An over-aligned local beside the alloca: such a frame is found by a register of its own. */
static void fill_alloca(struct test_fiber *self)
{
    struct {
        _Alignas(64) char line[64];
    } wide;
    size_t size = *(size_t *)self->arg;
    unsigned char *bytes = __builtin_alloca(size);
    memset(bytes, 0x5a, size);
    memset(&wide, 0xa5, sizeof wide);
    __asm__ volatile("" : : "r"(&wide) : "memory");
    fiber_pause(self);
    for (size_t i = 0; i < sizeof wide; i++)
        assert_int_equal(wide.line[i] & 255, 0xa5);
    for (size_t i = 0; i < size; i += 97)
        assert_int_equal(bytes[i], 0x5a);
}

TEST(coro_alloca_of_most_of_the_stack)
{
    fibers_begin();
    size_t size = STACK_SIZE - test_scale(4096, 8192) - 6144;
    struct test_fiber *f = fiber_new(fill_alloca, &size);
    struct test_fiber *other = fiber_new(trash_registers, NULL);
    fiber_resume(f);
    for (int i = 0; i <= 100; i++)
        fiber_resume(other);
    fiber_resume(f);
    fibers_end();
}

/* ---- prepare ---- */

static void check_reserve(struct test_fiber *self)
{
    const unsigned char *reserve = self->arg;
    assert_true((const unsigned char *)__builtin_frame_address(0) < reserve);
    char below[512];
    memset(below, 1, sizeof below);
    __asm__ volatile("" : : "r"(below) : "memory");
    fiber_pause(self);
    for (size_t i = 0; i < 1001; i++)
        assert_int_equal(reserve[i], 0xc5);
}

TEST(coro_reserve_is_left_out_of_the_stack)
{
    fibers_begin();
    for (int use = 0; use < 3; use++) {
        struct test_fiber *f = fiber_new(check_reserve, NULL);
        f->arg = aw_fiber_prepare(&f->fiber, fiber_run_body, 1001);
        assert_ptr_equal(f->arg, (char *)f - 1008);
        memset(f->arg, 0xc5, 1001);
        fiber_resume(f);
        fiber_resume(f);
    }
    fibers_end();
}

TEST(coro_reserve_that_leaves_no_stack_is_refused)
{
    fibers_begin();
    struct test_fiber *f = fiber_new(check_reserve, NULL);
    size_t room = (size_t)((char *)f - f->fiber.stack_lo);
    assert_null(aw_fiber_prepare(&f->fiber, fiber_run_body, SIZE_MAX));
    assert_null(aw_fiber_prepare(&f->fiber, fiber_run_body, room));
    assert_null(aw_fiber_prepare(&f->fiber, fiber_run_body, room - AW_FIBER_ROOM_MIN + 1));
    assert_non_null(aw_fiber_prepare(&f->fiber, fiber_run_body, room - AW_FIBER_ROOM_MIN));
    aw_stack_put(&pool, &f->fiber);
    fibers_end();
}
