"""`annuaire find`: searches as a person types, in the index of this machine, while a server runs or not.

It searches what an audience is shown of people and structures, and the further trees: for administrators too, so
that nobody appears twice, as a person and as the entry of their account.

Every word must be found somewhere: inside a name, an address, an organization, a town, a title, or as a whole
identifier. The best come first: whole words, then words begun, then the rest.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from annuaire.cli import options
from annuaire.config import Config
from annuaire.domain.audience import Audience

if TYPE_CHECKING:
    from rich.table import Table

    from annuaire.ldap.filters import Filter
    from annuaire.ldap.responses import Entry

# A screenful; what a person reads before typing another word.
LIMIT = 25
LIMIT_MAX = 1_000_000
# The index ranks by names and addresses alone; so many of its best are ranked again by everything searched.
RANKED_MAX = 1000

NAMES = (
    "cn",
    "mail",
    "givenName",
    "sn",
)  # the attributes of the index's union text: one look-up for all four
BESIDE = ("o", "l", "title", "mailLocalAddress")  # the last one: the addresses that mail servers are told
IDENTIFIERS = ("uid", "IdentifiantPP")

COLUMNS = {
    "Nom": ("displayName", "cn", "ou", "o"),
    "Adresse": ("mail", "mailRoutingAddress"),
    "Profession": ("title",),
    "Structure": ("o",),
    "Ville": ("l",),
    "Téléphone": ("telephoneNumber", "mobile"),
}
# Where nobody looks on a screen, a row is never cut.
WIDTH = 400


@click.command("find")
@click.argument("words", metavar="MOTS…", nargs=-1, required=True)
@options.with_audience
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    metavar="N",
    default=LIMIT,
    show_default=True,
    help="Nombre de réponses, les meilleures d'abord.",
)
@options.with_json
@options.with_config
def find_command(
    config: Config, words: tuple[str, ...], audience: Audience, limit: int, as_json: bool
) -> int:
    """Chercher des personnes et des structures, comme on tape.

    Tous les mots doivent s'y trouver, dans n'importe quel ordre, avec ou sans accents et majuscules :
    dans les noms, les adresses, les structures, les villes ou les professions ; un identifiant, en
    entier. Code de sortie 1 si rien n'est trouvé. En JSON, une valeur qui n'est pas du texte est
    {"base64": …}.

    \b
    Exemples :
      annuaire find dupont lille
      annuaire find --as mssante marie.martin@interop
      annuaire find --limit 5 --json 99900010028
    """
    from annuaire.cli import local
    from annuaire.index import folding

    typed = [word for word in words if folding.fold_name(word)]
    if not typed:
        raise click.UsageError("rien à chercher")
    index = local.Index(config)
    # One more than is shown says whether there are others.
    asked = max(limit + 1, RANKED_MAX)
    found = ranked(index.search(index.shown, audience, filter_of(typed), size_limit=asked), typed)
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in found[:limit]], ensure_ascii=False))
    elif found:
        _show(found[:limit])
        if len(found) > limit:
            click.echo(f"il y en a d'autres : ajoutez un mot, ou --limit {limit * 4}", err=True)
    else:
        click.echo(f"rien pour « {' '.join(typed)} »", err=True)
    return 0 if found else 1


def filter_of(words: Iterable[str]) -> Filter:
    """Each word inside some name, address or place, or a whole identifier; all of them in one entry."""
    from annuaire.ldap import filters

    parts: list[Filter] = []
    for word in words:
        value = word.encode("utf-8", "surrogateescape")
        within: list[Filter] = [
            filters.Substrings(attribute, None, (value,), None) for attribute in (*NAMES, *BESIDE)
        ]
        parts.append(filters.Or([*within, *(filters.Equality(name, value) for name in IDENTIFIERS)]))
    return parts[0] if len(parts) == 1 else filters.And(parts)


def ranked(entries: Iterable[Entry], words: Iterable[str]) -> list[Entry]:
    """Best first by every attribute that was searched; equals stay in the order of the index."""
    from annuaire.index import folding

    wanted = [folding.fold_name(word) for word in words]
    searched = frozenset(name.lower() for name in (*NAMES, *BESIDE, *IDENTIFIERS))

    def distance(entry: Entry) -> tuple[int, int]:
        texts = [
            f" {' '.join(folding.words(folding.fold_name(value.decode('utf-8', 'replace'))))} "
            for name, values in entry.attributes.items()
            if name.partition(";")[0].lower() in searched
            for value in values
        ]
        each = [min((_distance(text, word) for text in texts), default=_INSIDE) for word in spoken]
        return max(each), sum(each)

    spoken = [" ".join(folding.words(word)) or word for word in wanted]
    return sorted(entries, key=distance)


_WHOLE, _BEGUN, _INSIDE = range(3)


def _distance(text: str, word: str) -> int:
    """How a word stands in a text of words, which has a space at each end."""
    if f" {word} " in text:
        return _WHOLE
    return _BEGUN if f" {word}" in text else _INSIDE


def _as_json(entry: Entry) -> dict[str, object]:
    return {
        "dn": entry.dn.decode(),
        "attributes": {
            name: [_json_value(one) for one in values] for name, values in entry.attributes.items()
        },
    }


def _json_value(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _show(entries: list[Entry]) -> None:
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(_table(entries))


def _table(entries: list[Entry]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [[_cell(entry, names) for names in COLUMNS.values()] for entry in entries]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    # A column that nobody fills takes the room of the others.
    filled = [place for place in range(len(COLUMNS)) if any(row[place] for row in rows)]
    for place in filled:
        table.add_column(list(COLUMNS)[place], overflow="fold")
    for row in rows:
        # Text: what stands in brackets in a name is no markup.
        table.add_row(*(Text(row[place]) for place in filled))
    return table


def _cell(entry: Entry, names: tuple[str, ...]) -> str:
    for name in names:
        for value in entry.attributes.get(name, ()):
            text = value.decode("utf-8", "replace")
            # Facts come from others: what would steer the terminal is shown as a mark.
            return "".join(c if c.isprintable() else "�" for c in text)
    return ""
