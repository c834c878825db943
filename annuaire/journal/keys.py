"""The keys of a journal, in the state and for its user alone: one signs checkpoints, one makes pseudonyms.

    journal.key         Ed25519, PEM; made at first use, replaced by `annuaire journal rotate-key`
    journal.key.next    the one that is about to replace it: the log of checkpoints decides which of the two holds
    pseudonyms.key      32 octets; never replaced, or nobody would be found again

Whoever has the signing key can rewrite the journal from the last rotation on; a key that was replaced is gone, so
nobody can rewrite what lies before. Only a checkpoint kept elsewhere protects against both.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from annuaire.errors import Misconfigured
from annuaire.journal import layout

SIGNING, NEXT, PSEUDONYMS = "journal.key", "journal.key.next", "pseudonyms.key"
PSEUDONYM_KEY_LENGTH = 32
_NAME_LENGTH = 16


class SigningKey:
    """A private key; its name is what entries call it by."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.name = name_of(self.public)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def name_of(public: bytes) -> str:
    return sha256(public).hexdigest()[:_NAME_LENGTH]


def is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing(state: Path) -> SigningKey:
    """The key that signs; made when there is none."""
    path = state / SIGNING
    found = _private(path)
    if found is None:
        _keep(path, SigningKey(Ed25519PrivateKey.generate()).pem(), replace=False)
        found = _private(path)
    if found is None:
        raise FileNotFoundError(path)
    return found


def existing(state: Path) -> SigningKey | None:
    """The key that signs, when there is one and this user may read it."""
    try:
        return _private(state / SIGNING)
    except PermissionError:
        return None


def prepare_next(state: Path) -> SigningKey:
    """A new key, kept beside the one that still signs."""
    fresh = SigningKey(Ed25519PrivateKey.generate())
    _keep(state / NEXT, fresh.pem(), replace=True)
    return fresh


def next_in(state: Path) -> SigningKey | None:
    return _private(state / NEXT)


def take_next(state: Path) -> None:
    """The next key signs from now on; the one before is gone."""
    os.replace(state / NEXT, state / SIGNING)
    layout.sync_folder(state)


def pseudonym_key(state: Path) -> bytes:
    """The key of pseudonyms; made when there is none."""
    path = state / PSEUDONYMS
    if not path.exists():
        _keep(path, secrets.token_bytes(PSEUDONYM_KEY_LENGTH), replace=False)
    found = path.read_bytes()
    if len(found) != PSEUDONYM_KEY_LENGTH:
        raise Misconfigured(f"{path}: this is no key of pseudonyms")
    return found


def format_public(public: bytes) -> str:
    """PEM, as openssl reads it."""
    return (
        Ed25519PublicKey.from_public_bytes(public)
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def parse_public(data: bytes) -> bytes | None:
    """The 32 octets of a public key in PEM; None for anything else."""
    try:
        found = serialization.load_pem_public_key(data)
    except ValueError:
        return None
    return found.public_bytes_raw() if isinstance(found, Ed25519PublicKey) else None


def _private(path: Path) -> SigningKey | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError):
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        raise Misconfigured(f"{path}: this is no Ed25519 key")
    return SigningKey(found)


def _keep(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a secret whole or not at all. Without `replace` the first one wins, whoever else does the same."""
    layout.make_folder(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, layout.FILE_MODE)
    try:
        try:
            layout.write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replace:
            os.replace(fresh, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    layout.sync_folder(path.parent)
