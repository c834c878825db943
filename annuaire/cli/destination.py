"""Where a command writes a long result: standard output, or a file that is there whole or not at all.

The file is private (0600), written beside its name, synced, then renamed: a reader sees the old one or the new one,
and whatever interrupts the command leaves the old one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from annuaire.errors import Malformed, Unavailable

STANDARD_OUTPUT = Path("-")
# Octets written at once: a larger buffer makes nothing faster.
BUFFER = 256 * 1024
# What a disk or its owner may cure.
_PASSES = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG}


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[BinaryIO]:
    """The destination, to be written once; a path of None or `-` is standard output."""
    if path is None or path == STANDARD_OUTPUT:
        with _told("la sortie standard"):
            stream = sys.stdout.buffer
            yield stream
            stream.flush()
        return
    # A rename would replace a symbolic link by the file, and a device or a pipe by something else than it is.
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with _told(str(path)), _open(target, path) as stream:
            yield stream
        return
    with _told(str(path)), _whole(target, path) as stream:
        yield stream


@contextlib.contextmanager
def _whole(target: Path, path: Path) -> Iterator[BinaryIO]:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise Malformed(f"impossible d'écrire {path} : {error.strerror}") from error
    partial = Path(name)
    try:
        with _ended_by_signal(), open(descriptor, "wb", buffering=BUFFER) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open(target: Path, path: Path) -> BinaryIO:
    try:
        if stat.S_ISDIR(target.stat().st_mode):
            raise Malformed(f"impossible d'écrire {path} : c'est un dossier")
        return open(target, "wb", buffering=BUFFER)
    except OSError as error:
        raise Malformed(f"impossible d'écrire {path} : {error.strerror}") from error


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Being told to end unwinds like an interruption, so that the partial file goes."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not the main thread: nobody signals it
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in _PASSES:
            raise
        raise Unavailable(f"impossible d'écrire {what} : {error.strerror}") from error
