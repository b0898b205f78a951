#!/usr/bin/env python3
"""The programs of replay.c, run by asyncio: `replay.py n` shows the notes of one of them,
`replay.py --write` makes replay_expected.h.  Needs CPython 3.13, whose meaning it records.
"""

import asyncio
import heapq
import itertools
import pathlib
import sys

MAX_TASKS = 8
PROGRAMS = 1000
MASK = (1 << 64) - 1
DRAWN = [["L", "L", "L_r", "L__r", "L_r", "r", "L", "L_r"],
         ["E", "E", "E", "E", "S", "SC", "C", "S"],
         ["cwx", "cwx", "cwx", "cnx", "cNx", "c", "x", "w"],
         ["s", "s_v", "s__v", "s_v", "v", "s", "s_v", "vv"],
         ["b", "b", "b", "b", "b", "b", "R", "A"],
         ["p", "p", "g", "g", "gt", "P", "G", "j"]]
DRAWN_BY_MAIN = ["r", "SC", "n", "v", "_", "PG"]
# What a call that fails here returns there.
CODES = [(asyncio.CancelledError, -125), (asyncio.BrokenBarrierError, -5009),
         (asyncio.QueueEmpty, -5006), (asyncio.QueueFull, -5007), (asyncio.QueueShutDown, -5008),
         (RuntimeError, -5002), (ValueError, -22)]


class StableQueue(asyncio.PriorityQueue):
    """By residue; equal ones in the order they were put."""

    def _init(self, maxsize):
        super()._init(maxsize)
        self._numbers = itertools.count()

    def _put(self, item):
        heapq.heappush(self._queue, (item % 5, next(self._numbers), item))

    def _get(self):
        return heapq.heappop(self._queue)[2]


class Program:
    """One program, drawn from its seed."""

    def __init__(self, seed):
        self.rng = [(seed * 1000003 + i * 7919) & MASK for i in range(MAX_TASKS + 1)]
        self.n_tasks = 2 + self.draw(MAX_TASKS, MAX_TASKS - 1)
        self.used = []
        for i in range(6):
            if self.draw(MAX_TASKS, 3) == 0 or (i == 5 and not self.used):
                self.used.append(i)
        self.lock, self.event, self.cond = asyncio.Lock(), asyncio.Event(), asyncio.Condition()
        self.sem = asyncio.Semaphore(self.draw(MAX_TASKS, 4))
        self.barrier = asyncio.Barrier(1 + self.draw(MAX_TASKS, 4))
        maxsize = self.draw(MAX_TASKS, 3)
        kinds = [asyncio.Queue, asyncio.LifoQueue, StableQueue]
        self.q = kinds[self.draw(MAX_TASKS, 3)](maxsize)
        self.tasks, self.notes, self.item, self.stop = [], [], 0, False
        self.calls = {
            "_": lambda: asyncio.sleep(0),
            "L": self.lock.acquire, "r": self.lock.release,
            "E": self.event.wait, "S": self.event.set, "C": self.event.clear,
            "c": self.cond.acquire, "w": self.cond.wait, "x": self.cond.release,
            "n": self.cond.notify, "N": self.cond.notify_all,
            "s": self.sem.acquire, "v": self.sem.release,
            "b": self.barrier.wait, "R": self.barrier.reset, "A": self.barrier.abort,
            "p": lambda: self.q.put(self.next_item()), "g": self.q.get,
            "P": lambda: self.q.put_nowait(self.next_item()), "G": self.q.get_nowait,
            "t": self.q.task_done, "j": self.q.join,
            "d": self.q.shutdown, "D": lambda: self.q.shutdown(immediate=True)}

    def draw(self, actor, n):
        self.rng[actor] = (self.rng[actor] * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.rng[actor] >> 33) % n

    def next_item(self):
        self.item += 1
        return self.item

    async def call(self, actor, op):
        """The result as the C call returns it."""
        try:
            if op == "k":
                return int(self.tasks[self.draw(actor, self.n_tasks)].cancel())
            result = self.calls[op]()
            if asyncio.iscoroutine(result):
                result = await result
            return result if op in "bgG" else 0
        except tuple(kind for kind, _ in CODES) as error:
            return next(code for kind, code in CODES if isinstance(error, kind))

    def note(self, actor, op, result):
        bits = (self.lock.locked(), self.event.is_set(), self.cond.locked())
        self.notes.append(
            f"{actor} {op} {result} {''.join(str(int(b)) for b in bits)} "
            f"{self.sem._value}{int(self.sem.locked())} "
            f"{self.barrier.n_waiting}{int(self.barrier.broken)} {self.q.qsize()}")

    async def perform(self, actor, ops):
        for op in ops:
            if self.stop:
                break
            result = await self.call(actor, op)
            if result == -125:
                while asyncio.current_task().uncancel() > 0:
                    pass
            self.note("M" if actor == MAX_TASKS else actor, op, result)

    async def act(self, me):
        n = 3 + self.draw(me, 20)
        while n > 0 and not self.stop:
            n -= 1
            what = self.draw(me, 100)
            if what < 25:
                await self.perform(me, "_" if what < 12 else "__")
            elif what < 37:
                await self.perform(me, "k")
            elif what == 99:
                await self.perform(me, "d" if self.draw(me, 2) else "D")
            else:
                used = self.used[self.draw(me, len(self.used))]
                await self.perform(me, DRAWN[used][self.draw(me, 8)])

    async def end_all(self):
        self.stop = True
        for task in self.tasks:
            while not task.done():
                for lock in (self.lock, self.cond):
                    if lock.locked():
                        lock.release()
                for other in self.tasks:
                    other.cancel()
                await asyncio.sleep(0)

    async def run(self):
        self.tasks += [asyncio.create_task(self.act(i)) for i in range(self.n_tasks)]
        for _ in range(5 + self.draw(MAX_TASKS, 25)):
            what = self.draw(MAX_TASKS, 10)
            if what < 8:
                await self.perform(MAX_TASKS, "_" if what < 5 else "k")
            else:
                used = self.used[self.draw(MAX_TASKS, len(self.used))]
                await self.perform(MAX_TASKS, DRAWN_BY_MAIN[used])
        for _ in range(20):
            await asyncio.sleep(0)
        self.note("M", ".", 0)
        await self.end_all()
        self.note("M", ".", 0)
        return self.notes


async def notes_of(seed):
    return await Program(seed).run()


def hash_of(notes):
    value = 0xcbf29ce484222325
    for byte in "".join(notes).encode():
        value = ((value ^ byte) * 0x100000001b3) & MASK
    return value >> 32


def write(path):
    hashes = [f"0x{hash_of(asyncio.run(notes_of(seed))):08x}," for seed in range(PROGRAMS)]
    rows = [" ".join(hashes[i:i + 8]) for i in range(0, len(hashes), 8)]
    body = "\n".join(f"    {row}" for row in rows)
    path.write_text(
        "/* Made by replay.py: the upper half of each program's hash under CPython "
        f"{sys.version.split()[0]}. */\n"
        f"#include <stdint.h>\n\n#define REPLAY_PROGRAMS {PROGRAMS}\n"
        f"static const uint32_t replay_expected[REPLAY_PROGRAMS] = {{\n{body}\n}};\n")


def main():
    if sys.version_info[:2] != (3, 13):
        sys.exit("replay.py: needs CPython 3.13")
    if sys.argv[1:] == ["--write"]:
        write(pathlib.Path(__file__).with_name("replay_expected.h"))
    else:
        print("\n".join(asyncio.run(notes_of(int(sys.argv[1])))))


if __name__ == "__main__":
    main()
