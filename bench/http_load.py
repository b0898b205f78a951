#!/usr/bin/env python3
"""The load on an HTTP server: http_load.py ROW PORT PID, in front of which the servers wait.

wrk, one thread, asks for a small answer over as many connections as the row's name says; the
server's processor time is read from /proc before and after.  What is printed is as bench.h says.
"""
import os
import re
import shutil
import subprocess
import sys

SECONDS = 2


def cpu_of(pid):
    """Seconds of processor time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def seconds(text):
    """wrk's durations: "614.00us", "1.02ms", "1.10s"."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit]


def measure(row, port, pid):
    """The figures of a row; an error's text where wrk met one."""
    if not shutil.which("wrk"):
        return "no wrk"
    duration = 1 if os.environ.get("BENCH_SCALE") else SECONDS
    url = f"http://127.0.0.1:{port}/"
    load = ["wrk", "-t1", f"-c{row.partition('-')[2]}", "--latency", url]
    subprocess.run([*load, "-d1"], stdout=subprocess.DEVNULL, check=True)
    before = cpu_of(pid)
    text = subprocess.run([*load, f"-d{duration}"], capture_output=True, text=True,
                          check=True).stdout
    used = cpu_of(pid) - before
    if "Non-2xx" in text:
        return "some answers were none"
    number = int(re.search(r"(\d+) requests in", text)[1])
    print(f"{row}\t{used / max(number, 1) * 1e6:.6g}")
    print(f"{row}-rate\t{float(re.search(r'Requests/sec: *([0-9.]+)', text)[1]) / 1e3:.6g}")
    print(f"{row}-p99\t{seconds(re.search(r'99%  *([0-9a-z.]+)', text)[1]) * 1e6:.6g}")
    return None


if __name__ == "__main__":
    sys.exit(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
