"""Runs example programs as a person would see them, and compares what they print.

The output goes to a pseudo-terminal: standard output is then flushed line by
line, so that a report on standard error stands where it was written.  What is
expected of examples/NAME.c stands in tests/examples/NAME.expected.
"""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import time
from difflib import unified_diff

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "tests/examples"
EARLY, LATE = 0.0101, 0.4  # what a time on the real clock may differ by, in seconds
NUMBER = re.compile(r"\d+\.\d+")


def source(name):
    return ROOT / "examples" / f"{name}.c"


def names():
    """The examples that have an expected output, in order."""
    return sorted(path.stem for path in EXPECTED.glob("*.expected"))


def expected(name):
    return (EXPECTED / f"{name}.expected").read_text("utf-8")


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


def run(command, env, limit=30.0, echo=None):
    """Runs a command to its end; `echo` is given each line as it comes."""
    begin = time.monotonic()
    ours, theirs = open_terminal()
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT, env=env, stdout=theirs,
                               stderr=theirs, stdin=subprocess.DEVNULL, start_new_session=True)
    os.close(theirs)
    text, shown = b"", 0
    try:
        while chunk := read_some(ours, begin + limit):
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
    """Code addresses and folders differ from build to build."""
    text = re.sub(r"\+0x[0-9a-f]+", "+0x…", text)
    return re.sub(r"[^\s(]*/(examples/\w+\.c:\d+|\w+\+0x…)", r"\1", text)


def same_line(wanted, got, real_clock):
    """Equal; on the real clock, up to what a time may differ by."""
    if not real_clock:
        return wanted == got
    if NUMBER.sub("#", wanted) != NUMBER.sub("#", got):
        return False
    return all(-EARLY <= float(b) - float(a) <= LATE
               for a, b in zip(NUMBER.findall(wanted), NUMBER.findall(got)))


def differences(wanted, got, real_clock=False):
    """A diff of the two texts as lines, empty when they agree."""
    a, b = normalise(wanted).splitlines(), normalise(got).splitlines()
    if len(a) == len(b) and all(same_line(x, y, real_clock) for x, y in zip(a, b)):
        return []
    return list(unified_diff(a, b, "expected", "printed", lineterm="", n=len(a)))
