"""How long whoever guesses passwords must wait: counts that leak, and waits that double.

# Note [Who waits for whose guesses]
A wrong password is counted three times: for the name as it was given from that address, for the name, and for
the address. A name is counted as it is typed, whether anybody has it or not, so waiting says nothing of who exists; the
names of one account are counted apart, or the count would tell that they are one person's.

- name from an address: five guesses are free; then one second, two, four … up to `lockout`.
- name, from anywhere: ten times as many are free. It stops who guesses from many addresses.
- address, for any name: many more are free, counts leak soon and no wait is longer than a minute: behind one
  address may be a hospital or a webmail, whose people mistype all day.

Who waits by the first count is told so at once, whatever they send. The second and the third bar without a word:
a password is verified at its price, and no login whatever it is. A name that has logged in from an address lately is
not barred there: who guesses at somebody's name, or sits behind the same address, keeps nobody out of where they
usually are. If barring showed, so would who has logged in behind one's own address; for the same reason a login
forgets no wrong password, only time does. The same wrong password again is no guess: a telephone that was not told
the new one locks nobody out.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

# For a name: so many times what is free from one address.
_NAME_TIMES = 10
_CLIENT_TIMES = 20
# The longest wait of an address, and how soon one wrong password from it is forgotten.
_CLIENT_MOST = 60.0
_CLIENT_LEAK = 10.0
_FIRST = 1.0
# Beyond it a count says nothing more, and powers of two are no numbers of seconds.
_LEVEL_MAX = 1_000.0
_DOUBLINGS_MAX = 40
# How long somebody who has logged in from an address is known there.
KNOWN_SECONDS = 30 * 86_400.0


class Count(NamedTuple):
    """Wrong passwords so far, as of the last one."""

    level: float = 0.0
    at: float = 0.0


NONE = Count()


class Rule(NamedTuple):
    """How many are free, the longest wait after them, and how soon one is forgotten; seconds."""

    free: int
    most: float
    leak: float


class Rules(NamedTuple):
    """One for each way of counting."""

    pair: Rule
    name: Rule
    client: Rule


def rules(failures: int, lockout: float) -> Rules:
    """`[passwords] failures` and `lockout`; without seconds nobody ever waits."""
    return Rules(
        # Who goes on guessing at the longest wait has one guess in each.
        Rule(failures, lockout, max(1.0, lockout)),
        Rule(failures * _NAME_TIMES, lockout, max(1.0, lockout / _NAME_TIMES)),
        Rule(failures * _CLIENT_TIMES, min(lockout, _CLIENT_MOST), _CLIENT_LEAK),
    )


def counted(count: Count, rule: Rule, now: float) -> Count:
    """One wrong password more."""
    return Count(min(_LEVEL_MAX, level(count, rule, now) + 1.0), now)


def level(count: Count, rule: Rule, now: float) -> float:
    """What is left of a count."""
    return max(0.0, count.level - max(0.0, now - count.at) / rule.leak)


def until(count: Count, rule: Rule) -> float:
    """The moment before which nothing more is verified."""
    # Rounded: of those that came one after the other, none has leaked yet. The last free one is followed by a wait.
    beyond = round(count.level) - rule.free
    if beyond < 0 or rule.most <= 0:
        return 0.0
    return count.at + min(rule.most, _FIRST * 2.0 ** min(beyond, _DOUBLINGS_MAX))


def client(peer: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one, which is one customer's (RFC 6177).

    peer: `address:port`, of IPv6 too, or a word for whoever has no address.
    """
    host = peer.rpartition(":")[0] or peer
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
