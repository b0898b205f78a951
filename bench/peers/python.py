#!/usr/bin/env python3
"""The benchmarks on asyncio, or with `--uvloop` first, on asyncio with uvloop.

As bench/bench.h says: `program ROW` prints the row's figures, `program --list`
the rows, and BENCH_SCALE divides the sizes.  Sizes are a fraction of the
others'; figures are per operation, but for the gather of 10,000.
"""
import asyncio
import os
import sys
import threading
import time

SCALE = max(1, int(os.environ.get("BENCH_SCALE", "1")))


def count(n, least=1):
    return max(least, n // SCALE)


def say(name, value):
    print(f"{name}\t{value:.6g}")


def say_ns(name, began, n):
    say(name, (time.perf_counter() - began) * 1e9 / n)


def say_rate(name, began, n):
    say(name, n / (time.perf_counter() - began) / 1e3)


async def nothing():
    return 0


# ---- the core ----

async def yields(name, tasks, each):
    async def give_way():
        for _ in range(each):
            await asyncio.sleep(0)
    began = time.perf_counter()
    await asyncio.gather(*(give_way() for _ in range(tasks)))
    say_ns(name, began, tasks * each)


async def yield_two():
    await yields("yield-2", 2, count(30000))


async def yield_thousand():
    await yields("yield-1000", 1000, count(50))


async def create_join():
    n = count(30000)
    began = time.perf_counter()
    for _ in range(n):
        await asyncio.create_task(nothing())
    say_ns("create-join", began, n)


async def ping_pong():
    n = count(20000)
    there, back = asyncio.Queue(), asyncio.Queue()

    async def answer():
        for _ in range(n):
            await back.put(await there.get())
    other = asyncio.create_task(answer())
    began = time.perf_counter()
    for i in range(n):
        await there.put(i)
        await back.get()
    say_ns("ping-pong", began, n)
    await other


def due(i):
    return 1000 + i % 1000 * 0.37


async def timers():
    present, n = count(100000), count(20000)
    loop = asyncio.get_running_loop()
    kept = [loop.call_later(due(i), say) for i in range(present)]
    began = time.perf_counter()
    some = [loop.call_later(due(i), say) for i in range(n)]
    middle = time.perf_counter()
    for handle in some:
        handle.cancel()
    end = time.perf_counter()
    say("timer-set", (middle - began) * 1e9 / n)
    say("timer-cancel", (end - middle) * 1e9 / n)
    say("timers", (end - began) * 1e9 / n / 2)
    for handle in kept:
        handle.cancel()


async def gather():
    began = time.perf_counter()
    await asyncio.gather(*(nothing() for _ in range(10000)))
    say("gather-deferred", (time.perf_counter() - began) * 1e6)


# ---- threads ----

def in_thread(work):
    """Calls work(loop) here while the loop runs in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    work(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def callbacks():
    n = count(20000)
    left, over = [n], threading.Event()

    def one():
        left[0] -= 1
        if not left[0]:
            over.set()

    def work(loop):
        began = time.perf_counter()
        for _ in range(n):
            loop.call_soon_threadsafe(one)
        over.wait()
        say_rate("callbacks-alloc", began, n)
    in_thread(work)


def submit_collect():
    n, in_flight = count(10000), 1000

    def work(loop):
        began, results = time.perf_counter(), [None] * in_flight
        for i in range(n + in_flight):
            if results[i % in_flight]:
                results[i % in_flight].result()
            results[i % in_flight] = (asyncio.run_coroutine_threadsafe(nothing(), loop)
                                      if i < n else None)
        say_rate("submit-collect", began, n)
    in_thread(work)


def submit_wait():
    n = count(1000)

    def work(loop):
        took = []
        for _ in range(n):
            began = time.perf_counter()
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()
            took.append((time.perf_counter() - began) * 1e6)
        took.sort()
        say("submit-wait", took[n // 2])
        say("submit-wait-p99", took[n * 99 // 100])
    in_thread(work)


async def to_thread():
    n = count(1000)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(n):
        await loop.run_in_executor(None, int)
    say("to-thread", (time.perf_counter() - began) * 1e6 / n)


async def to_thread_64():
    each = count(5000) // 64 + 1
    loop = asyncio.get_running_loop()

    async def some():
        for _ in range(each):
            await loop.run_in_executor(None, int)
    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(64)))
    say_rate("to-thread-64", began, each * 64)


# ---- subprocesses ----

async def processes():
    times = count(1000)
    began = time.perf_counter()
    for _ in range(times):
        child = await asyncio.create_subprocess_exec("/bin/true")
        assert await child.wait() == 0
    say_rate("processes", began, times)


ROWS = {
    "yield-2": yield_two, "yield-1000": yield_thousand, "create-join": create_join,
    "ping-pong": ping_pong, "timers": timers, "gather-deferred": gather,
    "callbacks-alloc": callbacks, "submit-collect": submit_collect, "submit-wait": submit_wait,
    "to-thread": to_thread, "to-thread-64": to_thread_64, "processes": processes,
}


def main(arguments):
    if arguments[:1] == ["--uvloop"]:
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        del arguments[0]
    if arguments == ["--list"]:
        print("\n".join(ROWS))
    elif len(arguments) == 1 and arguments[0] in ROWS:
        row = ROWS[arguments[0]]
        if asyncio.iscoroutinefunction(row):
            asyncio.run(row())
        else:
            row()
    else:
        sys.exit("usage: python.py [--uvloop] --list | ROW")


if __name__ == "__main__":
    main(sys.argv[1:])
