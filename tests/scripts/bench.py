#!/usr/bin/env python3
"""Runs every benchmark once with tiny sizes: that they work, not how fast they are.

bench/run.py writes its results and charts into a folder of the test's.  Each
figure must be there for ours, those that have a raw program for that too; each
result must be read back, each chart be well-formed.  The peers' programs are
not built here; what can be checked without their libraries is.
"""
import ast
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "scripts")]
import feed_service  # noqa: E402: found by the line above
import report  # noqa: E402
import rows as table  # noqa: E402

SCALE = 10000
MOTO = feed_service.moto_at_hand()  # nothing is fetched here
WITHOUT_RAW = {"gather-eager"}
MAY_BE_ZERO = ("bytes", "-cpu")  # of so small a run
WITHOUT_RAW_KINDS = ("flat-timer-", "cold", "http-1", "http-5", "websocket-", "sio-idle", "sqs")


def expected(row):
    """The figures that a run of this scale prints."""
    sizes = [f"-{n}" for n in table.SIZES if n <= 1000000 // SCALE]
    return [f for f in row.figures
            if row.group != "flat" or any(f.name.endswith(s) for s in sizes)]


def check_figures(row, data):
    """What is missing of a row."""
    if row.group == "http" and not shutil.which("wrk") or row.group == "sqs" and not MOTO:
        return
    for regime in row.regimes:
        for figure in expected(row):
            one = data["figures"].get(regime, {}).get(figure.name)
            if not one:
                yield f"no {figure.name} ({regime})"
                continue
            raw = not (figure.name in WITHOUT_RAW or figure.name.startswith(WITHOUT_RAW_KINDS))
            for who in ("ours", "raw") if raw else ("ours",):
                value = one["who"].get(who, {}).get("median")
                may_be_zero = any(word in figure.name for word in MAY_BE_ZERO)
                if value is None or (value <= 0 and not may_be_zero):
                    yield f"{figure.name} ({regime}) has no value of {who}"


def check_results(folder):
    for group, title in table.GROUPS.items():
        data = json.loads((folder / f"{group}.json").read_text())
        for row in table.ROWS:
            if row.group == group:
                yield from check_figures(row, data)
        if not data["machine"]["cpu"] or data["rounds"] != 1:
            yield f"{group}.json does not describe its run"
        drawn = xml.parse(folder / f"{group}.svg").getroot()
        if drawn.get("aria-label", "").split(":")[0] != title:
            yield f"{group}.svg is not called {title}"


def check_page(folder):
    """The page's tables can be made from the results, a line for each figure."""
    page = report.page(folder)
    for row in table.CORE + table.THREADS:
        for figure in row.figures:
            if f"| {figure.title}" not in page:
                yield f"the page has no {figure.title}"
    text = (ROOT / "docs/performance.md").read_text()
    if text.count(report.BEGIN) != 1 or text.count(report.END) != 1:
        yield "docs/performance.md has not the two marks for its tables"


def check_rows(build):
    """Peers' rows have a meaning: what asyncio's program lists, and the notes' names."""
    program = ROOT / "bench/peers/python.py"
    ast.parse(program.read_text())
    listed = subprocess.run([sys.executable, program, "--list"], capture_output=True, text=True,
                            check=True).stdout.split()
    names = {row.name for row in table.ROWS}
    yield from (f"python.py has a row {name} that nobody asks for" for name in listed
                if name not in names)
    yield from (f"a note on {row}, which is no row" for _, row in table.NOTES
                if row not in names | {"*"})
    done = subprocess.run([build / "bench/bench_core", "no-such-row"], capture_output=True,
                          check=False)
    if done.returncode != 2:
        yield "a row that is not there is not refused"


def main():
    folder = os.environ.get("AWAIT_BUILD_GCC")
    if not folder:
        print("skip: no gcc build")
        return 77
    build = ROOT / folder
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([sys.executable, ROOT / "bench/run.py", "--build", build, "--rounds",
                               "1", "--peers", "none", "--out", out], capture_output=True,
                              text=True, check=False,
                              env={**os.environ, "BENCH_SCALE": str(SCALE)})
        if done.returncode:
            print(done.stderr, "... after:", *done.stdout.splitlines()[-5:], sep="\n")
            return 1
        out = pathlib.Path(out)
        problems = [*check_results(out), *check_page(out), *check_rows(build)]
    print("".join(f"{p}\n" for p in problems), end="")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
