"""Runs example programs as a person would see them, and compares what they print.

The output goes to a pseudo-terminal: standard output is then flushed line by
line, so that a report on standard error stands where it was written.  What is
expected of examples/NAME.c stands in tests/examples/NAME.expected; of a run that a
signal ends in NAME.SIGNAL.expected.

Programs with threads of their own run on the real clock, where lines that are
printed at about the same time come in any order.  What is expected of them opens
with the line `thread time | line`, and has these three in each line; the order counts
in each thread, and between threads where the times differ by half a second or more.
"""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import threading
import time
from difflib import unified_diff

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "tests/examples"
EARLY, LATE = 0.0101, 0.4  # what a time on the real clock may differ by, in seconds
NUMBER = re.compile(r"\d+\.\d+")
THREADS = re.compile(r"thread +time +\| line\n")
APART = 0.5  # seconds between lines of two threads from which on their order counts
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM}
SIGNAL_AFTER = 1.5  # seconds


def program(name):
    """The program of an expected output."""
    return name.partition(".")[0]


def signal_of(name):
    """The signal that ends this run of a program, or None."""
    return SIGNALS.get(name.partition(".")[2])


def source(name):
    return ROOT / "examples" / f"{program(name)}.c"


def names():
    """The examples that have an expected output, in order."""
    return sorted(path.stem for path in EXPECTED.glob("*.expected"))


def expected(name):
    return (EXPECTED / f"{name}.expected").read_text("utf-8")


def has_threads(name):
    """Is its expected output one of several threads, for the real clock?"""
    return bool(THREADS.match(expected(name)))


# ---- running --------------------------------------------------------------------------------


def environment(**extra):
    """The caller's, without what changes how the library behaves."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("AWAIT_")}
    return dict(own, **extra)


def open_terminal():
    """Both ends of a pseudo-terminal that leaves newlines alone."""
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    return ours, theirs


def read_some(descriptor, until):
    """The next bytes; b"" at the end, None when the time is over."""
    if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
        return None
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how a terminal says that nobody has its other end open
        return b""


class Run:
    """A program that has ended: its exit status, what it printed, how long it took."""

    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds


def end(process):
    """Makes sure that a program and whatever it started are over."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return process.wait()


def send_later(process, number):
    """Sends a signal some time after now, if the process is still there."""
    def send():
        if process.poll() is None:
            process.send_signal(number)

    timer = threading.Timer(SIGNAL_AFTER, send)
    timer.daemon = True
    timer.start()


def run(command, env, limit=30.0, echo=None, interrupt=None):
    """Runs a command to its end; `echo` is given each line as it comes.

    `interrupt` is sent some time after its first line: how long it takes to begin does not count.
    """
    begin = time.monotonic()
    ours, theirs = open_terminal()
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=env, stdout=theirs,
                               stderr=theirs, stdin=subprocess.DEVNULL, start_new_session=True)
    os.close(theirs)
    text, shown = b"", 0
    try:
        while chunk := read_some(ours, begin + limit):
            if interrupt and not text:
                send_later(process, interrupt)
            text += chunk
            while echo and (newline := text.find(b"\n", shown)) >= 0:
                echo(text[shown:newline].decode("utf-8", "replace"))
                shown = newline + 1
        process.wait(max(0.1, begin + limit - time.monotonic()))
    except subprocess.TimeoutExpired:
        text += f"\nended after {limit:g} s\n".encode()
    finally:
        status = process.returncode if process.poll() is not None else end(process)
        os.close(ours)
    return Run(status, text.decode("utf-8", "replace"), time.monotonic() - begin)


# ---- comparing ------------------------------------------------------------------------------


def normalise(text):
    """Without what differs from build to build, or from run to run."""
    text = re.sub(r"\+0x[0-9a-f]+", "+0x…", text)
    text = re.sub(r"\bthread \d+", "thread …", text)
    text = re.sub(r"[^\s(]*/(examples/\w+\.c:\d+|\w+\+0x…)", r"\1", text)
    # How deep a stack is depends on what the compiler inlined: one line stands for all.
    return re.sub(r"(  stack: +\S+\n)(?: {11}\S+\+0x…\n)+", r"\1           …\n", text)


def same_line(wanted, got, real_clock):
    """Equal; on the real clock, up to what a time may differ by."""
    if not real_clock:
        return wanted == got
    if NUMBER.sub("#", wanted) != NUMBER.sub("#", got):
        return False
    return all(-EARLY <= float(b) - float(a) <= LATE
               for a, b in zip(NUMBER.findall(wanted), NUMBER.findall(got)))


class Line:
    """A line that some thread prints at some time."""

    def __init__(self, row):
        left, _, self.text = row.partition(" | ")
        self.thread, time_text = left.split()
        self.time = float(time_text)

    def fits(self, got):
        """Is it this line?  "…" stands for any number."""
        pattern = re.escape(self.text).replace("…", r"(?:…|[\d.]+)")
        return same_line(self.text, got, True) or bool(re.fullmatch(pattern, got))


def threads_of(wanted):
    """The lines of each thread, in order."""
    threads = {}
    for row in wanted.splitlines()[1:]:
        line = Line(row)
        threads.setdefault(line.thread, []).append(line)
    return list(threads.values())


def steps(threads, done, got):
    """The ways to take one more line as printed: how many lines of each thread are done then."""
    heads = [lines[n] if n < len(lines) else None for lines, n in zip(threads, done)]
    for i, head in enumerate(heads):
        early = head and any(h and h.time <= head.time - APART for h in heads)
        if head and not early and head.fits(got):
            yield done[:i] + (done[i] + 1,) + done[i + 1:]


def differences_of_threads(wanted, got):
    """Says where the printed lines leave every order that is allowed."""
    threads = threads_of(wanted)
    ways = {(0,) * len(threads)}  # which lines may have been printed so far
    for number, line in enumerate(got, 1):
        before, ways = ways, {way for done in ways for way in steps(threads, done, line)}
        if not ways:
            heads = [lines[n].text for done in before for lines, n in zip(threads, done)
                     if n < len(lines)]
            return [f"line {number} is: {line}", *(f"it might be: {text}" for text in heads)]
    if any(all(n == len(lines) for lines, n in zip(threads, done)) for done in ways):
        return []
    return [f"only {len(got)} lines came"]


def differences(wanted, got, real_clock=False):
    """What is wrong with a text, as lines: a diff, or where threads are out of order."""
    a, b = normalise(wanted).splitlines(), normalise(got).splitlines()
    if THREADS.match(wanted):
        found = differences_of_threads(normalise(wanted), b)
        return [*found, "all of it:", *b] if found else []
    if len(a) == len(b) and all(same_line(x, y, real_clock) for x, y in zip(a, b)):
        return []
    return list(unified_diff(a, b, "expected", "printed", lineterm="", n=len(a)))
