/*
 * sync.c - scenarios of locks, events, conditions, semaphores, barriers and queues.
 *
 * The tasks of each scenario work in one gather, so that one of them that ends too early ends the
 * others as well and none waits for what will not come.
 */
#include "fault/scenarios.h"

/* The same work several times over, each with its number. */
static int gather_workers(aw_fn *fn, int n)
{
    aw_work works[12];
    for (int i = 0; i < n; i++)
        works[i] = AW_CORO(fn, INT(i));
    return aw_gather_array(works, (size_t)n);
}

/* ---- lock ---- */

static struct {
    aw_lock lock;
    int inside, most, turns;
} shop;

static int serve(void *arg)
{
    (void)arg;
    shop.inside++;
    shop.most = shop.inside > shop.most ? shop.inside : shop.most;
    int err = aw_sleep(1);
    shop.inside--;
    shop.turns += err == 0;
    return err;
}

static int shopper(void *arg)
{
    AW_TRY(aw_lock_call(&shop.lock, serve, arg));
    AW_TRY(aw_lock_acquire(&shop.lock));
    CHECK(aw_lock_locked(&shop.lock));
    int err = serve(arg);
    CHECK(aw_lock_release(&shop.lock) == 0);
    return err;
}

static int shopping(void *arg)
{
    (void)arg;
    int err = gather_workers(shopper, 4);
    CHECK(shop.most <= 1 && shop.inside == 0 && !aw_lock_locked(&shop.lock));
    EXPECT(err, 0);
    CHECK(shop.turns == 8);
    return 0;
}

SCENARIO(lock_taken_in_turns)
{
    memset(&shop, 0, sizeof shop);
    return run_main(shopping, NULL);
}

/* ---- event ---- */

static aw_event starting_gun;

static int runner(void *arg)
{
    (void)arg;
    AW_TRY(aw_event_wait(&starting_gun));
    AW_TRY(aw_sleep(1));
    return 0;
}

static int starter(void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(1));
    CHECK(!aw_event_is_set(&starting_gun) && aw_event_set(&starting_gun) == 0);
    CHECK(aw_event_clear(&starting_gun) == 0);
    return 0;
}

static int race(void *arg)
{
    EXPECT(aw_gather(AW_CORO(runner, arg), AW_CORO(runner, arg), AW_CORO(starter, arg)), 0);
    CHECK_CALM(aw_time() == 2);
    return 0;
}

SCENARIO(event_lets_all_go)
{
    starting_gun = (aw_event)AW_EVENT_INIT;
    return run_main(race, NULL);
}

/* ---- condition ---- */

static struct {
    aw_condition cond;
    int stock, sold;
} store;

static int in_stock(void *arg)
{
    (void)arg;
    return store.stock > 0;
}

static int buy(void *arg)
{
    AW_TRY(aw_condition_acquire(&store.cond));
    int err = 0;
    if (arg)
        err = aw_condition_wait_for(&store.cond, in_stock, NULL);
    while (!arg && err == 0 && !in_stock(NULL))
        err = aw_condition_wait(&store.cond);
    CHECK(aw_condition_locked(&store.cond));
    if (err >= 0) {
        store.stock--;
        store.sold++;
    }
    CHECK(aw_condition_release(&store.cond) == 0);
    return err;
}

static int deliver_goods(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++) {
        AW_TRY(aw_sleep(1));
        AW_TRY(aw_condition_acquire(&store.cond));
        store.stock++;
        int woken =
            i < 3 ? aw_condition_notify(&store.cond, 1) : aw_condition_notify_all(&store.cond);
        CHECK(woken >= 0 && aw_condition_release(&store.cond) == 0);
    }
    return 0;
}

static int trade(void *arg)
{
    (void)arg;
    int err = aw_gather(AW_CORO(buy, NULL), AW_CORO(buy, INT(1)), AW_CORO(buy, NULL),
                        AW_CORO(buy, INT(1)), AW_CORO(deliver_goods, NULL));
    CHECK(store.stock >= 0 && !aw_condition_locked(&store.cond));
    EXPECT(err, 0);
    CHECK(store.sold == 4 && store.stock == 0);
    return 0;
}

SCENARIO(condition_of_a_store)
{
    memset(&store, 0, sizeof store);
    return run_main(trade, NULL);
}

/* ---- semaphores ---- */

static struct {
    aw_semaphore seats;
    aw_bounded_semaphore tables;
    int seated, most;
} cafe;

static int guest(void *arg)
{
    (void)arg;
    AW_TRY(aw_semaphore_acquire(&cafe.seats));
    int err = aw_bounded_semaphore_acquire(&cafe.tables);
    if (err == 0) {
        cafe.seated++;
        cafe.most = cafe.seated > cafe.most ? cafe.seated : cafe.most;
        err = aw_sleep(1);
        cafe.seated--;
        CHECK(aw_bounded_semaphore_release(&cafe.tables) == 0);
    }
    CHECK(aw_semaphore_release(&cafe.seats) == 0);
    return err;
}

static int open_cafe(void *arg)
{
    (void)arg;
    int err = gather_workers(guest, 7);
    CHECK(cafe.seated == 0 && cafe.most <= 2 && aw_semaphore_value(&cafe.seats) == 3);
    CHECK(!aw_semaphore_locked(&cafe.seats) && !aw_bounded_semaphore_locked(&cafe.tables));
    CHECK(aw_bounded_semaphore_value(&cafe.tables) == 2);
    EXPECT(err, 0);
    CHECK(aw_bounded_semaphore_release(&cafe.tables) == -EINVAL);
    CHECK_CALM(aw_time() == 4);
    return 0;
}

SCENARIO(semaphores_of_a_cafe)
{
    memset(&cafe, 0, sizeof cafe);
    cafe.seats = (aw_semaphore)AW_SEMAPHORE_INIT(3);
    cafe.tables = (aw_bounded_semaphore)AW_BOUNDED_SEMAPHORE_INIT(2);
    return run_main(open_cafe, NULL);
}

/* ---- barrier ---- */

static struct {
    aw_barrier barrier;
    int rounds[3];
    int broken;
} dance;

static int dancer(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 3; i++) {
        AW_TRY(aw_sleep(me));
        AW_TRY(aw_barrier_wait(&dance.barrier));
        dance.rounds[me]++;
        for (int k = 0; k < 3; k++)
            CHECK(dance.rounds[k] >= i);
    }
    return 0;
}

static int late_dancer(void *arg)
{
    int err = aw_barrier_wait(arg);
    dance.broken += err == AW_EBROKEN;
    return err == AW_EBROKEN ? 0 : err;
}

static int dance_all_night(void *arg)
{
    aw_task *late;
    (void)arg;
    EXPECT(gather_workers(dancer, 3), 0);
    CHECK(aw_barrier_parties(&dance.barrier) == 3 && aw_barrier_n_waiting(&dance.barrier) == 0);
    for (int i = 0; i < 2; i++) {
        MAKE(late, aw_create_task(late_dancer, &dance.barrier));
        AW_TRY(aw_sleep(1));
        EXPECT(i ? aw_barrier_abort(&dance.barrier) : aw_barrier_reset(&dance.barrier), 0);
        EXPECT(aw_await(late), 0);
    }
    CHECK(aw_barrier_broken(&dance.barrier) && aw_barrier_wait(&dance.barrier) == AW_EBROKEN);
    CHECK_CALM(dance.broken == 2);
    return 0;
}

SCENARIO(barrier_of_a_dance)
{
    memset(&dance, 0, sizeof dance);
    dance.barrier = (aw_barrier)AW_BARRIER_INIT(3);
    return run_main(dance_all_night, NULL);
}

/* ---- queue ---- */

static struct {
    aw_queue queue;
    int got, sum, dropped;
} jobs;

static int produce(void *arg)
{
    (void)arg;
    for (intptr_t i = 1; i <= 20; i++)
        AW_TRY(aw_queue_put(&jobs.queue, (void *)i));
    AW_TRY(aw_queue_join(&jobs.queue));
    CHECK(jobs.got == 20 && aw_queue_empty(&jobs.queue) && !aw_queue_full(&jobs.queue));
    return aw_queue_shutdown(&jobs.queue);
}

static int consume(void *arg)
{
    void *job;
    int err;
    (void)arg;
    while ((err = aw_queue_get(&jobs.queue, &job)) == 0) {
        jobs.sum += (int)(intptr_t)job;
        jobs.got++;
        err = jobs.got % 3 == 0 ? aw_sleep(1) : 0;
        CHECK(aw_queue_task_done(&jobs.queue) == 0);
        AW_TRY(err);
    }
    return err == AW_ESHUTDOWN ? 0 : err;
}

static int work_off(void *arg)
{
    int err = aw_gather(AW_CORO(consume, arg), AW_CORO(produce, arg), AW_CORO(consume, arg));
    CHECK(aw_queue_size(&jobs.queue) <= aw_queue_maxsize(&jobs.queue));
    EXPECT(err, 0);
    CHECK(jobs.got == 20 && jobs.sum == 210);
    return 0;
}

static void drop_job(void *job)
{
    jobs.dropped += job != NULL;
}

SCENARIO(queue_of_jobs)
{
    memset(&jobs, 0, sizeof jobs);
    jobs.queue = (aw_queue)AW_QUEUE_INIT(.maxsize = 4);
    int err = run_main(work_off, NULL);
    CHECK(aw_queue_fini(&jobs.queue) == 0);
    return err;
}

static int compare_numbers(const void *a, const void *b)
{
    return (int)((intptr_t)a - (intptr_t)b);
}

/* The least first; the room grows twice; what is left is dropped. */
static int by_priority(void *arg)
{
    (void)arg;
    for (intptr_t i = 20; i >= 1; i--)
        EXPECT(aw_queue_put_nowait(&jobs.queue, (void *)i), 0);
    for (int i = 1; i <= 12; i++) {
        void *job;
        EXPECT(aw_queue_get_nowait(&jobs.queue, &job), 0);
        CHECK((intptr_t)job == i);
    }
    CHECK(aw_queue_size(&jobs.queue) == 8);
    EXPECT(aw_queue_shutdown(&jobs.queue, .immediate = true), 0);
    CHECK(jobs.dropped == 8 && aw_queue_put_nowait(&jobs.queue, NULL) == AW_ESHUTDOWN);
    return 0;
}

SCENARIO(queue_by_priority)
{
    memset(&jobs, 0, sizeof jobs);
    jobs.queue = (aw_queue)AW_QUEUE_INIT(.order = AW_PRIORITY, .compare = compare_numbers,
                                         .release = drop_job);
    int err = run_main(by_priority, NULL);
    CHECK(aw_queue_fini(&jobs.queue) == 0 && aw_queue_size(&jobs.queue) == 0);
    return err;
}
