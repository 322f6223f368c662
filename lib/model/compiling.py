"""Compiling C++ into libraries that are kept in a cache, and doubted whenever they are loaded.

Notable features:
- a library's name has the digest of its contents, which is looked at before it is loaded: one that is empty, cut or
  somebody else's is built anew;
- the key before that hashes the source, the command, the compiler's version and the processor's features;
- the folder is private; where nothing can be built there is a warning, and the caller does without.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

FLAGS = ["-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math"]
# What old compilers lack: with it, and the flags above, fused.cpp compiles.
PROBE = "typedef float v __attribute__((vector_size(8))); v f(v a) { return __builtin_shufflevector(a, a, 1, 0); }"
SLOWER = "so training on the CPU is 5 to 20 times slower."


@functools.cache
def compiler() -> str | None:
    """The C++ compiler to use ($CXX, c++, g++ or clang++), or None, with a warning, where there is none that works."""
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            command = [name, *FLAGS, "-fsyntax-only", "-x", "c++", "-"]
            if subprocess.run(command, input=PROBE, capture_output=True, text=True, errors="replace").returncode == 0:
                return name
    warnings.warn(f"No C++ compiler that works was found, {SLOWER}", stacklevel=2)
    return None


def library(source: Path, sizes: Mapping[str, int], right: Callable[[ctypes.CDLL], bool]) -> ctypes.CDLL | None:
    """The library that `source` becomes with the macros `sizes`, or None, with a warning, where none can be built.

    `right(library)` tells whether it answers rightly; one from the cache that does not is built anew.
    """
    name = compiler()
    if name is None:
        return None
    try:
        command, key, folder = *_command(name, source, sizes), _folder()
        found = next(filter(None, (_load(path, right) for path in folder.glob(f"{key}.*.so"))), None)
        found = found or _load(_build(command, folder, key), right)
        reason = "what was built does not answer rightly"
    except subprocess.CalledProcessError as error:
        found, reason = None, f"{name} said: {(error.stderr.strip().splitlines() or ['nothing'])[-1][:200]}"
    except OSError as error:
        found, reason = None, f"{error.strerror or error}; XDG_CACHE_HOME may name another folder, with free space"
    if found is None:
        warnings.warn(f"The compiled form cannot be had ({reason}), {SLOWER}", stacklevel=3)
    return found


def kept(source: Path, sizes: Mapping[str, int]) -> bool:
    """Whether there is nothing to wait for: a library is in the cache, or none can be built."""
    name = compiler()
    try:
        return name is None or any(_folder().glob(f"{_command(name, source, sizes)[1]}.*.so"))
    except OSError:
        return True


def _command(name: str, source: Path, sizes: Mapping[str, int]) -> tuple[list[str], str]:
    """What compiles a library, but for where to, and the key of all that it depends on."""
    command = [name, *FLAGS, *(f"-D{k}={v}" for k, v in sizes.items())]
    parts = [*command, source.read_text(), _version(name), _processor()]  # wherever the source lies
    return [*command, str(source)], hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _version(name: str) -> str:
    """What a compiler says it is: another one of the same name makes other code."""
    return subprocess.run([name, "--version"], capture_output=True, text=True, errors="replace").stdout


def _processor() -> str:
    """What the compiled code may be used on: the machine's type and its processor's features."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return platform.machine() + next(
        (line for line in lines if line.startswith(("flags", "Features"))), platform.processor()
    )


def _folder() -> Path:
    """The cache, made private; OSError where it cannot be, others could put code into it, or none in it may be run."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "too-big-to-think"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(f"others can write to {folder}")
    folder.chmod(0o700)
    if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise OSError(f"nothing in {folder} may be run")
    return folder


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def _load(path: Path, right: Callable[[ctypes.CDLL], bool]) -> ctypes.CDLL | None:
    """A library that is what its name says and answers rightly, or None; then the file is removed."""
    try:
        if path.is_file() and path.name.split(".")[1] == _digest(path.read_bytes()):
            found = ctypes.CDLL(str(path))
            if right(found):
                return found
    except (OSError, AttributeError):  # it does not load, or lacks a function
        pass
    path.unlink(missing_ok=True)
    return None


def _build(command: list[str], folder: Path, key: str) -> Path:
    """Compiles beside, then renames: processes may race."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as work:
        built = Path(work) / "fused.so"
        environment = os.environ | {"TMPDIR": work}  # the compiler's own files, too, belong on a disk with space
        subprocess.run(
            [*command, "-o", str(built)], check=True, capture_output=True, text=True, errors="replace", env=environment
        )
        return built.replace(folder / f"{key}.{_digest(built.read_bytes())}.so")
