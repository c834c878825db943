"""What is told of what was written: accounts, service accounts and choices, as records of a journal.

One place for every door: what a transaction touched (store/touched.py) or an import compared is looked at once it is
committed, so nobody who writes has to think of it, and nothing is told that came to nothing. Names of attributes are
told, never what is in them: of a password, that it is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from annuaire.actions import views
from annuaire.domain import account as accounts
from annuaire.domain import choices, trace
from annuaire.domain.trace import Trace
from annuaire.errors import Refused
from annuaire.ldap import ber
from annuaire.store.entries import EntryRow
from annuaire.store.touched import Touched

Attributes = Mapping[str, Sequence[bytes]]
Telling = tuple[str, dict[str, Any]]

ADDED, CHANGED, RENAMED, REMOVED = "added", "changed", "renamed", "removed"

# Structural class and attribute by which a service account is known (actions/audience_accounts.py makes them).
SERVICE = "account"
AUDIENCE = "annuaireAudience"
ADDRESS = "apicryptInteropMail"
# Told as choices, or following from one.
_OF_CHOICES = frozenset({*choices.CHOICES, "apicryptInteropDepuis", "listeRougeDepuis"})


class By(NamedTuple):
    """Who did it, from where; the rest of a record is what was done."""

    actor: str
    client: str = ""
    bound: str = ""  # who was bound, where they acted in the name of another one

    def fields(self) -> dict[str, str]:
        """What a record says of it."""
        told = {"actor": self.actor, "client": self.client}
        return told | {"bound": self.bound} if self.bound else told


def of_written(written: Iterable[Touched]) -> Iterator[Telling]:
    """What a transaction did, in its order. A choice that somebody affirms is told although it is the same."""
    affirmed: dict[str, dict[str, bool]] = {}
    for one in written:
        if one.choice is not None:
            if one.choice.origin != choices.IMPORT:
                affirmed.setdefault(one.choice.account, {})[one.choice.choice] = one.choice.value
            continue
        old, new = _attributes(one.old), _attributes(one.new)
        if old is None and new is None:
            continue
        moved = one.old is not None and one.new is not None and one.old.dn != one.new.dn
        native = "" if one.new is None else one.new.account or ""
        same = one.old is not None and one.old.account == native
        yield from of_entry(old, new, moved, affirmed.pop(native, {}) if same else {})


def of_entry(
    old: Attributes | None, new: Attributes | None, moved: bool = False, affirmed: Mapping[str, bool] = {}
) -> Iterator[Telling]:
    """One entry before and after; nothing is told of one that is neither an account nor a service account."""
    before, after = _named(old), _named(new)
    if before is None and after is None:
        return
    if after is None or new is None:
        yield trace.ACCOUNT, {**(before or {}), "done": REMOVED}
        return
    changed = () if before is None or old is None else _changed(old, new)
    told: dict[str, Any] = {**after, "done": ADDED if before is None else RENAMED if moved else CHANGED}
    if before is not None and before != after:
        told["old"] = before.get("account")
    if changed:
        told["attributes"] = list(changed)
    if before is None or ADDRESS in changed:
        told["interop"] = _text(new, ADDRESS)
    if before is None or moved or changed:
        yield trace.ACCOUNT, told
    if "account" not in after:
        return
    for choice in choices.CHOICES:
        held, holds = _is_on(old or {}, choice), _is_on(new, choice)
        if held != holds or choice in affirmed:
            yield trace.CHOICE, {**after, "choice": choice, "value": holds}


def tell(told: Trace, tellings: Iterable[Telling], by: By) -> None:
    for kind, fields in tellings:
        told(kind, **fields, **by.fields())


@contextmanager
def refusals(told: Trace, by: By, **about: object) -> Iterator[None]:
    """Tell of what is refused inside."""
    try:
        yield
    except Refused as refused:
        told(trace.REFUSAL, **about, text=refused.public, **by.fields())
        raise


def added(native: str) -> Telling:
    """A new account of which nothing else is to be said."""
    return trace.ACCOUNT, {"account": native, "done": ADDED}


def _attributes(row: EntryRow | None) -> Attributes | None:
    if row is None or (row.account is None and row.structural.lower() != SERVICE):
        return None
    attributes = dict(views.decoded(row.attributes)[0])
    return attributes if row.passwords is None else attributes | ber.decode_attributes(row.passwords)


def _named(attributes: Attributes | None) -> dict[str, Any] | None:
    """How a journal names what an entry is: an account by its native address, a service account by its name."""
    if attributes is None:
        return None
    if accounts.is_one(attributes):
        return {"account": _text(attributes, "mail")}
    if AUDIENCE in attributes:
        return {"service": _text(attributes, "uid"), "audience": _text(attributes, AUDIENCE)}
    return None


def _changed(old: Attributes, new: Attributes) -> list[str]:
    names = [
        name for name in old.keys() | new.keys() if name not in _OF_CHOICES and old.get(name) != new.get(name)
    ]
    return sorted([name for name in names if sorted(old.get(name, ())) != sorted(new.get(name, ()))])


def _is_on(attributes: Attributes, choice: str) -> bool:
    return _text(attributes, choice).upper() == "TRUE"


def _text(attributes: Attributes, name: str) -> str:
    values = attributes.get(name)
    return values[0].decode("utf-8", "replace") if values else ""
