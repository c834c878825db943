"""Who a client is before it binds, and which proxies are believed: `[audience]` and `[listen] proxies`, read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from annuaire.config import Config
from annuaire.domain import audience as audiences
from annuaire.domain import networks
from annuaire.domain.audience import NOBODY, Audience
from annuaire.domain.networks import Networks
from annuaire.errors import Malformed, Misconfigured
from annuaire.ldap.dn import Naming
from annuaire.ldap.external import External
from annuaire.server.listening import Place

Read = TypeVar("Read")


def at(place: Place, by_network: Networks[Audience]) -> Callable[[str], Audience]:
    """Who a client of an address is at one listener; networks count where the listener says nothing of its own."""
    otherwise = NOBODY if place.anonymous == "none" else audiences.NAMES[place.anonymous]
    if not by_network or not place.by_network:
        return lambda _address: otherwise

    def stranger(address: str) -> Audience:
        found = by_network.find(address)
        return otherwise if found is None else found

    return stranger


def by_network(config: Config) -> Networks[Audience]:
    return _read("[audience] networks", lambda: networks.audiences_of(config.audience.networks))


def external(config: Config, naming: Naming) -> External:
    return _read("[audience] certificates", lambda: External(config.audience.certificates, naming))


def readers(config: Config) -> Audience:
    """Who reads the further trees, and is told of them; administrators do anyway."""
    found = NOBODY
    for name in config.trees.readers:
        found |= audiences.NAMES[name]
    return found


def proxies(config: Config) -> Networks[bool]:
    return _read("[listen] proxies", lambda: Networks([(one, True) for one in config.listen.proxies]))


def problems(config: Config, naming: Naming) -> list[str]:
    """What is wrong with all of these, line by line, for `annuaire check`."""
    asked = config.audience
    lists: list[tuple[str, tuple[str, ...], Callable[[list[str]], object]]] = [
        ("[audience] networks", asked.networks, networks.audiences_of),
        ("[audience] certificates", asked.certificates, lambda lines: External(lines, naming)),
        ("[listen] proxies", config.listen.proxies, lambda lines: Networks([(one, True) for one in lines])),
    ]
    found = []
    for title, lines, read in lists:
        for line in lines:
            try:
                read([line])
            except Malformed as error:
                named = line.partition(" ")[0] in error.public
                found.append(f"{title}: {error.public}" if named else f"{title}: {line}: {error.public}")
    return found


def _read(option: str, read: Callable[[], Read]) -> Read:
    try:
        return read()
    except Malformed as error:
        raise Misconfigured(f"{option}: {error.public}") from None
