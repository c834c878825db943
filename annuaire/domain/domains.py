"""Which domains are ours: those of the sphere, those that we have in the trust space, and those of the DGS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from annuaire.domain.liste_blanche import domain_name


class Domains:
    """The `[domains]` of the configuration.

    In a name of the sphere a `*` stands for any letters, digits and hyphens inside one label, none included:
    `medical*.apicrypt.org` is medical59 and medical, and nothing of several labels. The others are exact.
    """

    def __init__(
        self, native: Sequence[str], interop: Sequence[str] = (), dgs: Sequence[str] | str = ()
    ) -> None:
        self.native = tuple(native)
        self.interop = tuple(interop)
        self.dgs = (dgs,) if isinstance(dgs, str) else tuple(dgs)
        # Names without a pattern take no longer to find when a whole country of them is configured.
        plain = [name for name in self.native if "*" not in name]
        patterns = [name for name in self.native if "*" in name]
        self._native = _names(plain)
        self._patterns = re.compile("|".join(map(_pattern, patterns)) if patterns else r"(?!)")
        self._interop = _names(self.interop)
        self._dgs = _names(self.dgs)

    def is_native(self, domain: str) -> bool:
        """Whether addresses of it are used between our own people."""
        name = _normal(domain)
        return name in self._native or self._patterns.fullmatch(name) is not None

    def is_interop(self, domain: str) -> bool:
        """Whether addresses of it are those under which the trust space knows our people."""
        return _normal(domain) in self._interop

    def is_dgs(self, domain: str) -> bool:
        """Whether it is the DGS itself: exactly, since whoever resembles it is somebody else."""
        return _normal(domain) in self._dgs

    def is_ours(self, domain: str) -> bool:
        name = _normal(domain)
        return name in self._interop or name in self._native or self._patterns.fullmatch(name) is not None


def _names(names: Sequence[str]) -> frozenset[str]:
    # What is no domain has the normal form "", and must not make every other such text equal to it.
    return frozenset([name for name in map(domain_name, names) if name])


def _pattern(text: str) -> str:
    return r"[a-z0-9_-]*".join(re.escape(part) for part in text.strip().lower().split("*"))


@lru_cache(16_384)
def _normal(domain: str) -> str:
    return domain_name(domain)
