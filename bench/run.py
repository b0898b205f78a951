#!/usr/bin/env python3
"""Measures: runs ours, the raw programs and the peers in turn, and compares the medians.

In each round every program runs the same row once, one after the other, so that
a machine that gets slower or faster meanwhile does that to all of them: what is
compared is what stood side by side.  A ratio is the median of the ratios of the
rounds.  Figures are written as JSON, with a description of the machine, and
drawn.

    bench/run.py --build build/release [--rows threads,timers] [--peers go,tokio]
                 [--rounds 9] [--record]

--rows takes groups, rows and figures; --peers takes names, `all` or `none`.
--record writes into bench/results and docs instead of build/bench.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import chart
import report
import rows as table
from peers import build as peers

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import feed_service  # noqa: E402: found by the line above

LIMIT = 120  # seconds that a program has for a row
OURS, RAW = "ours", "raw"


class Program:
    """Something that runs rows."""

    def __init__(self, name, command, version=""):
        self.name, self.command, self.version = name, [str(c) for c in command], version
        self.broken = {}  # rows that it need not be asked for again, and why
        self.incomplete = {}  # rows that it did not come to the end of, and why
        done = subprocess.run([*self.command, "--list"], check=True, capture_output=True, text=True)
        self.rows = set(done.stdout.split())

    def run(self, row, regime):
        """What it prints for a row: figure -> value; nothing if it cannot run it."""
        def confine():
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        if row not in self.rows or row in self.broken:
            return {}
        try:
            done = subprocess.run([*self.command, row], capture_output=True, text=True,
                                  timeout=LIMIT, check=False,
                                  preexec_fn=confine if regime == "one CPU" else None)
        except subprocess.TimeoutExpired:
            self.broken[row] = f"more than {LIMIT} s"
            return {}
        lines = (line.split("\t") for line in done.stdout.splitlines())
        printed = {name: float(value) for name, value in lines}
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            self.failed(row, said[-1], printed)
        return printed

    def failed(self, row, why, printed):
        """It could not run the row to its end; what it printed before that counts."""
        self.incomplete[row] = why
        if not printed:
            self.broken[row] = why


# ---- who takes part ----

def own_programs(build, row):
    """Ours and the raw one, if it is there."""
    found = {}
    for who, name in ((OURS, f"bench_{row.program}"), (RAW, f"limit_{row.limit or row.program}")):
        path = build / "bench" / name
        if path.exists():
            found[who] = Program(who, [path])
    return found


def find_peers(wanted, folder):
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, make in peers.PEERS.items():
        if not (wanted == "all" or name in wanted.split(",")):
            continue
        print(f"building the programs of {name} …", end="", flush=True)
        try:
            command, version = make(folder)
            found[name] = Program(name, command, version)
            print(f"\r\033[K{name} {version}" if sys.stdout.isatty() else f" {version}")
        except (peers.Missing, OSError, subprocess.SubprocessError) as error:
            start = "\r\033[K" if sys.stdout.isatty() else "\n"
            print(f"{start}not compared: {name} ({error})")
    return found


def choose_rows(wanted):
    words = wanted.split(",") if wanted else []
    unknown = [w for w in words if not any(
        w in (r.group, r.name, *(f.name for f in r.figures)) for r in table.ROWS)]
    if unknown:
        sys.exit(f"bench: no row or group of this name: {', '.join(unknown)}")
    return [r for r in table.ROWS if not words or r.group in words or r.name in words
            or any(f.name in words for f in r.figures)]


# ---- measuring ----

@contextlib.contextmanager
def service_for(row, may_fetch):
    """The queue service for a row that asks one: moto's, unless BENCH_SQS names another."""
    asks = row.group == "sqs" and "BENCH_SQS" not in os.environ
    find = feed_service.moto_server if may_fetch else feed_service.moto_at_hand
    command = find() if asks else None
    if not command:
        yield
        return
    with feed_service.Queues(command) as queues:
        os.environ["BENCH_SQS"] = queues.url
        try:
            yield
        finally:
            del os.environ["BENCH_SQS"]


def measure(row, programs, rounds, regime):
    """figure -> who -> values, one of each round (None where there was none)."""
    values = {f.name: {who: [] for who in programs} for f in row.figures}
    for _ in range(max(1, rounds // row.share)):
        for who, program in programs.items():
            printed = program.run(row.name, regime)
            for figure in row.figures:
                values[figure.name][who].append(printed.get(figure.name))
    return {name: {who: v for who, v in by.items() if any(x is not None for x in v)}
            for name, by in values.items()}


def ratio(mine, others):
    """The median of ours over theirs, round by round."""
    pairs = [a / b for a, b in zip(mine, others) if a is not None and b]
    return statistics.median(pairs) if pairs else None


def summary(figure, values):
    """What is kept of a figure: medians, extremes, ratios, the best peer."""
    who = {}
    for name, each in values.items():
        some = [v for v in each if v is not None]
        who[name] = {"median": statistics.median(some), "min": min(some), "max": max(some),
                     "n": len(some)}
        if name != OURS and OURS in values:
            who[name]["ours_over_it"] = ratio(values[OURS], each)
    others = [name for name in who if name not in (OURS, RAW)]
    pick = max if figure.more else min
    best = pick(others, key=lambda name: who[name]["median"], default=None)
    return {"unit": figure.unit, "more_is_better": figure.more, "best_peer": best, "who": who}


def machine(programs):
    """What a reader has to know of it."""
    cpu = next((line.split(":", 1)[1].strip() for line in
                pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    gcc = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=False)
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)),
            "memory_gib": round(pages / 2 ** 30), "kernel": platform.release(),
            "gcc": gcc.stdout.strip(),
            "peers": {name: p.version for name, p in programs.items() if p.version}}


def run_row(row, build, others, rounds):
    """regime -> figure -> summary"""
    programs = own_programs(build, row)
    if not row.alone:
        programs.update({n: p for n, p in others.items() if row.name in p.rows})
    if len(os.sched_getaffinity(0)) == 1:
        print("   (there is one CPU: no difference between the regimes)")
    results = {}
    for regime in row.regimes:
        values = measure(row, programs, rounds, regime)
        results[regime] = {f.name: summary(f, values[f.name]) for f in row.figures
                           if values[f.name]}
        for figure in row.figures:
            if values[figure.name]:
                print(report.line(row, figure, regime, results[regime][figure.name]), flush=True)
    for program in programs.values():
        for name, why in {**program.broken, **program.incomplete}.items():
            print(f"   {program.name} did not finish {name}: {why}")
    return results


# ---- keeping ----

def keep(path, group, figures, about, rounds):
    """Figures of this run replace those of the file; others stay."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    by_regime = kept.get("figures", {}) if kept.get("machine") == about else {}
    for regime, some in figures.items():
        by_regime.setdefault(regime, {}).update(some)
    data = {"group": group, "rounds": rounds, "machine": about, "figures": by_regime}
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    return data


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--rows", default="")
    parser.add_argument("--peers", default="all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/bench")
    return parser.parse_args()


def main():
    args = arguments()
    chosen = choose_rows(args.rows)
    os.environ["BENCH_LOAD"] = str((args.build / "bench/bench_load").resolve())
    os.environ["BENCH_HTTP_LOAD"] = str(ROOT / "bench/http_load.py")
    os.environ["BENCH_HTTP_SERVER"] = str((args.build / "bench/bench_http_client").resolve())
    others = {} if args.peers == "none" else find_peers(args.peers, args.out / "peers")
    about = machine(others)
    results = ROOT / "bench/results" if args.record else args.out
    charts = ROOT / "docs/charts" if args.record else args.out
    results.mkdir(parents=True, exist_ok=True)
    charts.mkdir(parents=True, exist_ok=True)
    print(f"{about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}; {args.rounds} rounds")
    for group in dict.fromkeys(row.group for row in chosen):
        print(report.heading(table.GROUPS[group]))
        figures = {}
        for row in (r for r in chosen if r.group == group):
            with service_for(row, may_fetch=args.peers != "none"):
                found = run_row(row, args.build, others, args.rounds)
            for regime, some in found.items():
                figures.setdefault(regime, {}).update(some)
        data = keep(results / f"{group}.json", group, figures, about, args.rounds)
        for name, text in chart.charts(data).items():
            (charts / f"{name}.svg").write_text(text)
    if args.record:
        report.into_page(ROOT / "docs/performance.md", results)
    print(f"\nwritten: {results}/*.json, {charts}/*.svg")


if __name__ == "__main__":
    main()
