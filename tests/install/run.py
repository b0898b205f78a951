#!/usr/bin/env python3
"""Installs the library into a temporary folder and uses it from outside the tree.

What a user would do: ask pkg-config, compile, link, run; in C11 and C++17, with
both compilers, against the shared and the static library.  Everything the
programs print is known.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/install"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
PROGRAMS = [(["gcc", "-std=c11"], "hello.c"), (["clang", "-std=c11"], "hello.c"),
            (["g++", "-std=c++17"], "hello.cpp"), (["clang++", "-std=c++17"], "hello.cpp")]
HAS_TLS = subprocess.run(["pkg-config", "--exists", "openssl >= 3.0"], check=False).returncode == 0
EXPECTED = "hello tasks 5, gather 6, options 7\nAW_ESTATE\nresult 42\n"


def call(command, **environment):
    """Runs a command; its output, or an end of the test that shows it."""
    done = subprocess.run(command, env=dict(os.environ, **environment), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nexit status {done.returncode}\n{done.stdout}")
    return done.stdout


def pkg_config(destination, *arguments, name="await"):
    folder = next(destination.rglob("await.pc")).parent
    return call(["pkg-config", *arguments, name], PKG_CONFIG_PATH=str(folder),
                PKG_CONFIG_SYSROOT_DIR=str(destination)).split()


def check_files(destination):
    """Each public header, both libraries and the links between their names are there."""
    wanted = {str(p.relative_to(ROOT / "include")) for p in (ROOT / "include").rglob("*.h")}
    wanted |= {"libawait.a", "libawait.so", "libawait.so.0", "await.pc"}
    wanted |= {"libawait-testing.a", "libawait-testing.so", "libawait-testing.so.0",
               "await-testing.pc"}
    if HAS_TLS:
        wanted |= {"libawait-tls.a", "libawait-tls.so", "libawait-tls.so.0", "await-tls.pc"}
    installed = [p for p in destination.rglob("*") if not p.is_dir()]
    missing = [name for name in sorted(wanted) if not any(
        str(p).endswith("/" + name) for p in installed)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")


def try_program(destination, work, compiler, source, static):
    """Compiles, links and runs one program one way."""
    flags = pkg_config(destination, "--cflags", "--libs", *(["--static"] if static else []))
    if static:
        flags = ["-l:libawait.a" if flag == "-lawait" else flag for flag in flags]
    program = work / f"{source}-{compiler[0]}-{'static' if static else 'shared'}"
    call([*compiler, *WARNINGS, str(HERE / source), "-o", str(program), *flags])
    needed = "libawait.so.0" in call(["readelf", "-d", str(program)])
    if needed == static:
        sys.exit(f"{program.name}: {'needs' if static else 'does not need'} libawait.so.0")
    folder = next(destination.rglob("libawait.so.0")).parent
    printed = call([str(program)], LD_LIBRARY_PATH=str(folder))
    if printed != EXPECTED:
        sys.exit(f"{program.name} printed\n{printed}expected\n{EXPECTED}")
    print(f"{program.name}: as expected")


def try_tls(destination, work):
    """The companion, by its own pkg-config file: it brings the library along."""
    program = work / "tls"
    call(["gcc", "-std=c11", *WARNINGS, str(HERE / "tls.c"), "-o", str(program),
          *pkg_config(destination, "--cflags", "--libs", name="await-tls")])
    folder = next(destination.rglob("libawait.so.0")).parent
    printed = call([str(program)], LD_LIBRARY_PATH=str(folder))
    if printed != "-ENOENT /nonexistent: no such file or directory\n":
        sys.exit(f"{program.name} printed\n{printed}")
    print(f"{program.name}: as expected")


def try_sim(destination, work):
    """The companion for tests, which comes into the library by its door."""
    program = work / "sim"
    call(["gcc", "-std=c11", *WARNINGS, str(HERE / "sim.c"), "-o", str(program),
          *pkg_config(destination, "--cflags", "--libs", name="await-testing")])
    folder = next(destination.rglob("libawait.so.0")).parent
    printed = call([str(program)], LD_LIBRARY_PATH=str(folder))
    if printed != "hello after 0.25 s\n0, 5 bytes\n":
        sys.exit(f"{program.name} printed\n{printed}")
    print(f"{program.name}: as expected")


def main():
    build = os.environ.get("AWAIT_BUILD_GCC")
    if not build:
        print("skip: no plain gcc build at hand")
        return 77
    with tempfile.TemporaryDirectory(prefix="await-install-") as folder:
        work = pathlib.Path(folder)
        destination = work / "destination"
        call(["meson", "install", "--no-rebuild", "--quiet", "-C", str(ROOT / build)],
             DESTDIR=str(destination))
        check_files(destination)
        for compiler, source in PROGRAMS:
            for static in (False, True):
                try_program(destination, work, compiler, source, static)
        if HAS_TLS:
            try_tls(destination, work)
        try_sim(destination, work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
