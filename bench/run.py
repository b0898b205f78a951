#!/usr/bin/env python3
"""Runs the benchmarks of a build several times and prints the median of each line.

Each run is a process of its own, so that the medians are over fresh address
spaces; nine of them, because a shared machine is noisy.  Figures are for
comparing two builds on one machine, not for quoting by themselves.
"""
import pathlib
import statistics
import subprocess
import sys

RUNS = 9


def main():
    program = pathlib.Path(sys.argv[1]) / "bench" / "bench_core"
    figures = {}
    for _ in range(RUNS):
        out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        for line in out.splitlines():
            name, value = line.split("\t")
            figures.setdefault(name, []).append(float(value))
    print(f"nanoseconds, median of {RUNS} runs (least, most)\n")
    for name, values in figures.items():
        median = statistics.median(values)
        print(f"{name:36} {median:9.1f}   ({min(values):.1f}, {max(values):.1f})")


if __name__ == "__main__":
    main()
