"""Builds the peers' programs, each with the flags that it recommends itself.

A peer that is not installed, or cannot be had, is not compared: Missing says
why.  What scripts/setup can install it has installed before; crates and Python
packages come by their own tools, into the build folder.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Missing(Exception):
    """Why a peer is not there."""


def call(*command, cwd=ROOT, timeout=600, **environment):
    """The output of a command; Missing when it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, timeout=timeout, text=True, capture_output=True,
                              env={**os.environ, **environment})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()
        raise Missing(f"{pathlib.Path(command[0]).name}: {said[-1].strip()}")
    return done.stdout


def need(command):
    if not shutil.which(command):
        raise Missing(f"no {command}")


def version_in(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text())
    except OSError:
        return ""
    return ".".join(found.groups()) if found else ""


def go(folder):
    need("go")
    program = folder / "go"
    call("go", "build", "-o", str(program), ".", cwd=HERE / "go")
    return [program], call("go", "version").split()[2]


def tokio(folder):
    need("cargo")
    call("cargo", "build", "--quiet", "--release", "--locked", "--target-dir",
         str(folder / "tokio"), cwd=HERE / "tokio")
    version = version_in(HERE / "tokio/Cargo.toml", r'tokio = .*version = "=([\d.]+)"')
    return [folder / "tokio/release/bench-tokio"], f"{version}, current_thread"


def libuv(folder):
    if not pathlib.Path("/usr/include/uv.h").exists():
        raise Missing("no uv.h")
    program = folder / "libuv"
    call("gcc", "-O2", f"-I{ROOT}", str(HERE / "libuv.c"), "-o", str(program), "-luv")
    return [program], call("pkg-config", "--modversion", "libuv").strip()


def state_threads(folder):
    if not pathlib.Path("/usr/include/st.h").exists():
        raise Missing("no st.h")
    program = folder / "state_threads"
    call("gcc", "-O2", "-D_GNU_SOURCE", f"-I{ROOT}", str(HERE / "state_threads.c"), "-o",
         str(program), "-lst")
    return [program], version_in("/usr/include/st.h", r"ST_VERSION\s+\"([\d.]+)\"")


def boost_context(folder):
    if not pathlib.Path("/usr/include/boost/context/fiber.hpp").exists():
        raise Missing("no boost/context/fiber.hpp")
    program = folder / "boost_context"
    call("g++", "-O2", "-DNDEBUG", f"-I{ROOT}", str(HERE / "boost_context.cpp"), "-o",
         str(program), "-lboost_context")
    version = version_in("/usr/include/boost/version.hpp", r'BOOST_LIB_VERSION "([\d_]+)"')
    return [program], version.replace("_", ".")


def asyncio(folder):
    del folder
    version = sys.version.split()[0]
    return [sys.executable, HERE / "python.py"], f"of Python {version}"


def uvloop(folder):
    python = folder / "python/bin/python"
    if not python.exists():
        call(sys.executable, "-m", "venv", str(folder / "python"))
    try:
        version = call(str(python), "-c", "import uvloop; print(uvloop.__version__)")
    except Missing:
        call(str(python), "-m", "pip", "--quiet", "install", "-r", str(HERE / "requirements.txt"))
        version = call(str(python), "-c", "import uvloop; print(uvloop.__version__)")
    return [python, HERE / "python.py", "--uvloop"], version.strip()


def aiohttp(folder):
    python = folder / "aiohttp/bin/python"
    if not python.exists():
        call(sys.executable, "-m", "venv", str(folder / "aiohttp"))
    version_of = "import aiohttp; print(aiohttp.__version__)"
    try:
        version = call(str(python), "-c", version_of)
    except Missing:
        call(str(python), "-m", "pip", "--quiet", "install", "-r",
             str(HERE / "requirements-aiohttp.txt"))
        version = call(str(python), "-c", version_of)
    return [python, HERE / "aiohttp_client.py"], version.strip()


def libdispatch(folder):
    del folder
    raise Missing("no program for it yet: the distribution it was to be tried on has no package")


PEERS = {"go": go, "tokio": tokio, "libuv": libuv, "asyncio": asyncio, "uvloop": uvloop,
         "aiohttp": aiohttp,
         "State Threads": state_threads, "Boost.Context": boost_context,
         "libdispatch": libdispatch}
