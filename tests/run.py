#!/usr/bin/env python3
"""Runs the tests: a process per test, a time limit, parallel, in random order.

The binaries (test_* in a build folder's tests/) list their own tests, so there
is no list to keep; the script tests are named in tests/scripts.txt.  What runs
is the product of tests and configurations, shuffled by a printed seed.  A
configuration whose name begins with "shuffle" runs the tests marked order-free
with runnable tasks in an order drawn from a seed, printed too.  A test that
fails is shown with its output and the command that repeats it.  With --again NAME,
what failed of a configuration is run once more when the others have ended, alone:
scripts have real servers, real time and whatever else the machine does against
them.  One that passes then is not a failure, but counted and named as unsteady, a
defect to be mended: both of its endings are shown.  The summary says
where the time went: of each configuration, and of the slowest tests.  Seconds of
CPU beside it tell work from waiting.  The last line is always `N passed, N failed`.
"""

import argparse
import concurrent.futures
import os
import pathlib
import platform
import random
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77
LIMIT, LIMIT_SLOW = 10, 60
LONG = 200  # seconds: such tests go first, so that none of them is alone at the end
SLOWEST, SLOW = 10, 1.0  # so many tests are named in the summary, if they took so many seconds
SHOWN = 12000  # characters of a failed test's output: both ends of it

# What a configuration adds to a test's environment, by the configuration's name.
ENVIRONMENT = {
    "asan": {
        "ASAN_OPTIONS": "detect_stack_use_after_return=1:detect_leaks=1:abort_on_error=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    },
    # Neither sees what the kernel writes for io_uring.
    "tsan": {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1", "AWAIT_BACKEND": "epoll"},
    "valgrind": {"AWAIT_TEST_INSTRUMENTED": "1", "AWAIT_BACKEND": "epoll"},
    "epoll": {"AWAIT_BACKEND": "epoll"},
    "aarch64": {"AWAIT_TEST_EMULATED": "1", "AWAIT_BACKEND": "epoll"},
}
# How much longer than in a plain build a test may take there.
SLOWNESS = {"asan": 2, "tsan": 3, "valgrind": 12, "aarch64": 6}
WRAPPER = {
    "aarch64": ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    "valgrind": ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
                 "--child-silent-after-fork=yes",
                 # To know of inlined functions is a quarter of what it takes to start.
                 "--read-inline-info=no",
                 "--errors-for-leak-kinds=definite"],
    # io_uring is there, and a seccomp filter forbids it.
    "denied": ["{build}/tests/deny_uring"],
}
# Configurations that only differ by the backend leave out what has none, or one of its own.
OTHER_BACKEND = ("epoll", "denied")
NO_BACKEND = ("test_base", "test_coro", "test_harness", "test_model_", "test_sys", "test_text")
# Under valgrind a model would only say that it takes too long, after a second's start.
LEFT_OUT = {"valgrind": ("test_model_",), **dict.fromkeys(OTHER_BACKEND, NO_BACKEND)}
FOREIGN = {"aarch64"}  # their binaries do not run at all without the wrapper
# clang's TSan gives up at start when the kernel randomises addresses too widely.
TSAN_MAPPING = "ThreadSanitizer: unexpected memory mapping"
NO_RANDOMISATION = ["setarch", platform.machine(), "-R"]


class Test:
    """One test in one configuration: what to execute and for how long."""

    def __init__(self, config, name, command, limit, environment):
        self.config, self.name, self.command = config, name, command
        self.limit, self.environment = limit, environment

    def repeat_command(self):
        """With what it was given, and what it found in the environment."""
        found = {k: v for k, v in sorted(os.environ.items()) if k.startswith("AWAIT_")}
        shown = [f"{k}={shlex.quote(v)}" for k, v in (found | self.environment).items()]
        return " ".join(shown + [shlex.join(self.command)])


class Outcome:
    """What became of a process: its exit status, what it printed, and what it took."""

    def __init__(self, status, timed_out, output, seconds, cpu):
        self.status, self.timed_out, self.output = status, timed_out, output
        self.seconds, self.cpu = seconds, cpu


class Result:
    """How a test ended: verdict is "passed", "failed", "skipped" or "unsteady"."""

    def __init__(self, test, verdict, reason, outcome=None):
        self.test, self.verdict, self.reason = test, verdict, reason
        self.output = outcome.output if outcome else ""
        self.seconds, self.cpu = (outcome.seconds, outcome.cpu) if outcome else (0, 0)


def relative(path):
    """The path as one would type it in the project's folder."""
    path = pathlib.Path(path).resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


# ---- discovery ------------------------------------------------------------------------------


def list_binary(config, binary):
    """The `--list` lines of a test binary, split; retried where TSan dislikes the addresses."""
    foreign = [WRAPPER[config]] if config in FOREIGN else []
    for prefix in foreign or ([], [], [], NO_RANDOMISATION):
        done = subprocess.run(prefix + [str(binary), "--list"], cwd=ROOT, text=True,
                              capture_output=True, timeout=60, check=False)
        if TSAN_MAPPING not in done.stdout + done.stderr:
            break
    if done.returncode != 0:
        sys.exit(f"run.py: {binary} --list failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return [line.split() for line in done.stdout.splitlines()]


def unit_tests(config, folder, limits, shuffle):
    """Every test of every binary of one configuration; `limits` are the usual and the slow one.

    With a seed in `shuffle` only those that are order-free, in the order that it draws.
    """
    environment = dict(ENVIRONMENT.get(config, {}))
    if shuffle is not None:
        environment |= {"AWAIT_SHUFFLE": "1", "AWAIT_SEED": str(shuffle)}
    binaries = sorted(p for p in (folder / "tests").glob("test_*")
                      if p.is_file() and os.access(p, os.X_OK)
                      and not p.name.startswith(LEFT_OUT.get(config, ())))
    if not binaries:
        sys.exit(f"run.py: no test binaries in {folder}/tests: build the configuration first")
    for binary in binaries:
        for name, flags, _place in list_binary(config, binary):
            if shuffle is not None and "order-free" not in flags.split(","):
                continue
            limit = limits["slow" in flags.split(",")]
            wrapper = [word.format(build=relative(folder)) for word in WRAPPER.get(config, [])]
            command = wrapper + [relative(binary), "--run", name]
            yield Test(config, name, command, limit * SLOWNESS.get(config, 1), environment)


def script_tests(configs):
    """The lines `name seconds command…` of tests/scripts.txt; builds are in AWAIT_BUILD_*."""
    environment = {f"AWAIT_BUILD_{name.upper()}": relative(folder) for name, folder in configs}
    for line in (ROOT / "tests/scripts.txt").read_text().splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield Test("scripts", words[0], words[2:], float(words[1]), environment)


def wanted(name, filters):
    """Whether a name contains one of the words; FUT-001 is written FUT_001 in names."""
    name = name.lower()
    return not filters or any(f.lower().replace("-", "_") in name.replace("-", "_")
                              for f in filters)


# ---- one test -------------------------------------------------------------------------------


def signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def ends(process, limit):
    """Whether it ends in so many seconds; its number stays its own until it is waited for."""
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(limit * 1000))
    finally:
        os.close(descriptor)


def wait_or_end(process, limit):
    """(exit status, had it to be ended, seconds of CPU); what it left behind dies with it.

    SIGABRT comes first, for a stack in the output.
    """
    timed_out = not ends(process, limit)
    if timed_out:
        signal_group(process, signal.SIGABRT)
        ends(process, 2)
    signal_group(process, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, timed_out, usage.ru_utime + usage.ru_stime


def execute(test, prefix):
    """Runs it once, in a session of its own."""
    environment = dict(os.environ, **test.environment)
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(prefix + test.command, cwd=ROOT, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        status, timed_out, cpu = wait_or_end(process, test.limit)
        seconds = time.monotonic() - begin
        output.seek(0)
        return Outcome(status, timed_out, output.read().decode("utf-8", "replace"), seconds, cpu)


def execute_somehow(test):
    """Runs it; again with fixed addresses, or with luckier ones, where TSan could not start."""
    outcome = execute(test, [])
    for prefix in [NO_RANDOMISATION] + [[]] * 8:
        if TSAN_MAPPING not in outcome.output and "setarch:" not in outcome.output:
            break
        if not prefix or shutil.which(prefix[0]):
            outcome = execute(test, prefix)
    return outcome


def run_test(test):
    try:
        outcome = execute_somehow(test)
    except OSError as error:
        return Result(test, "failed", f"cannot be run: {error}")
    status = outcome.status
    if outcome.timed_out:
        return Result(test, "failed", f"timed out after {test.limit:g} s", outcome)
    if status == 0:
        return Result(test, "passed", "", outcome)
    if status == SKIPPED:
        reasons = [line[6:] for line in outcome.output.splitlines() if line.startswith("skip: ")]
        return Result(test, "skipped", reasons[-1] if reasons else "no reason given", outcome)
    if status < 0:
        return Result(test, "failed", f"killed by {signal.Signals(-status).name}", outcome)
    return Result(test, "failed", f"exit status {status}", outcome)


def absent(config):
    """Stands for all the tests of a configuration that cannot be built."""
    return Result(Test(config, "every_test", [], 0, {}), "skipped",
                  "its compiler or emulator could not be installed")


# ---- all of them ----------------------------------------------------------------------------


def what_failed(output):
    """Without the lines of a script that say what went well; the last stays: it may hang there."""
    lines = output.splitlines(keepends=True)
    return "".join(line for line in lines
                   if line is lines[-1] or not line.startswith(("ok: ", "skip: ")))


def shorten(text):
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN // 2]}\n… {len(text) - SHOWN} characters …\n{text[-SHOWN // 2:]}"


def took(result):
    return f"{result.seconds:.2f} s, {result.cpu:.2f} s of CPU"


def show(result, verbose):
    """A failure in full; anything else as a line, when asked for."""
    test = result.test
    if result.verdict == "failed":
        print(f"\nFAILED {test.config}: {test.name}: {result.reason}")
        shown = shorten(what_failed(result.output))
        print("".join(f"    {line}\n" for line in shown.splitlines()), end="")
        print(f"  repeat: {test.repeat_command()}", flush=True)
    elif verbose:
        reason = f" ({result.reason})" if result.reason else ""
        print(f"{result.verdict} {test.config}: {test.name}{reason} {took(result)}", flush=True)


def run_all(tests, jobs, verbose):
    results, lock = [], threading.Lock()

    def one(test):
        result = run_test(test)
        with lock:
            results.append(result)
            show(result, verbose)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for future in [pool.submit(one, test) for test in tests]:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def run_again(results, config, verbose):
    """What failed of a configuration, once more and alone; what passes now is unsteady."""
    for first in [r for r in results if (r.verdict, r.test.config) == ("failed", config)]:
        print(f"\nonce more: {config}: {first.test.name}", flush=True)
        second = run_test(first.test)
        show(second, verbose)
        if second.verdict == "passed":
            second.verdict, second.reason = "unsteady", f"at first {first.reason}"
            results[results.index(first)] = second


def count(verdict, some):
    return sum(r.verdict == verdict for r in some)


def summarise_times(results, order):
    """Counts and seconds per configuration, and the slowest tests."""
    for config in order:
        some = [r for r in results if r.test.config == config]
        if some:
            print(f"{config + ':':10} {count('passed', some)} passed, "
                  f"{count('failed', some)} failed, {count('skipped', some)} skipped, "
                  f"{count('unsteady', some)} unsteady, in "
                  f"{sum(r.seconds for r in some):.0f} s, {sum(r.cpu for r in some):.0f} s of CPU")
    slowest = sorted((r for r in results if r.seconds >= SLOW), key=lambda r: -r.seconds)
    for r in slowest[:SLOWEST]:
        print(f"slow {r.test.config}: {r.test.name}: {took(r)}")


def summarise(results, order, seconds):
    """The times, every skip by name and reason, every failure; returns the exit status."""
    print()
    summarise_times(results, order)
    for r in sorted((r for r in results if r.verdict == "skipped"), key=lambda r: r.test.name):
        print(f"skipped {r.test.config}: {r.test.name}: {r.reason}")
    for r in results:
        if r.verdict == "unsteady":
            print(f"unsteady {r.test.config}: {r.test.name}: {r.reason}, passed when run again")
    failed = sorted(f"{r.test.config}: {r.test.name}" for r in results if r.verdict == "failed")
    for name in failed:
        print(f"failed {name}")
    if not results:
        print("nothing ran: no test has such a name")
    print(f"{seconds:.1f} s")
    counts = {verdict: count(verdict, results) for verdict in ("skipped", "unsteady")}
    last = f"{count('passed', results)} passed, {len(failed)} failed"
    print(last + "".join(f", {n} {verdict}" for verdict, n in counts.items() if n))
    return 0 if len(results) > len(failed) == 0 else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="run the tests whose name contains one of these")
    parser.add_argument("--config", action="append", metavar="NAME=DIR", default=[],
                        help="a built configuration (default: those of build/ that are built)")
    parser.add_argument("--absent", action="append", metavar="NAME", default=[],
                        help="a configuration that cannot be built here: named as skipped")
    parser.add_argument("--seed", type=int, help="repeat an order")
    parser.add_argument("--shuffle", type=int, metavar="SEED",
                        help="only the tests marked order-free, their tasks in the order of SEED")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS",
                        help=f"the usual time limit (default: {LIMIT}; slow: >= {LIMIT_SLOW})")
    parser.add_argument("--repeat", type=int, default=1, help="run each test so many times")
    parser.add_argument("--again", metavar="NAME",
                        help="run what fails of this configuration once more, alone")
    parser.add_argument("--list", action="store_true", help="say what would run")
    parser.add_argument("--no-scripts", action="store_true", help="leave the script tests out")
    parser.add_argument("--scripts", action="store_true", help="only the script tests")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="a line for every test, with its time")
    return parser.parse_args()


def configurations(options):
    pairs = [c.partition("=")[::2] for c in options.config]
    if not pairs:
        pairs = [(name, f"build/{name}") for name in ("gcc", "asan", "tsan")
                 if (ROOT / "build" / name / "tests").is_dir()]
    return [(name, (ROOT / folder).resolve()) for name, folder in pairs]


def shuffle_seed(config, options):
    """What draws the order of tasks in this configuration; None: nothing does."""
    if options.shuffle is None and config.startswith("shuffle"):
        return random.Random(f"{options.seed} {config}").randrange(1, 1 << 31)
    return options.shuffle


def hear_signals():
    """A shell's background job ignores SIGINT, and so would the tests, which send it."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def main():
    hear_signals()
    options = arguments()
    if options.seed is None:
        options.seed = random.randrange(1 << 31)
    configs = configurations(options)
    tests = []
    if not options.scripts:
        for name, folder in configs:
            shuffle = shuffle_seed(name, options)
            if shuffle is not None:
                print(f"{name}: order-free tests under AWAIT_SHUFFLE=1 AWAIT_SEED={shuffle}")
            limits = options.limit, max(options.limit, LIMIT_SLOW)
            tests += unit_tests(name, folder, limits, shuffle)
    if not options.no_scripts and options.shuffle is None:
        tests += script_tests([c for c in configs if not c[0].startswith("shuffle")])
    tests = [t for t in tests if wanted(t.name, options.names)] * options.repeat
    if options.list:
        for test in tests:
            print(f"{test.config}: {test.name}: {test.repeat_command()}")
        return 0
    random.Random(options.seed).shuffle(tests)
    tests.sort(key=lambda t: t.limit < LONG)  # stable: the rest stays shuffled
    print(f"{len(tests)} tests, {options.jobs} at a time, in the order of --seed {options.seed}",
          flush=True)
    begin = time.monotonic()
    results = run_all(tests, options.jobs, options.verbose)
    run_again(results, options.again, options.verbose)
    results += [absent(name) for name in options.absent]
    order = [name for name, _ in configs] + options.absent + ["scripts"]
    return summarise(results, order, time.monotonic() - begin)


if __name__ == "__main__":
    sys.exit(main())
