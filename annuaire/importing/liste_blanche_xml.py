"""The national liste blanche as its XML says it (domain reference §5): its date, its rows, and who signed it.

The whole list is refused where nobody known vouches for it; a row that cannot be understood is refused alone, with
its line. Only what the signature covers is read: importing/xml_signature.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from lxml import etree

from annuaire.domain import liste_blanche
from annuaire.domain.liste_blanche import Row
from annuaire.errors import Malformed, Refused
from annuaire.importing import hostile_xml, xml_signature
from annuaire.importing.xml_signature import Authority, Signer

ROOT, DATE, LIST, DOMAIN = "ListeBlancheMSSante", "DateDeGeneration", "ListeDomaines", "Domaine"
NAMESPACE = "https://listeblanche.mssante.fr/schema"

NAME, CERTIFICATE = "Nom", "DNCertificatOperateur"
DESCRIPTION, RESPONSIBLE, SUPPORT, UPDATED = "Description", "ResponsableContact", "SupportContact", "DateMAJ"
# The tool that keeps the list stops at 255 characters; PostgreSQL indexes no value beyond 2,700 octets.
FIELD_MAX = 1024

UNSIGNED_HINT = "--unsigned la prend telle quelle, si vous vous portez garant du fichier"


class RefusedRow(NamedTuple):
    """A row that was not taken."""

    line: int
    name: str
    reason: str


class Reading(NamedTuple):
    """A list that may be loaded."""

    generated: datetime
    rows: list[Row]
    refused: list[RefusedRow]
    repeated: int  # rows that say again what another one says
    signer: Signer | None


def read(data: bytes, trusted: Authority | None, now: datetime) -> Reading:
    """A list that is signed by somebody for whom `trusted` vouches, or else Refused."""
    lines = hostile_xml.examine(data, DOMAIN)
    root = hostile_xml.parse(data)
    _check_root(root)
    if not xml_signature.is_signed(root):
        raise Refused(
            "la liste n'est pas signée : prenez le fichier de espacedeconfiance.mssante.fr, qui l'est ;"
            f" {UNSIGNED_HINT}"
        )
    if trusted is None:
        raise Refused(
            "rien ne dit qui peut signer la liste : donnez le certificat de l'autorité (la racine IGC-Santé) par"
            f' --ca FICHIER, ou par « ca » dans [sources.NOM] de kind = "liste-blanche" ; {UNSIGNED_HINT}'
        )
    signed = xml_signature.verify(root, trusted, now)
    return _read(signed.root, lines, signed.signer)


def read_unsigned(data: bytes) -> Reading:
    """A list for which whoever loads it vouches; a signature that it may have is not looked at."""
    lines = hostile_xml.examine(data, DOMAIN)
    root = hostile_xml.parse(data, comments=False)
    _check_root(root)
    return _read(xml_signature.without_signature(root), lines, None)


def _check_root(root: etree._Element) -> None:
    if _local(root) != ROOT:
        raise Malformed(
            f"ce n'est pas la liste blanche : <{ROOT}> attendu, pas <{etree.QName(root).localname[:40]}>"
        )


def _read(root: etree._Element, lines: list[int], signer: Signer | None) -> Reading:
    generated = _generated(root)
    lists = [one for one in root if _local(one) == LIST]
    if len(lists) != 1:
        raise Malformed(f"ce n'est pas la liste blanche : un <{LIST}> attendu, {len(lists)} trouvés")
    kept: dict[tuple[str, object], Row] = {}
    refused: list[RefusedRow] = []
    repeated = 0
    domains = [one for one in lists[0] if _local(one) == DOMAIN]
    for line, element in zip(_of(lines, len(domains)), domains, strict=True):
        row = _row(element)
        if isinstance(row, str):
            refused.append(RefusedRow(line, _name(element), row))
            continue
        key = (row.domain, liste_blanche.certificate_name(row.certificate))
        if key in kept:
            repeated += 1
            # The last one written, then any rule that does not depend on the order of the file.
            row = max(row, kept[key], key=lambda one: (one.updated, one))
        kept[key] = row
    if not kept:
        raise Malformed("la liste blanche ne contient aucun domaine utilisable")
    return Reading(generated, list(kept.values()), refused, repeated, signer)


def _of(lines: list[int], count: int) -> Iterator[int]:
    """The line of each row; 0 where the two passes count differently, as with such elements outside the list."""
    return iter(lines if len(lines) == count else [0] * count)


def _row(element: etree._Element) -> Row | str:
    """A row, or why it is none."""
    fields: dict[str, str] = {}
    for child in element:
        name = _local(child)
        if name in fields:
            return f"deux fois <{name}>"
        if name in (NAME, CERTIFICATE, DESCRIPTION, RESPONSIBLE, SUPPORT, UPDATED):
            if len(child):
                return f"<{name}> ne contient pas que du texte"
            fields[name] = child.text or ""
    domain = liste_blanche.domain_name(fields.get(NAME, ""))
    if not domain:
        return "nom de domaine absent ou mal formé (ni joker, ni adresse)"
    certificate = fields.get(CERTIFICATE, "").strip()
    if len(certificate.encode()) > FIELD_MAX or liste_blanche.certificate_name(certificate) is None:
        return "nom de certificat absent ou illisible"
    return Row(
        domain,
        certificate,
        *(_tidy(fields.get(name, "")) for name in (DESCRIPTION, RESPONSIBLE, SUPPORT, UPDATED)),
    )


def _name(element: etree._Element) -> str:
    return next((_tidy(one.text or "") for one in element if _local(one) == NAME), "")


_DOUBLED = re.compile('"{2,}')


def _tidy(text: str) -> str:
    """On one line, without the marks of a spreadsheet: no-break and repeated blanks, doubled quotes."""
    return _DOUBLED.sub('"', " ".join(text.split()))[:FIELD_MAX]


def _generated(root: etree._Element) -> datetime:
    texts = [(one.text or "").strip() for one in root if _local(one) == DATE]
    if len(texts) == 1:
        try:
            moment = datetime.fromisoformat(texts[0])
            # A moment without a zone is one of the list's own, in Z.
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
    raise Malformed(f"ce n'est pas la liste blanche : <{DATE}> absent ou illisible")


def _local(element: etree._Element) -> str:
    """The name of an element of the list; "" for a comment, an instruction, or another vocabulary's element."""
    if not isinstance(element.tag, str):
        return ""
    name = etree.QName(element)
    return name.localname if name.namespace in (NAMESPACE, None) else ""
