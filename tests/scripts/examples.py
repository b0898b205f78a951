#!/usr/bin/env python3
"""Runs every example on the virtual clock and compares what it prints, times exactly.

Each build at hand is tried.  Beside the expected outputs: a dropped AW_CORO()
is a warning of both compilers, and being able to start no more tasks is an
ordinary error.  `examples.py --update BUILD` writes the expected outputs anew,
to be read before they are committed.

`examples.py --threads` runs those that have threads of their own: on the real
clock, several at a time, as they sleep for the most part.  What is expected of them
is written by hand: which thread prints a line, and when (scripts/programs.py).
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import examples_network  # noqa: E402: beside this file
import programs  # noqa: E402: found by the line above

ARGUMENTS = {"sleepers": ["1000"]}
SANITIZED = ("asan", "tsan")
AT_A_TIME = 6  # programs that mostly sleep
ANSWERS = 50.0  # milliseconds that the loop of 17 may be late in the median, on a machine at work


def builds():
    """The folders of the builds at hand, by name."""
    known = ("gcc", "clang", "asan", "tsan")
    found = {name: os.environ.get(f"AWAIT_BUILD_{name.upper()}") for name in known}
    return {name: ROOT / folder for name, folder in found.items() if folder}


def backend(folder):
    """ThreadSanitizer has signals delivered in calls that it knows; a ring's is none of them."""
    return {"AWAIT_BACKEND": "epoll"} if folder == builds().get("tsan") else {}


def run(folder, name, *arguments):
    command = [folder / "examples" / name, *(arguments or ARGUMENTS.get(name, []))]
    return programs.run(command, programs.environment(AWAIT_CLOCK="virtual", **backend(folder)))


def steady(name, text):
    """What sleepers measures is different each time: keep the words."""
    return re.sub(r"-?\d[\d.]*", "#", text) if name == "sleepers" else programs.normalise(text)


def check(folder, name):
    """The complaints about one example in one build."""
    done = run(folder, name)
    diff = programs.differences(programs.expected(name), steady(name, done.text))
    return ([f"exit status {done.status}"] if done.status else []) + diff


def check_limit(folder):
    """More sleepers than there are addresses for: named, and those that started end well."""
    limited = f"ulimit -v 1000000; exec {folder}/examples/sleepers 30000"
    done = programs.run(["sh", "-c", limited], programs.environment(AWAIT_CLOCK="virtual"))
    reason = re.search(r"stopped +after \d+: cannot allocate memory: .*ulimit -v", done.text)
    if done.status == 0 and reason and "\nfinished " in done.text:
        return []
    return [f"sleepers: exit status {done.status}", *done.text.splitlines()]


def check_warning(compiler):
    """Dropping described work is one warning; the program as it stands has none."""
    command = [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Iinclude", "-c",
               "-o", os.devnull, str(programs.source("01_coroutine_object"))]
    clean, dropped = (subprocess.run(command + extra, cwd=ROOT, text=True, capture_output=True,
                                     check=False).stderr for extra in ([], ["-DDROP_IT"]))
    if not clean and dropped.count("warning:") == 1 and "[-Wunused-result]" in dropped:
        return []
    return clean.splitlines() + dropped.splitlines() + ["expected one warning, for -DDROP_IT"]


def unlisted():
    """Every example has an expected output, or a test of its own with clients."""
    known = {programs.program(name) for name in programs.names()}
    others = "".join(path.read_text() for path in (ROOT / "tests/scripts").glob("*.py")
                     if path.name != "examples.py")
    missing = {path.stem for path in (ROOT / "examples").glob("*.c")
               if path.stem not in known and path.stem not in others}
    return [f"tests/examples/{name}.expected is missing" for name in sorted(missing)]


def update(folder):
    for path in sorted((ROOT / "examples").glob("*.c")):
        if path.stem in examples_network.NAMES:
            continue
        output = programs.EXPECTED / f"{path.stem}.expected"
        if not output.exists() or not programs.has_threads(path.stem):
            text = steady(path.stem, run(pathlib.Path(folder), path.stem).text)
            output.write_text(text, "utf-8")


def checks():
    """(what, complaints) of everything there is to check."""
    yield "every example has an expected output", unlisted()
    for compiler in ("gcc", "clang"):
        yield f"{compiler} warns of dropped work", check_warning(compiler)
    for build, folder in builds().items():
        for name in programs.names():
            if not programs.has_threads(name):
                yield f"{build}: {name}", check(folder, name)
        if build not in SANITIZED:
            yield f"{build}: the limit on addresses", check_limit(folder)


# ---- programs with threads ------------------------------------------------------------------


def answers(text):
    """Whether the loop of 17 got its turns while every core was busy."""
    late = re.search(r"late by ([\d.]+) ms \(median\)", text)
    return [] if not late or float(late.group(1)) <= ANSWERS else [f"the loop was late: {text}"]


def check_threads(folder, name):
    """The complaints about one program with threads, on the real clock."""
    done = programs.run([folder / "examples" / programs.program(name)],
                        programs.environment(**backend(folder)), interrupt=programs.signal_of(name))
    found = programs.differences(programs.expected(name), done.text)
    return ([f"exit status {done.status}"] if done.status else []) + found + answers(done.text)


def checks_of_threads():
    """(what, complaints) of the programs with threads, several at a time."""
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [(f"{build}: {name}", pool.submit(check_threads, folder, name))
                   for name in programs.names() if programs.has_threads(name)
                   for build, folder in builds().items()]
        for what, future in running:
            yield what, future.result()


def main():
    if sys.argv[1:2] == ["--update"]:
        update(sys.argv[2])
        return 0
    if not builds():
        print("skip: no build at hand")
        return 77
    failed = 0
    chosen = checks_of_threads if sys.argv[1:2] == ["--threads"] else checks
    for what, complaints in chosen():
        print(f"{'failed' if complaints else 'ok'}: {what}")
        print("".join(f"    {line}\n" for line in complaints), end="")
        failed += bool(complaints)
    print(f"examples: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
