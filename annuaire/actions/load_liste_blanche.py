"""Puts a liste blanche in the place of the one before: verified, compared, in one transaction, recorded as an import.

A list that would take away more domains than is usual is refused: each one gone is an operator that no longer writes
to anybody, and a list cut short would look the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from annuaire.actions import telling
from annuaire.actions.telling import By
from annuaire.domain import liste_blanche, moment, trace
from annuaire.domain.liste_blanche import Row
from annuaire.errors import Malformed, Refused
from annuaire.importing import liste_blanche_xml, xml_signature
from annuaire.importing.liste_blanche_xml import Reading
from annuaire.importing.xml_signature import Authority
from annuaire.ldap.results import ResultCode
from annuaire.store.domains import DomainRow
from annuaire.store.engine import Reader, Store, Writer
from annuaire.store.imports import ImportRow, RefusalRow

# Clocks differ; a list of tomorrow is no accident of theirs.
FUTURE = timedelta(days=1)
NAMED_MAX = 5


class Vouching(NamedTuple):
    """Who answers for the list: the authority's certificates, or whoever loads it (`unsigned`)."""

    authority: bytes | None = None
    unsigned: bool = False
    signer: str = ""  # the CommonName that the signer must have; "": the one of the list before


class Guard(NamedTuple):
    """How much may go at once, in per cent of the domains."""

    removals: int = 10
    accepted: bool = False


class Report(NamedTuple):
    """What a load did, or would do, in domains; `refused` and `refusals` are rows of the file."""

    added: int
    changed: int
    unchanged: int
    removed: int
    refused: int
    warnings: tuple[str, ...]
    refusals: tuple[RefusalRow, ...]
    generated: datetime
    signer: str  # a DN, "" for a list that was taken unsigned
    domains: int
    rows: int
    applied: bool
    change_number: int


def load(
    store: Store,
    data: bytes,
    *,
    name: str,
    vouching: Vouching,
    guard: Guard = Guard(),  # noqa: B008 (a value)
    ours: Sequence[str] = (),
    dry_run: bool = False,
    actor: str = "",
    now: datetime | None = None,
    told: trace.Trace = trace.silent,
) -> Report:
    """Load one list: all of it or nothing, except for rows that cannot be read. `ours`: domains it should have."""
    now = now or datetime.now(UTC)
    if dry_run:
        reading = _read(data, vouching, now)
        with store.reading() as reader:
            return _judged(reader, reading, vouching, guard, ours, now)
    with telling.refusals(told, By(actor), source=name):
        reading = _read(data, vouching, now)
        with store.writing(actor, moment.format(now)) as writer:
            report = _judged(writer, reading, vouching, guard, ours, now)
            _replace(writer, reading, report)
            report = report._replace(applied=True, change_number=writer.head())
            _record(writer, report, name, data)
    told(
        trace.LISTE_BLANCHE,
        rows=report.rows,
        domains=report.domains,
        signer=report.signer,
        generated=moment.format(report.generated),
        added=report.added,
        changed=report.changed,
        removed=report.removed,
        actor=actor,
    )
    return report


def _read(data: bytes, vouching: Vouching, now: datetime) -> Reading:
    if vouching.unsigned:
        return liste_blanche_xml.read_unsigned(data)
    trusted: Authority | None = None
    if vouching.authority is not None:
        try:
            trusted = xml_signature.authority(vouching.authority)
        except Malformed as malformed:
            raise Malformed(f"--ca : {malformed.public}") from malformed
    return liste_blanche_xml.read(data, trusted, now)


# ------------------------------------------------------------------ judging


def _judged(
    reader: Reader, reading: Reading, vouching: Vouching, guard: Guard, ours: Sequence[str], now: datetime
) -> Report:
    before = reader.liste_blanche() or {}
    _check_signer(str(before.get("signer") or ""), reading, vouching)
    old, new = _certificates(reader.domains()), _certificates(reading.rows)
    gone = old.keys() - new.keys()
    _check_shrinking(gone, len(old), guard)
    changed = sum(1 for domain in old.keys() & new.keys() if old[domain] != new[domain])
    added = len(new.keys() - old.keys())
    return Report(
        added=added,
        changed=changed,
        unchanged=len(new) - added - changed,
        removed=len(gone),
        refused=len(reading.refused),
        warnings=tuple(_warnings(reading, str(before.get("generated") or ""), ours, now)),
        refusals=tuple(
            RefusalRow(line, name, ResultCode.constraintViolation, reason)
            for line, name, reason in reading.refused
        ),
        generated=reading.generated,
        signer="" if reading.signer is None else reading.signer.subject,
        domains=len(new),
        rows=len(reading.rows),
        applied=False,
        change_number=reader.head(),
    )


def _check_signer(before: str, reading: Reading, vouching: Vouching) -> None:
    """The same authority certifies every operator: once a list was taken, only its signer makes the next.

    The certificate changes every three years, its name does not.
    """
    if reading.signer is None:
        return
    expected = vouching.signer
    if not expected:
        known = liste_blanche.certificate_name(before)
        expected = "" if known is None else known.common
    if not expected or _same(expected, reading.signer.common_name):
        return
    asked = "demandé par --signer" if vouching.signer else "qui a signé la liste chargée"
    raise Refused(
        f"la liste est signée par {reading.signer.common_name or 'un signataire sans nom'}, pas par {expected},"
        f" {asked} : si c'est voulu, --signer NOM",
        reading.signer.subject,
    )


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def _check_shrinking(gone: set[str], known: int, guard: Guard) -> None:
    if guard.accepted or len(gone) * 100 <= known * guard.removals:
        return
    some = ", ".join(sorted(gone)[:NAMED_MAX])
    raise Refused(
        f"la liste retirerait {len(gone)} domaines sur {known} ({some}{', …' if len(gone) > NAMED_MAX else ''}),"
        f" plus que {guard.removals} % ([limits] removals) : si c'est voulu, --accept-removals"
    )


def _warnings(reading: Reading, before: str, ours: Sequence[str], now: datetime) -> list[str]:
    found = []
    if reading.signer is None:
        found.append("liste prise sans vérifier de signature")
    loaded = moment.parse(before)
    if loaded is not None and reading.generated.replace(microsecond=0) < loaded:
        found.append(
            f"cette liste ({_day(reading.generated)}) est plus ancienne que celle qu'elle remplace ({_day(loaded)})"
        )
    if reading.generated > now + FUTURE:
        found.append(f"cette liste est datée de l'avenir ({_day(reading.generated)})")
    if reading.repeated:
        found.append(f"lignes qui en répètent une autre : {reading.repeated}")
    listed = {row.domain for row in reading.rows}
    found += [
        f"{domain} n'est pas sur cette liste : l'espace de confiance refusera ce qui en vient"
        for domain in ours
        if liste_blanche.domain_name(domain) not in listed
    ]
    return found


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%d/%m/%Y %H:%M")


def _certificates(rows: Iterable[Row | DomainRow]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.domain, set()).add(row.certificate)
    return found


# ------------------------------------------------------------------ writing


def _replace(writer: Writer, reading: Reading, report: Report) -> None:
    info = {
        "generated": moment.format(report.generated),
        "loaded_at": writer.at,
        "signer": report.signer,
        "rows": report.rows,
        "domains": report.domains,
    }
    writer.replace_domains((DomainRow._make(row) for row in reading.rows), info)


def _record(writer: Writer, report: Report, name: str, data: bytes) -> None:
    writer.record_import(
        ImportRow(
            id=writer.next_import(),
            at=writer.at,
            source=name,
            sha256=hashlib.sha256(data).digest(),
            actor=writer.actor,
            applied=True,
            added=report.added,
            changed=report.changed,
            unchanged=report.unchanged,
            removed=report.removed,
            refused=report.refused,
            warnings=len(report.warnings),
            change=writer.head(),
        ),
        report.refusals,
    )
