#!/usr/bin/env python3
"""Fails when a public function is reached by no scenario of the sweeps.

That is not declared anywhere but counted: test_fault is built for gcov in a
folder of its own, every scenario runs once, undisturbed, and each function that
the shared library exports must have been called.

With --lines all sweeps run there too, and what they reach of the library's lines is printed; with
-v also which they do not.  That is for information, and takes minutes: whether the sweeps pass is
seen where they are tests themselves.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = "sweep_points_are_counted"
SETUP = ["-Db_coverage=true", "--buildtype=debug", "-Dexamples=false", "-Dtests=enabled"]
TOOLS = ("gcc", "gcov", "nm", "meson", "ninja")


def run(command, folder=ROOT, limit=600):
    """Runs a command to a good end; returns what it printed."""
    done = subprocess.run([str(word) for word in command], cwd=folder, text=True, timeout=limit,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, CC="gcc"))
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def build(folder):
    run(["meson", "setup", folder, ROOT, *SETUP])
    run(["meson", "compile", "-C", folder, "await:shared_library", "test_fault"])


def exported(folder):
    """The functions in the shared library's dynamic symbol table."""
    lines = run(["nm", "-D", "--defined-only", folder / "libawait.so"]).splitlines()
    words = [line.split() for line in lines]
    return {w[-1].split("@")[0] for w in words if w[-2] in "TtWw" and w[-1].startswith("aw_")}


class Counts:
    """What gcov has counted so far: calls of each function, and of each line of each source."""

    def __init__(self, folder):
        self.calls, self.lines = {}, {}
        data = [p for p in folder.rglob("*.gcda") if p.name.startswith("src_")]
        printed = run(["gcov", "--json-format", "--stdout", *data], folder)
        for report in printed.splitlines():
            for source in json.loads(report)["files"] if report.startswith("{") else []:
                self.add(source)

    def add(self, source):
        name = os.path.relpath(os.path.join(ROOT, "x", source["file"]), ROOT)
        match = re.search(r"(src/.*)", name)
        if not match:
            return
        for f in source["functions"]:
            self.calls[f["name"]] = self.calls.get(f["name"], 0) + f["execution_count"]
        lines = self.lines.setdefault(match.group(1), {})
        for line in source["lines"]:
            lines[line["line_number"]] = lines.get(line["line_number"], 0) + line["count"]


def run_sweeps(binary):
    """All of them; returns the output of those that fail."""
    names = [line.split()[0] for line in run([binary, "--list"]).splitlines()]

    def one(name):
        done = subprocess.run([binary, "--run", name], cwd=ROOT, text=True, timeout=300,
                              capture_output=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [said for said in pool.map(one, names) if said]


def print_lines(counts, verbose):
    """How much of each folder was reached, and (asked for) which lines were not."""
    total = {}
    for name, lines in sorted(counts.lines.items()):
        missed = [number for number, count in sorted(lines.items()) if not count]
        here = total.setdefault(os.path.dirname(name), [0, 0])
        here[0] += len(lines) - len(missed)
        here[1] += len(lines)
        if verbose and missed:
            print(f"{name}: not reached: {' '.join(map(str, missed))}")
    for folder, (reached, lines) in sorted(total.items()):
        share = 100 * reached / lines
        print(f"{folder}: the sweeps reach {reached} of {lines} lines ({share:.1f}%)")


def main():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print(f"skip: {' '.join(missing)} not there")
        return 77
    with tempfile.TemporaryDirectory(prefix="await-sweeps-") as name:
        folder = pathlib.Path(name)
        build(folder)
        binary = folder / "tests/test_fault"
        print(run([binary, "--run", TABLE]), end="")
        counts = Counts(folder)
        wanted = exported(folder)
        unreached = sorted(f for f in wanted if not counts.calls.get(f))
        failures = []
        if {"--lines", "-v"} & set(sys.argv):
            failures = run_sweeps(binary)
            print_lines(Counts(folder), "-v" in sys.argv)
    for said in failures:
        print(said)
    for function in unreached:
        print(f"no scenario calls {function}")
    print(f"sweeps: {len(wanted)} public functions, {len(unreached)} of them unreached"
          + (f", {len(failures)} sweeps failed" if failures else ""))
    return 1 if unreached or failures or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
