"""Referral entries (RFC 3296): where a part of the tree is held elsewhere, and the LDAP URLs that say so to a client.

Of a URL (RFC 4516) host and name are kept: attributes, filter and extensions that somebody stored are not the
client's. The name is that of the entry meant: what lies below the referral has the same RDNs below its new place. What
is no LDAP URL is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote, urlsplit

from annuaire.errors import Malformed
from annuaire.ldap import dn
from annuaire.ldap.dn import Dn

REF = "ref"
# RFC 3986 §3: what may stand in one, behind its scheme.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~\x80-\U0010ffff]+")
_SCHEMES = ("ldap://", "ldaps://", "ldapi://")
_SCOPES = ("base", "one", "sub", "subordinates")
# RFC 4516 §2.1: what a name may hold without being escaped.
_SAFE = "!$&'()*+,;=:@-._~"


def uris(attributes: Mapping[str, Sequence[bytes]]) -> list[str]:
    """Where a referral leads, as it is stored: a URI, and perhaps a label behind a space (RFC 3296 §2.2)."""
    stored = [value for name, values in attributes.items() if name.lower() == REF for value in values]
    return [value.decode("utf-8", "replace").partition(" ")[0] for value in stored]


def adjusted(stored: Iterable[str], referral: str, target: str, scope: int | None = None) -> list[str]:
    """The URLs for a target that is the referral or lies below it; `scope` of a search, None for another operation."""
    return [_adjusted(uri, referral, target, scope) for uri in stored]


def fault(stored: bytes) -> str | None:
    """What keeps a value from leading anywhere: it is a URI and perhaps a label; an LDAP URL is read in full."""
    uri = stored.decode("utf-8", "replace").partition(" ")[0]
    if _URI.fullmatch(uri) is None:
        return "no URI such as ldap://host/name"
    scheme = next((one for one in _SCHEMES if uri.lower().startswith(one)), None)
    if scheme is None:
        return "no LDAP URL" if uri.lower().startswith("ldap") else None
    host, _, rest = uri[len(scheme) :].partition("/")
    name, *more = rest.split("?")
    try:
        if scheme != "ldapi://":
            urlsplit(f"//{host}").port  # noqa: B018 (asked for what it raises)
        dn.parse(unquote(name))
    except (ValueError, Malformed) as error:
        return f"an LDAP URL with a wrong {'name' if isinstance(error, Malformed) else 'host or port'}"
    if len(more) > 1 and more[1].lower() not in ("", *_SCOPES):
        return "an LDAP URL with a wrong scope"
    return None


def _adjusted(uri: str, referral: str, target: str, scope: int | None) -> str:
    scheme = next((one for one in _SCHEMES if uri.lower().startswith(one)), None)
    if scheme is None:
        return uri
    host, _, rest = uri[len(scheme) :].partition("/")
    stored = unquote(rest.partition("?")[0])
    try:
        wanted, here = dn.parse(target), dn.parse(referral)
        there = dn.parse(stored) if stored else here
    except Malformed:
        return uri
    below = wanted.rdns[: max(0, len(wanted.rdns) - len(here.rdns))]
    name = dn.format(Dn((*below, *there.rdns)))
    shown = "" if scope is None else f"??{_SCOPES[scope]}"
    return f"{uri[: len(scheme)]}{host}/{quote(name, safe=_SAFE)}{shown}"
