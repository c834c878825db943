"""The files of a journal: their names, and what is only this user's.

    <chain>.<number>.jsonl        records of one process, which alone writes them; flocked as long as it lives
    checkpoints.<number>.jsonl    signed entries, appended under flock of `lock` by whichever process makes one
    lock

A chain is named by when its process began it, by the process, and by chance: names in order are chains in order.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

LOCK = "lock"
SUFFIX = ".jsonl"
# A file while it is made: it has its lock before it has its name.
PART = ".part"
FOLDER_MODE = 0o700
FILE_MODE = 0o600

_CHAIN = re.compile(r"(\d{8}T\d{6}Z-\d+-[0-9a-f]{8})\.(\d{5,})\.jsonl")
_CHECKPOINTS = re.compile(r"checkpoints\.(\d{5,})\.jsonl")


def new_chain() -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"{moment}-{os.getpid()}-{secrets.token_hex(4)}"


def begun(chain: str) -> str:
    """When a chain began, as records write moments."""
    text = chain[:15]
    return f"{text[:4]}-{text[4:6]}-{text[6:11]}:{text[11:13]}:{text[13:15]}"


def chain_file(folder: Path, chain: str, number: int) -> Path:
    return folder / f"{chain}.{number:05d}{SUFFIX}"


def checkpoint_file(folder: Path, number: int) -> Path:
    return folder / f"checkpoints.{number:05d}{SUFFIX}"


def parse_chain(name: str) -> tuple[str, int] | None:
    """Chain and number of a file; None for another file."""
    found = _CHAIN.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def parse_checkpoints(name: str) -> int | None:
    found = _CHECKPOINTS.fullmatch(name)
    return int(found[1]) if found else None


def chains(folder: Path) -> dict[str, list[int]]:
    """The numbers of the files of each chain, in order."""
    found: dict[str, list[int]] = {}
    for name in sorted(os.listdir(folder)):
        one = parse_chain(name)
        if one:
            found.setdefault(one[0], []).append(one[1])
    return {chain: sorted(numbers) for chain, numbers in found.items()}


def checkpoint_numbers(folder: Path) -> list[int]:
    numbers = (parse_checkpoints(name) for name in os.listdir(folder))
    return sorted(number for number in numbers if number is not None)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above that are missing, for this user alone."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names durable that were given or taken."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """A full disk takes a part and then refuses: whoever calls cuts the file again."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
