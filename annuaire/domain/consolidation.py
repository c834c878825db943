"""Two directories become one: from what sources say of a person, the attributes that one audience is shown.

Pure and in a fixed order: the same records give the same attributes whatever the order of imports. A view is made of
the records that its audience may see and of nothing else, so what is hidden leaves no trace in it: neither in values
nor in their order, nor in times. One person is one national identification; names never join two records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from annuaire.domain import identifiers
from annuaire.domain.account import Account, Attributes
from annuaire.domain.mailbox import Activity, Mailbox
from annuaire.domain.visibility import Face

APICRYPT, MSSANTE, RPPS = "apicrypt", "mssante", "rpps"

CERTIFICATE = "userCertificate;binary"
# The attributes of a view beside its names, in the order in which they are answered.
ORDER = (
    "mail",
    "title",
    "profession",
    "savoirFaire",
    "o",
    "ou",
    "l",
    "postalCode",
    "street",
    "telephoneNumber",
    "IdentifiantPP",
    "TypeIdentifiantPP",
    "IdentifiantPM",
    "TypeIdentifiantPM",
    "TypeBAL",
    "description",
)
PERSON_CLASSES = ("top", "person", "organizationalPerson", "inetOrgPerson", "annuairePersonne")
STRUCTURE_CLASSES = ("top", "person", "organizationalPerson", "inetOrgPerson", "annuaireStructure")
ROUTING_CLASSES = ("top", "person", "organizationalPerson", "inetOrgPerson", "inetLocalMailRecipient")
# Of an account's entry, what its faces show beside names and addresses.
_OF_ACCOUNT = (
    "title",
    "profession",
    "savoirFaire",
    "o",
    "ou",
    "l",
    "postalCode",
    "street",
    "telephoneNumber",
    "IdentifiantPP",
    "TypeIdentifiantPP",
)
# Of what PS_LibreAcces says of a known person.
_YES = frozenset(("O", "1", "TRUE"))

Values = dict[str, list[str]]


class Said(NamedTuple):
    """What one record says, in the attributes of a view."""

    source: str
    first: str  # GeneralizedTime of its arrival
    last: str  # and of its last change
    given: str
    surname: str
    names: tuple[str, ...]  # further values of cn
    values: Values
    certificates: tuple[bytes, ...] = ()


class View(NamedTuple):
    """The attributes of one entry, in order; `sources` says where each value came from when there are several."""

    values: Values
    certificates: tuple[bytes, ...]
    first: str
    last: str
    sources: tuple[str, ...]


def of_mailbox(row: Mailbox, first: str, last: str) -> Said:
    """What a row of the national list says of a person."""
    values: Values = {"mail": [row.address]}
    _put(values, "title", row.profession_libelle)
    _put(values, "profession", row.profession)
    _put(values, "savoirFaire", row.savoir_faire_libelle or row.savoir_faire)
    _place(values, row)
    _put(values, "ou", row.service)
    _put(values, "IdentifiantPP", row.identifiant_pp or row.national_pp.removeprefix(row.type_pp))
    _put(values, "TypeIdentifiantPP", row.type_pp)
    values["TypeBAL"] = [row.type_bal]
    return Said(MSSANTE, first, last, row.prenom, row.nom, (), values)


def of_activity(row: Activity, first: str, last: str) -> Said:
    """What PS_LibreAcces adds: town, organization, speciality."""
    values: Values = {}
    _put(values, "savoirFaire", row.savoir_faire_libelle or row.savoir_faire)
    _put(values, "o", row.raison_sociale or row.enseigne)
    _put(values, "l", row.commune)
    _put(values, "postalCode", row.code_postal)
    return Said(RPPS, first, last, "", "", (), values)


def of_account(
    account: Account, attributes: Attributes, face: Face, labels: Sequence[str], first: str, last: str
) -> Said:
    """What an account shows by one of its faces; `labels`: the words of its professions, for want of a title."""
    values: Values = {}
    addresses = []
    if face in (Face.NATIVE, Face.WHOLE):
        addresses.append(account.native)
    if face in (Face.INTEROP, Face.WHOLE) and account.interop:
        addresses.append(account.interop)
    values["mail"] = addresses
    for name in _OF_ACCOUNT:
        found = attributes.get(name)
        if found:
            values[name] = [value.decode("utf-8", "replace") for value in found]
    if labels and "title" not in values:
        values["title"] = list(labels)
    names = [value.decode("utf-8", "replace") for value in attributes.get("cn", ())]
    given, surname = _one(attributes, "givenName"), _one(attributes, "sn")
    # A certificate names the native address, which is for the sphere.
    certificates = tuple(attributes.get(CERTIFICATE, ())) if face != Face.INTEROP else ()
    own = tuple(
        [name for name in names if not (name.endswith(")") and _is_detail(name, given, surname, values))]
    )
    return Said(APICRYPT, first, last, given, surname, own, values, certificates)


def _is_detail(name: str, given: str, surname: str, values: Values) -> bool:
    """Whether a value of cn is what a view makes of the others: `DUPONT Jean (Médecin, LILLE)`, as in an export.

    Each view makes its own, so one that was stored would be a second. Any other name that ends so is the person's.
    """
    text, shown = name.casefold(), f"{surname} {given}".strip().casefold() + " ("
    if not text.startswith(shown):
        return False
    known = text[len(shown) : -1]
    titles, towns = ([one.casefold() for one in values.get(kind, ())] for kind in ("title", "l"))
    return (
        known in titles
        or known in towns
        or any(known.startswith(f"{title}, ") for title in titles)
        or any(known.endswith(f", {town}") for town in towns)
    )


def person(identity: str, said: Sequence[Said], detail: bool) -> View:
    """The view of one person, of what was said in order of preference: at least one record with an address."""
    leading = said[0]
    merged = _merged(said)
    title, town = merged.get("title", [""])[0], merged.get("l", [""])[0]
    shown = f"{leading.surname} {leading.given}".strip()
    known = ", ".join([text for text in (title, town) if text])
    display = f"{shown} ({known})" if known and detail else shown
    names: list[str] = []
    for one in said:
        if one.surname:
            names += (f"{one.given} {one.surname}".strip(), f"{one.surname} {one.given}".strip())
        names += one.names
    values: Values = {
        "objectClass": list(PERSON_CLASSES),
        "uid": [identity],
        "cn": _distinct([*names, display]),
        "sn": _distinct([one.surname for one in said if one.surname] or [shown]),
    }
    given = _distinct([one.given for one in said if one.given])
    if given:
        values["givenName"] = given
    values["displayName"] = [display]
    values.update(merged)
    return _view(values, said)


def structure(address: str, rows: Sequence[tuple[Mailbox, str, str]], detail: bool) -> View:
    """The view of a mailbox of a structure: its rows, each with the times of its arrival and last change."""
    said = []
    names: list[str] = []
    surnames: list[str] = []
    shown = ""
    for row, first, last in rows:
        values: Values = {"mail": [row.address]}
        _place(values, row)
        _put(values, "ou", row.service)
        _put(values, "profession", row.profession)
        _put(values, "IdentifiantPP", row.identifiant_pp)
        _put(values, "TypeIdentifiantPP", row.type_pp if row.identifiant_pp else "")
        kind, identifier = identifiers.structure(row.type_structure, row.structure)
        _put(values, "IdentifiantPM", identifier)
        _put(values, "TypeIdentifiantPM", kind if identifier else "")
        values["TypeBAL"] = [row.type_bal]
        _put(values, "description", row.service)
        said.append(Said(MSSANTE, first, last, "", "", (), values))
        house = row.raison_sociale or row.enseigne
        practitioner = f"{row.prenom} {row.nom}".strip()
        service = row.service or practitioner
        name = ", ".join([text for text in (service, house) if text]) or address.partition("@")[0]
        names.append(name)
        surnames.append(service or house or name)
        shown = shown or name
    merged = _merged(said)
    town = merged.get("l", [""])[0]
    display = f"{shown} ({town})" if town and detail else shown
    values = {
        "objectClass": list(STRUCTURE_CLASSES),
        "uid": [address],
        "cn": _distinct([*names, display]),
        "sn": _distinct(surnames),
        "displayName": [display],
    }
    values.update(merged)
    return _view(values, said)


def routing(identity: str, account: Account, reachable: bool, name: str, first: str) -> View:
    """What mail servers are told of an account: its addresses and where they lead.

    Most changes of an account change nothing here, and the time of the others is no concern of a mail server.
    """
    addresses = [account.native]
    if reachable:
        addresses.append(account.interop)
    values: Values = {
        "objectClass": list(ROUTING_CLASSES),
        "uid": [identity],
        "cn": [name],
        "sn": [name],
        "mailLocalAddress": addresses,
        "mailRoutingAddress": [account.native],
    }
    return View(values, (), first, first, (APICRYPT,))


def preference(row: Mailbox) -> tuple[bool, str]:
    """Mailboxes that take documents without paper come first, then in the order of addresses."""
    return row.dematerialisation.upper() not in _YES, row.address.lower()


def _view(values: Values, said: Sequence[Said]) -> View:
    certificates = tuple(dict.fromkeys([value for one in said for value in one.certificates]))
    sources = tuple(dict.fromkeys([one.source for one in said]))
    if len(sources) > 1:
        sources = tuple(_provenance(said))
    return View(
        values, certificates, min([one.first for one in said]), max([one.last for one in said]), sources
    )


def _provenance(said: Iterable[Said]) -> Iterable[str]:
    """`source attribute=value`, for each value that a source gave."""
    lines: dict[str, None] = {}
    for one in said:
        for name, values in (("givenName", [one.given]), ("sn", [one.surname]), *one.values.items()):
            for value in values:
                if value:
                    lines[f"{one.source} {name}={value}"] = None
    return lines


def _merged(said: Sequence[Said]) -> Values:
    if len(said) == 1:
        values = said[0].values
        return {name: values[name] for name in ORDER if name in values}
    merged: Values = {}
    for name in ORDER:
        found = [value for one in said for value in one.values.get(name, ())]
        if found:
            merged[name] = _distinct(found)
    return merged


def _distinct(values: Sequence[str]) -> list[str]:
    """The values in order, once each: case and repeated spaces do not tell two apart (RFC 4518)."""
    if len(values) == 1:
        return list(values)
    kept: dict[str, str] = {}
    for value in values:
        kept.setdefault(" ".join(value.casefold().split()), value)
    return list(kept.values())


def _place(values: Values, row: Mailbox) -> None:
    _put(values, "o", row.raison_sociale or row.enseigne)
    town = row.l6
    if town[:1].isdigit():  # "75002 PARIS"
        town = town.partition(" ")[2].strip()
    _put(values, "l", town)
    _put(values, "postalCode", row.code_postal)
    if row.voie_libelle:
        street = (row.voie_numero, row.voie_complement, row.voie_type, row.voie_libelle)
        values["street"] = [" ".join([part for part in street if part])]


def _put(values: Values, name: str, value: str) -> None:
    if value:
        values[name] = [value]


def _one(attributes: Attributes, name: str) -> str:
    values = attributes.get(name)
    return values[0].decode("utf-8", "replace") if values else ""
