"""Who a connection speaks for, and the administrator who can log in from the first start."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from annuaire.domain import access, scram
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import dn as names
from annuaire.ldap.schema import Schema
from annuaire.ldap.standing import Standing


@dataclass(frozen=True, slots=True)
class Identity:
    """A name, empty for anonymous, and the audience that it belongs to."""

    dn: str
    audience: Audience
    key: bytes = b""  # dn.key of it
    proved: bool = False  # its own password was given, on this connection
    replicates: bool = False  # its copies of the directory have the hashes of passwords
    bound: str = ""  # the administrator who acts in this name
    standings: tuple[Standing, ...] = ()  # what it rests on: its entry, and that of who acts in its name

    @property
    def anonymous(self) -> bool:
        return not self.dn

    def reads_own(self, name: bytes, audience: Audience, schema: Schema) -> bool:
        """Whether a name is that of this entry, and it may be read as such by whoever is in this audience."""
        if not self.key or not access.reads_own(audience):
            return False
        # Most of what is asked lies above anybody's entry: what has fewer names than it is not even parsed.
        if name.count(b",") + name.count(b";") < self.dn.count(",") - self.dn.count("\\,"):
            return False
        try:
            return names.key(names.parse(name.decode()), schema) == self.key
        except (Malformed, UnicodeDecodeError):
            return False


@dataclass(frozen=True, slots=True)
class Administrator:
    """`[admin]`: known by configuration alone, so that an empty directory has somebody to fill it."""

    dn: str
    key: bytes  # dn.key of it
    password: bytes = field(repr=False)

    def accepts(self, key: bytes, password: bytes) -> bool:
        """Compares digests, so that neither length nor first difference can be timed."""
        same = hmac.compare_digest(hashlib.sha256(self.password).digest(), hashlib.sha256(password).digest())
        return same and key == self.key and bool(self.password)

    def scram(self, secret: bytes) -> scram.ScramKeys | None:
        """What SCRAM needs of the password, made once: the salt is the same at all workers."""
        return _scram_keys(self.key, self.password, secret) if self.password else None


@lru_cache(maxsize=8)
def _scram_keys(key: bytes, password: bytes, secret: bytes) -> scram.ScramKeys | None:
    return scram.keys([scram.made(password, scram.salt(key, secret))])
