"""What a running server keeps in its state: the lock that makes it the only one, and the key of page cookies."""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from annuaire.domain import scram
from annuaire.errors import Misconfigured, Refused

LOCK = "serve.lock"
# What the holder of the lock says of itself: a file of its own, so that it is replaced whole and never read half.
SERVING = "serving.json"
COOKIE_KEY = "cookie.key"
KEY_LENGTH = 32


def make(state: Path) -> None:
    """The state's folder, for this user alone."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"state: {state}: {error.strerror}") from error


@contextlib.contextmanager
def locked(state: Path) -> Iterator[Lock]:
    """Be the only server of a state; Refused names the one that is already there."""
    descriptor = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"un autre annuaire sert déjà {state} : {_described(state)}") from None
        lock = Lock(state / SERVING)
        lock.write({"pid": os.getpid()})
        yield lock
        lock.write({})
    finally:
        os.close(descriptor)


class Lock:
    """The lock held, and what it says of its holder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, content: dict[str, object]) -> None:
        fresh = self._path.with_name(f"{SERVING}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            file.write(json.dumps(content))
        fresh.replace(self._path)


def serving(state: Path) -> dict[str, object]:
    """What the server of a state says of itself; nothing when none does."""
    try:
        found = json.loads((state / SERVING).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _described(state: Path) -> str:
    known = serving(state)
    listening = known.get("listening")
    places = (
        ", ".join(f"{name} {place}" for name, place in listening.items())
        if isinstance(listening, dict)
        else ""
    )
    return f"processus {known.get('pid', '?')}" + (f", {places}" if places else "")


def scram_secret(state: Path) -> bytes:
    """What salts of SCRAM are made with. Not the key itself: whoever learns one of the two has not the other."""
    return hmac.digest(cookie_key(state), b"names that nobody has", "sha256")


def salts(state: Path) -> scram.Salts:
    """The salts of names, as every writer of passwords asks for them."""
    secret = scram_secret(state)
    return lambda name: scram.salt(name, secret)


def cookie_key(state: Path) -> bytes:
    """The key that seals page cookies: every worker takes the others', and a client's survives a restart."""
    path = state / COOKIE_KEY
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_bytes()
        if len(kept) == KEY_LENGTH:
            return kept
    fresh = path.with_name(f"{COOKIE_KEY}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_LENGTH))
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)  # the first one wins, whoever else is doing the same
    fresh.unlink()
    return path.read_bytes()
