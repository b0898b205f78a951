#!/usr/bin/env python3
"""Looks at a fiber with gdb: its backtrace must be whole, and end at the fiber's entry.

The program is a unit test, in which two fibers and the thread take turns.  gdb
stops in a function of a fiber each time one has come back from a switch, then
once in the thread; the functions' names from the innermost to the outermost
are compared.  What has no name in the debugger (a corrupt stack), or frames
beyond the entry, fail the test.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST = "coro_backtrace_for_a_debugger"
STOPS = 10  # five switches in each of two fibers

# Functions that the compiler may inline or not stand in parentheses.
IN_FIBER = ["coro_debug_stop", "coro_debug_inner", "coro_debug_outer", "(coro_debug_body)",
            "(fiber_run_body)", "aw_fiber_start"]
IN_THREAD = ["coro_debug_thread", TEST]


def gdb(binary):
    """What gdb prints at every stop, after a line `stop`."""
    at_stop = ["-ex", "echo stop\\n", "-ex", "backtrace"]
    command = ["gdb", "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off",
               "-ex", "set width 0", "-ex", "break coro_debug_stop",
               "-ex", "break coro_debug_thread", "-ex", f"run --run {TEST}", *at_stop]
    for _ in range(STOPS):
        command += ["-ex", "continue", *at_stop]
    done = subprocess.run([*command, str(binary)], cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout


def functions(stop):
    """The names in a backtrace, innermost first."""
    return re.findall(r"^#\d+\s+(?:0x[0-9a-f]+ in )?(\S+) \(", stop, re.M)


def matches(names, expected):
    """Whether these are the expected frames, in order, with or without the optional ones."""
    wanted = [name.strip("()") for name in expected
              if not name.startswith("(") or name.strip("()") in names]
    return names == wanted


def check(stops):
    """Complaints about the backtraces; there should be none."""
    if len(stops) != STOPS + 1:
        yield f"{len(stops)} stops instead of {STOPS + 1}"
    for number, stop in enumerate(stops[:STOPS]):
        if not matches(functions(stop), IN_FIBER):
            yield f"stop {number}, in a fiber: expected {IN_FIBER}, got\n{stop}"
    for stop in stops[STOPS:]:
        names = functions(stop)
        if names[:2] != IN_THREAD or names[-1] != "main":
            yield f"stop in the thread: expected {IN_THREAD} … main, got\n{stop}"


def main():
    if not shutil.which("gdb"):
        print("skip: no gdb")
        return 77
    binary = ROOT / os.environ.get("AWAIT_BUILD_GCC", "") / "tests/test_coro"
    if not binary.exists():
        print("skip: no plain gcc build at hand")
        return 77
    output = gdb(binary)
    if re.search(r"ptrace: Operation not permitted|Could not trace the inferior", output):
        print("skip: gdb may not trace here")
        return 77
    complaints = list(check(output.split("\nstop\n")[1:]))
    print("\n".join(complaints) if complaints else f"{STOPS + 1} backtraces are whole")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
