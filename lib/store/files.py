"""Files that are there whole or not at all, and that are doubted when they are read.

Notable features:
- a file is written beside, synced and renamed; what a killed writer left can be told from what is being written;
- only regular files are read: a pipe in the way of one would be waited for without end;
- whoever decodes a file says with `need` what must hold, and `decoded` tells what does not from what cannot be read.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError

from lib.errors import UserError

BESIDE = re.compile(r"\..+\.[0-9a-f]{16}")  # the name of a file that is being written
# What Python and its libraries raise when a file holds anything at all. Each means that it is not what it should be.
ODD = (
    OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError,
    pa.ArrowException, SafetensorError,
)  # fmt: skip
# What a file system says that cannot lock files or sync folders, as some of Lustre, NFS, SMB and virtual machines do.
CANNOT = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}
ABSENT = (FileNotFoundError, NotADirectoryError)


class Damaged(Exception):
    """A file that is not what it should be; the text says why, without a full stop."""


class Later(ValueError):
    """What a later version of this project wrote."""


class Unreadable(UserError):
    """A file or folder that cannot be read, which says nothing of what it holds."""

    def __init__(self, path: Path, error: OSError | MemoryError, kind: str = "file"):
        reason = "the memory is too small" if isinstance(error, MemoryError) else error.strerror or error
        super().__init__(f"store cannot read {path} ({reason}); it stays as it is, and must be a {kind} to read.")


@contextlib.contextmanager
def _borne(what: str) -> Iterator[None]:
    """Goes on, with a warning, where a file system cannot do what is only for accidents."""
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        warnings.warn(f"The file system of the store cannot {what} ({error.strerror}).", stacklevel=2)


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A new, empty file in the folder of `path`, which is made, to write to; it is gone afterwards, unless renamed.

    Its name is random, so that nobody can have put anything there, and it is locked, so that it can be told from what
    a killed writer left.

    Raises
    ------
    UserError
        When the folder cannot be written or the disk is full.
    """
    found = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(found, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with _borne("lock a file, so what a killed process leaves there stays"):
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield found
        finally:
            os.close(handle)
            found.unlink(missing_ok=True)
    except (OSError, RecursionError) as error:  # the latter for a folder in thousands of others
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"store cannot write {path} ({reason}); it needs a folder that can be written, with free space."
        ) from error


def write(path: Path, data: bytes) -> None:
    """Puts `data` at `path`, at once and for good; when it fails (see `beside`), what was there is still there."""
    with beside(path) as new:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with _borne("sync a folder, so a power cut may cost what was written last"):
                os.fsync(folder)  # the new name, too, survives a power cut
        finally:
            os.close(folder)


def read(path: Path) -> bytes:
    """The contents of a regular file; ValueError for anything else, such as a pipe, which might never end.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When there is no such file (`ABSENT`).
    Unreadable
        When it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            need(stat.S_ISREG(os.fstat(handle).st_mode), "not a regular file")
            with open(handle, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(handle)
    except ABSENT:
        raise
    except (OSError, MemoryError) as error:
        raise Unreadable(path, error) from error


def decoded(path: Path, decode: Callable[[bytes], Any]) -> Any:
    """What `decode` makes of the contents of a file.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        When there is no such file (`ABSENT`).
    Damaged
        When the file is not what it should be: `decode` raised one of `ODD`.
    Unreadable
        When it cannot be read.
    UserError
        When a later version of this project wrote it: `decode` raised `Later`.
    """
    try:
        return decode(read(path))
    except (*ABSENT, Unreadable):
        raise
    except MemoryError as error:
        raise Unreadable(path, error) from error
    except ODD as error:
        reason = " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
        if isinstance(error, Later):
            raise UserError(f"A later version of this project wrote {path} ({reason}); use that version.") from error
        raise Damaged(reason) from error


def names(folder: Path) -> list[str]:
    """The names in a folder, none where there is no folder; `Unreadable` when they cannot be read."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except (OSError, MemoryError) as error:
        raise Unreadable(folder, error, "folder") from error


def sweep_up(folder: Path) -> None:
    """Removes what writers that were killed left in a folder; what is being written is locked and stays."""
    for path in folder.glob(".*") if folder.is_dir() else ():
        if BESIDE.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def need(condition: object, what: str) -> None:
    """Raises ValueError, which says what is wrong, unless the condition holds."""
    if not condition:
        raise ValueError(what)


def digest(*parts: bytes | np.ndarray) -> str:
    """SHA-256 of byte strings and of the contents of arrays, one after the other."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return found.hexdigest()
