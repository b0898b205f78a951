#!/usr/bin/env python3
"""Tests the tests' runner on a made-up binary: what fails must be seen to fail.

The binary is a shell script with one test of every kind of ending; what the
runner prints about each, its last line and its exit status are compared.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENDINGS = {
    "good": "echo fine",
    "good_too": "echo fine",
    "FUT_001_bad": "echo the reason; exit 3",
    "unsteady": "[ -e $MARK ] || { touch $MARK; echo not yet; exit 4; }",
    "fails_then_skips": "[ -e $MARK.2 ] && exit 77; touch $MARK.2; exit 5",
    "skipped": "echo 'skip: no such device'; exit 77",
    "crashed": "kill -SEGV $$",
    "stuck": "echo last words; exec sleep 30",
    "stubborn": "trap '' ABRT; echo deaf; while :; do sleep 1; done",
    "leaves_a_child_behind": "sleep 30 & exit 0",
    "any_order": "echo order $AWAIT_SHUFFLE of $AWAIT_SEED; exit $((AWAIT_SEED % 7 == 0))",
}
FLAGS = {"any_order": "slow,order-free"}


def make_build(folder):
    """A build folder whose only test binary is the script."""
    binary, mark = folder / "tests/test_fake", folder / "mark"
    binary.parent.mkdir()
    cases = "".join(f"    {name}) {body} ;;\n" for name, body in ENDINGS.items())
    names = "".join(f"echo {name} {FLAGS.get(name, '-')} fake.c:1\n" for name in ENDINGS)
    binary.write_text(f"#!/bin/bash\nMARK={mark}\nif [ $1 = --list ]; then\n{names}exit 0\nfi\n"
                      f"case $2 in\n{cases}esac\n")
    binary.chmod(0o755)


def run(folder, *arguments, config="fake", **variables):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWAIT_")}
    done = subprocess.run([ROOT / "tests/run.py", "--no-scripts", "--limit", "0.5",
                           "--config", f"{config}={folder}", *arguments],
                          text=True, capture_output=True, check=False, env=kept | variables)
    return done.returncode, done.stdout + done.stderr


def expect(condition, what, output):
    if not condition:
        sys.exit(f"not so: {what}\n{output}")
    print(f"ok: {what}")


def order_of(output):
    return re.findall(r"^passed fake: (\w+)", output, re.M)


def check_everything(folder):
    status, output = run(folder, "-v")
    last = output.splitlines()[-1]
    expect(status == 1, "a failure gives exit status 1", output)
    expect(last == "3 passed, 7 failed, 1 skipped", "the last line counts", output)
    for text in ("FUT_001_bad: exit status 3\n    the reason\n", "crashed: killed by SIGSEGV",
                 "stuck: timed out after 0.5 s\n    last words\n", "stubborn: timed out",
                 "skipped fake: skipped: no such device",
                 f"repeat: {folder}/tests/test_fake --run FUT_001_bad"):
        expect(text in output, f"it says: {text.splitlines()[0]}", output)


def check_times(folder):
    """The summary says what is slow, and that waiting is not work."""
    _, output = run(folder, "--limit", "1.2", "stuck", "good")
    slow = re.findall(r"^slow fake: (\w+): ([\d.]+) s, ([\d.]+) s of CPU$", output, re.M)
    expect([name for name, _, _ in slow] == ["stuck"], "a slow test is named", output)
    expect(float(slow[0][1]) >= 1.2 and float(slow[0][2]) < 1, "what waits does not work", output)
    expect(re.search(r"^fake: +2 passed, 1 failed, 0 skipped, 0 unsteady, in \d+ s, \d+ s of CPU$",
                     output, re.M), "a configuration has its time", output)


def check_choices(folder):
    status, output = run(folder, "GOOD")
    expect(status == 0 and output.endswith("\n2 passed, 0 failed\n"), "filters by name", output)
    status, output = run(folder, "FUT-001")
    expect(output.endswith("\n0 passed, 1 failed\n"), "an id may be written with a dash", output)
    status, output = run(folder, "nonesuch")
    expect(status == 1 and output.endswith("\n0 passed, 0 failed\n"), "nothing ran: fails", output)
    orders = [order_of(run(folder, "-v", "--jobs", "1", "--repeat", "8", "--seed", str(seed),
                           "good")[1]) for seed in (1, 1, 2)]
    expect(len(orders[0]) == 16 and orders[0] == orders[1] != orders[2], "a seed is an order",
           orders)


def check_seeds(folder):
    """Order-free tests are run by a seed; what the environment has is repeated."""
    status, output = run(folder, "--shuffle", "14")
    expect(status == 1 and output.endswith("\n0 passed, 1 failed\n"), "only the marked", output)
    command = f"AWAIT_SHUFFLE=1 AWAIT_SEED=14 {folder}/tests/test_fake --run any_order"
    expect(f"repeat: {command}" in output, "a shuffled failure says its seed", output)
    status, output = run(folder, "--shuffle", "15")
    expect(status == 0 and "AWAIT_SEED=15" in output, "the seed is printed, and passed on", output)
    seeds = [re.findall(r"AWAIT_SEED=(\d+)", run(folder, "--seed", order, config=config)[1])[0]
             for config, order in (("shuffle-1", "3"), ("shuffle-1", "3"), ("shuffle-2", "3"),
                                   ("shuffle-1", "4"))]
    expect(seeds[0] == seeds[1] and len(set(seeds)) == 3, "a configuration draws a seed", seeds)
    status, output = run(folder, "any_order", AWAIT_SEED="21", AWAIT_SHUFFLE="1")
    command = command.replace("AWAIT_SHUFFLE=1 AWAIT_SEED=14", "AWAIT_SEED=21 AWAIT_SHUFFLE=1")
    expect(f"repeat: {command}" in output, "so does one that found it in the environment", output)


def check_again(folder):
    """What passes when it is run again is neither passed nor failed, and all of it is told."""
    told = "\nunsteady fake: unsteady: at first exit status 4, passed when run again\n"
    for again, status, last in (("fake", 0, "1 passed, 0 failed, 1 unsteady"),
                                ("other", 1, "1 passed, 1 failed")):
        (folder / "mark").unlink(missing_ok=True)
        got, output = run(folder, "--again", again, "unsteady", "good_too")
        expect((got, output.splitlines()[-1]) == (status, last), f"again: {last}", output)
        expect("FAILED fake: unsteady: exit status 4\n    not yet" in output, "it is shown", output)
        expect((told in output) == (again == "fake"), "it is named", output)
    (folder / "mark.2").unlink()
    got, output = run(folder, "--again", "fake", "fails_then_skips")
    expect(got == 1 and output.endswith("\n0 passed, 1 failed\n"), "a skip is no pass", output)
    got, output = run(folder, "--again", "fake", "bad")
    expect(got == 1 and output.endswith("\n0 passed, 1 failed\n"), "twice failed, fails", output)


def main():
    with tempfile.TemporaryDirectory(prefix="await-runner-") as folder:
        make_build(pathlib.Path(folder))
        check_everything(folder)
        check_times(folder)
        check_choices(folder)
        check_seeds(folder)
        check_again(pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
