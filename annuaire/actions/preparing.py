"""Makes of each record of a file a row to be staged, or a refusal: all that needs no look at the store.

It runs in worker processes as well as in the import's own: what goes in and comes out is plain and small.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from annuaire.actions import accounts, entry_rules
from annuaire.actions.entry_rules import Verdict
from annuaire.actions.rebasing import Rebase
from annuaire.domain import account
from annuaire.errors import Malformed
from annuaire.importing import ldif, ldif_record
from annuaire.importing.records import Add, Change, Content, Unreadable
from annuaire.ldap import ber, dn, renaming, schema, tree, written_values
from annuaire.ldap.dn import Dn
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.tree import Place, Tree
from annuaire.ldap.writing import WriteRefusedError

PASSWORD = "userPassword"  # noqa: S105 (an attribute's name)

# Kinds of staged rows.
CONTENT = 0  # the entry as it is to be
ADD = 1  # an entry that must be new
FIXED = 2  # an entry of ours that files cannot change

# PostgreSQL refuses index rows above 2,704 bytes (a third of a page); our names are a tenth of this at most.
KEY_MAX = 2000

# Sets of classes remembered: a directory uses a few dozen, a hostile file may invent more.
CLASS_SETS_MAX = 1024

# Names that exports of other servers hold and that mean nothing here: 389 Directory Server, Active Directory.
FOREIGN_OPERATIONAL = frozenset(
    {
        "distinguishedname",
        "dscorepropagationdata",
        "entryid",
        "instancetype",
        "nsuniqueid",
        "objectcategory",
        "objectguid",
        "objectsid",
        "parentid",
        "usnchanged",
        "usncreated",
        "whenchanged",
        "whencreated",
    }
)

# Operational attributes that no class names and that are written all the same (RFC 3672 §2.3.1, RFC 3671 §2.2).
ADMINISTRATIVE = frozenset({"administrativerole", "collectiveexclusions"})

# Bytes of an entryUUID that count the lines of a file.
_LINE_BYTES = 5

_DN_SYNTAX = "1.3.6.1.4.1.1466.115.121.1.12"
_MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"

_WHERE = {
    Place.OUTSIDE: (
        ResultCode.noSuchObject,
        "outside the tree of this directory; import --under DN moves it in",
    ),
    Place.COMPUTED: (ResultCode.unwillingToPerform, "this subtree is computed; write below {where}"),
    Place.RESERVED: (ResultCode.unwillingToPerform, "nothing lies here; write below {where}"),
}


class Order(NamedTuple):
    """What a worker is told once: everything here can be sent to another process."""

    schema_files: tuple[Path, ...]
    suffix: str
    further: tuple[str, ...]
    uuid_prefix: bytes
    base: Dn | None = None
    under: Dn | None = None


# line, kind, dn, key, parent, uuid, attributes, passwords, structural class, person, account, what it asks of the rules
Row = tuple[int, int, str, bytes, bytes, bytes, bytes, bytes | None, str, str | None, str | None, int]
# line, dn, code, reason, the record's text
Refusal = tuple[int, str, int, str, bytes]


class Prepared(NamedTuple):
    """One chunk, judged as far as it can be alone."""

    rows: list[Row]
    steps: list[tuple[int, bytes]]  # line and text of deletions, modifications and renamings
    refusals: list[Refusal]
    ignored: Counter[str]  # attributes passed over, by name
    warnings: int


class RefusedError(Exception):
    """Why a record cannot be taken."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)
        self.reason = reason


class Preparation:
    """The schema and the tree, ready for any number of chunks."""

    def __init__(self, order: Order) -> None:
        self.schema: Schema = schema.load(order.schema_files)
        self.tree: Tree = tree.plant(order.suffix, order.further, self.schema)
        self.rebase = (
            Rebase(order.base, order.under, self.schema)
            if order.base is not None and order.under is not None
            else None
        )
        self._prefix = order.uuid_prefix
        # Description as written to the canonical one; "" for what is passed over.
        self._names: dict[str, str] = {}
        self._structural: dict[tuple[bytes, ...], str] = {}
        # Operational ones that are written all the same: where a referral leads, what a subentry covers.
        named = [known.must | known.may for known in self.schema.object_classes]
        self._given = ADMINISTRATIVE.union(*named)

    def chunk(self, chunk: ldif.Chunk) -> Prepared:
        rows: list[Row] = []
        steps: list[tuple[int, bytes]] = []
        refusals: list[Refusal] = []
        ignored: Counter[str] = Counter()
        warnings = 0
        lines: list[bytes] = []
        for record in ldif.parse_chunk(chunk):
            written = _storable(record.dn or "")
            try:
                if isinstance(record, Unreadable):
                    code = int(ResultCode.protocolError)
                    refusals.append((record.line, written, code, _storable(record.reason), record.text))
                    continue
                if isinstance(record, Content | Add):
                    row, passed_over, warned = self.entry(record)
                    rows.append(row)
                    warnings += warned
                    if passed_over:
                        ignored.update(passed_over)
                        warnings += 1
                    continue
                check_controls(record.controls)
                lines = lines or _lines(chunk)
                steps.append((record.line, _text(lines, record.line - chunk.first_line)))
            except RefusedError as refused:
                lines = lines or _lines(chunk)
                text = _text(lines, record.line - chunk.first_line)
                refusals.append((record.line, written, refused.code, _storable(refused.reason), text))
        return Prepared(rows, steps, refusals, ignored, warnings)

    def entry(self, record: Content | Add) -> tuple[Row, set[str], int]:
        """The row of one entry, the names that were passed over, the number of other warnings."""
        kind = CONTENT
        if isinstance(record, Add):
            check_controls(record.controls)
            kind = ADD
        name, key = self.name(record.dn)
        if self.rebase is not None and name == self.rebase.under:
            return (
                (record.line, FIXED, dn.format(name), key, b"", b"", b"", None, "", None, None, 0),
                set(),
                0,
            )
        place = self.place(key)
        if place is Place.FIXED:
            return (
                (record.line, FIXED, dn.format(name), key, b"", b"", b"", None, "", None, None, 0),
                set(),
                0,
            )
        self.named(name)
        attributes, passed_over = self.attributes(record.attributes)
        renaming.complete(attributes, name.rdn, self.schema)
        self.agree(name, attributes, key)
        verdict = obey(entry_rules.judge(None, attributes))
        encoded, passwords = encode(attributes)
        uuid = self._prefix + record.line.to_bytes(_LINE_BYTES)
        parent = b"" if self.tree.is_root(key) else dn.parent_key(key)
        structural = self.structural(attributes)
        described = account.described(attributes, uuid)
        row = (
            record.line, kind, dn.format(name), key, parent, uuid, encoded, passwords, structural, *described,
            0 if described.account is None else accounts.asks(attributes),
        )  # fmt: skip
        return row, passed_over, len(verdict.warnings)

    def name(self, text: str) -> tuple[Dn, bytes]:
        """A name as the file has it, taken to its place, and its key."""
        try:
            name = dn.parse(text)
        except Malformed as malformed:
            raise RefusedError(ResultCode.invalidDNSyntax, malformed.public) from None
        if self.rebase is not None:
            name = self.rebase.moved(name)
        return name, self.key(name)

    def named(self, name: Dn) -> None:
        """Refuse a name that no entry can be given."""
        try:
            written_values.of_name(name, self.schema)
        except WriteRefusedError as refused:
            raise RefusedError(refused.outcome.code, refused.outcome.text) from None

    def key(self, name: Dn) -> bytes:
        key = dn.key(name, self.schema)
        if len(key) > KEY_MAX:
            raise RefusedError(ResultCode.adminLimitExceeded, f"the name is longer than {KEY_MAX} bytes")
        return key

    def place(self, key: bytes) -> Place:
        """Where a name lies, if something may be written there or is there for good."""
        place = self.tree.place(key)
        if place in _WHERE:
            code, reason = _WHERE[place]
            raise RefusedError(code, reason.format(where=self.tree.where_to_write))
        return place

    def attributes(self, given: list[tuple[str, bytes]]) -> tuple[dict[str, list[bytes]], set[str]]:
        attributes: dict[str, list[bytes]] = {}
        passed_over: set[str] = set()
        names = self._names
        for description, value in given:
            canonical = names.get(description)
            if canonical is None:
                canonical = self._learn(description)
            if not canonical:
                passed_over.add(description)
                continue
            values = attributes.get(canonical)
            if values is None:
                attributes[canonical] = [value]
            else:
                values.append(value)
        if self.rebase is not None:
            attributes = {
                description: self.rebased(description, values) for description, values in attributes.items()
            }
        return attributes, passed_over

    def canonical(self, description: str) -> str:
        """The name under which values are kept; "" for what is passed over."""
        known = self._names.get(description)
        return self._learn(description) if known is None else known

    def rebased(self, description: str, values: list[bytes]) -> list[bytes]:
        """Values that name entries follow them to their place."""
        known = self.schema.attribute(description) if self.rebase is not None else None
        if self.rebase is None or known is None or known.syntax != _DN_SYNTAX:
            return values
        return [self.rebase.moved_value(value) for value in values]

    def agree(self, name: Dn, attributes: dict[str, list[bytes]], key: bytes) -> None:
        """Refuse what the schema refuses, with everything that is wrong, and an account that lies elsewhere."""
        violations = self.schema.check(name, attributes)
        if violations:
            raise RefusedError(violations[0].code, "; ".join(violation.text for violation in violations))
        obey(entry_rules.placed(account.is_one(attributes), key, self.tree))

    def structural(self, attributes: dict[str, list[bytes]]) -> str:
        classes = tuple(attributes.get("objectClass", ()))
        known = self._structural.get(classes)
        if known is None:
            known = self.schema.structural_class(attributes) or ""
            if len(self._structural) < CLASS_SETS_MAX:
                self._structural[classes] = known
        return known

    def _learn(self, description: str) -> str:
        known = self.schema.describe(description)
        if known.type is None:
            canonical = "" if description.lower() in FOREIGN_OPERATIONAL else description
        else:
            # What a server keeps of itself: slapcat and other exports have it. Ours is made here.
            kept = known.type.operational and known.type.key not in self._given
            passed = kept or known.type.no_user_modification
            canonical = "" if passed else known.canonical
        if len(self._names) < ldif_record.NAMES_KNOWN_MAX:
            self._names[description] = canonical
        return canonical


def obey(verdict: Verdict) -> Verdict:
    if verdict.refusal:
        raise RefusedError(*verdict.refusal)
    return verdict


def encode(attributes: dict[str, list[bytes]]) -> tuple[bytes, bytes | None]:
    """The attributes as the store keeps them, passwords apart."""
    passwords = attributes.pop(PASSWORD, None)
    encoded = ber.encode_attributes(attributes)
    return encoded, None if passwords is None else ber.encode_attributes({PASSWORD: passwords})


def decode(attributes: bytes, passwords: bytes | None) -> dict[str, list[bytes]]:
    """The inverse of encode."""
    whole = ber.decode_attributes(attributes)
    return whole if passwords is None else whole | ber.decode_attributes(passwords)


def check_controls(controls: list[Control]) -> None:
    """ManageDsaIT changes nothing here; no other control is known to an import (RFC 2849, `control:`)."""
    for control in controls:
        if control.critical and control.oid != _MANAGE_DSA_IT:
            raise RefusedError(
                ResultCode.unavailableCriticalExtension,
                f"the control {control.oid} is not known to an import",
            )


def change_of(text: bytes, line: int) -> Change:
    """A staged step, read again."""
    for record in ldif.parse(text, line):
        if not isinstance(record, Content | Unreadable):
            return record
    raise AssertionError("a staged step is a change record")


def _storable(text: str) -> str:
    """PostgreSQL has no NUL in texts."""
    return text.replace("\0", "\\00")


def _lines(chunk: ldif.Chunk) -> list[bytes]:
    return chunk.data.replace(b"\r\n", b"\n").split(b"\n")


def _text(lines: list[bytes], first: int) -> bytes:
    """The lines of one record, as they stand in the file."""
    last = first
    while last < len(lines) and lines[last]:
        last += 1
    return b"\n".join(lines[first:last]) + b"\n"
