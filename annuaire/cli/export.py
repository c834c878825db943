"""`annuaire export`: the directory as LDIF, as a table or as cards, whole, entry after entry.

For `admin` it is what is written here, read from the store: no index is needed, parents come before what lies below
them, and what is computed is left out, since nobody may write it. For another audience it is its view: what that
audience would find, read from the index, first what holds other entries, parents first, then people and structures
in (cn, DN) order.

What an import passes over is left out (entryUUID, times, authors): every state makes its own, so an export with them
would differ from the export of the state into which it was imported. `backup` keeps them. No version line either:
RFC 2849 readers do without, slapadd refuses it.

Security: an export of `admin` holds every choice that people made, so a file of it is for its owner alone.
"""

from __future__ import annotations

import itertools
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from annuaire.cli import options
from annuaire.config import Config
from annuaire.domain.audience import Audience

if TYPE_CHECKING:
    from annuaire.cli.local import Index
    from annuaire.store.engine import Store
    from annuaire.store.entries import EntryRow

FORMATS = ("ldif", "csv", "vcard")
_PEOPLE = frozenset({b"person", b"organizationalperson", b"inetorgperson"})


class Entry(NamedTuple):
    """One entry to be written, wherever it comes from."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]
    uuid: str
    modified_at: str


@click.command("export")
@options.with_audience
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="ldif",
    show_default=True,
    help="csv et vcard ne prennent que les personnes et ce qui a une adresse.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FICHIER",
    help="Fichier à écrire, en entier ou pas du tout ; par défaut, la sortie standard.",
)
@click.option(
    "--with-passwords", is_flag=True, help="Avec les empreintes des mots de passe (admin, en LDIF seulement)."
)
@options.with_config
def export_command(
    config: Config, audience: Audience, form: str, output: Path | None, with_passwords: bool
) -> int:
    """Exporter l'annuaire en LDIF, en tableau ou en cartes de visite.

    Pour admin, tout ce qui est écrit ici : l'importer dans un annuaire vide puis l'exporter redonne le
    même fichier. Pour les autres, leur vue : les personnes et les structures qu'ils peuvent trouver.

    \b
    Exemples :
      annuaire export --output apicrypt.ldif
      annuaire export --as apicrypt --format vcard --output carnet.vcf
      annuaire export --format csv | head
    """
    if with_passwords and (audience != Audience.ADMIN or form != "ldif"):
        raise click.UsageError("--with-passwords ne va qu'avec --as admin et --format ldif")
    from annuaire.cli import destination
    from annuaire.cli.progress import Display

    head, write = _writer(form)
    entries = _entries(config, audience, with_passwords)
    # Asked before anything is opened: what cannot be read leaves no file.
    first = list(itertools.islice(entries, 1))
    with destination.opened(output) as stream, Display(silent=_on_terminal(output)) as display:
        stream.write(head)
        written = 0
        for entry, done, total in itertools.chain(first, entries):
            record = write(entry)
            if record:
                stream.write(record)
                written += 1
            if not done % _SHOWN_EVERY:
                display.show("export", done, total, done)
    if output is not None and output != destination.STANDARD_OUTPUT:
        click.echo(f"{written} entrées dans {output}", err=True)
    return 0


# The display is told once for so many entries: each telling costs as much as writing one.
_SHOWN_EVERY = 1000

Numbered = tuple[Entry, int, int]  # an entry, how many that makes, of how many (0: unknown)


def _on_terminal(output: Path | None) -> bool:
    """A bar would be drawn across what is written there."""
    return (output is None or str(output) == "-") and sys.stdout.isatty()


def _writer(form: str) -> tuple[bytes, Callable[[Entry], bytes | None]]:
    """What the file begins with, and how an entry is written; nothing for one that has no place there."""
    if form == "csv":
        from annuaire.publishing import csv_table

        return (
            csv_table.format_header(),
            lambda one: csv_table.format_row(one.dn, one.attributes) if _is_contact(one) else None,
        )
    if form == "vcard":
        from annuaire.publishing import vcard

        return (
            b"",
            lambda one: (
                vcard.format_card(one.attributes, one.uuid, one.modified_at) if _is_contact(one) else None
            ),
        )
    from annuaire.publishing import ldif

    return b"", lambda one: ldif.format_entry(
        one.dn, ((name, value) for name, values in one.attributes.items() for value in values)
    )


def _is_contact(entry: Entry) -> bool:
    """Folders and groups have no row in a table of people, and no card."""
    for description, values in entry.attributes.items():
        name = description.partition(";")[0].lower()
        if name == "mail" or (name == "objectclass" and not _PEOPLE.isdisjoint(map(bytes.lower, values))):
            return True
    return False


def _entries(config: Config, audience: Audience, with_passwords: bool) -> Iterator[Numbered]:
    from annuaire.cli import local

    if audience != Audience.ADMIN:
        return _seen_by(local.Index(config), audience)
    return _stored(config, with_passwords)


def _stored(config: Config, with_passwords: bool) -> Iterator[Numbered]:
    from annuaire.cli import local

    with local.store(config) as store:
        yield from _rows(store, with_passwords)


def _rows(store: Store, with_passwords: bool) -> Iterator[Numbered]:
    """One moment of the store, in the order of keys: parents first, whatever the suffixes are."""
    with store.reading() as reader:
        total = reader.count()
        for done, row in enumerate(reader.subtree(b""), 1):
            yield _of_row(row, with_passwords), done, total


def _of_row(row: EntryRow, with_passwords: bool) -> Entry:
    from annuaire.ldap import ber

    attributes = ber.decode_attributes(row.attributes)
    if with_passwords and row.passwords is not None:
        attributes |= ber.decode_attributes(row.passwords)
    return Entry(row.dn, attributes, str(uuid.UUID(bytes=row.uuid)), row.modified_at)


_OPERATIONAL = ("entryUUID", "modifyTimestamp")


def _seen_by(index: Index, audience: Audience) -> Iterator[Numbered]:
    from annuaire.ldap import dn, filters

    asked = (b"*", *(name.encode() for name in _OPERATIONAL))
    person = filters.Equality("objectClass", b"person")
    # Folders are few, and whoever loads the file elsewhere needs them before what lies in them.
    others = index.search(index.everywhere, audience, filters.Not(person), asked)
    parents_first = sorted(others, key=lambda entry: len(dn.parse(entry.dn.decode()).rdns))
    people = index.search(index.everywhere, audience, person, asked)
    for done, found in enumerate(itertools.chain(parents_first, people), 1):
        known = {name: found.attributes.pop(name, [b""])[0].decode() for name in _OPERATIONAL}
        yield Entry(found.dn.decode(), found.attributes, *known.values()), done, 0
