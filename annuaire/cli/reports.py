"""`annuaire report quality|duplicates|forfait`: what only the whole store tells; for the operator alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annuaire.cli import destination, figures, local, options
from annuaire.config import Config

if TYPE_CHECKING:
    from annuaire.domain.reliability import Rules
    from annuaire.reporting.duplicates import Pair, Somebody
    from annuaire.reporting.forfait import Line
    from annuaire.reporting.quality import Count, Quality, Source
    from annuaire.store.engine import Reader

# Columns of a table that no terminal shows: a program or a file reads it.
WIDTH = 160
# Lines of a table for people; the JSON form and the CSV file hold all.
SHOWN_MAX = 50
YEARS = click.IntRange(2000, 2100)
ORIGINS = {
    "allocated": "attribuées ici",
    "given": "données par un administrateur",
    "mssante": "vues à l'extraction",
}
SOURCES = {"mssante": "boîtes MSSanté", "ps-libreacces": "activités PS_LibreAcces"}


@click.group("report")
def report_command() -> None:
    """Ce que seule la base entière dit : qualité, doublons probables, forfait structure.

    \b
    Exemples :
      annuaire report quality
      annuaire report duplicates --json
      annuaire report forfait --year 2019 --output forfait-2019.csv
    """


# ------------------------------------------------------------------ quality


@report_command.command("quality")
@options.with_json
@options.with_config
def quality_command(config: Config, as_json: bool) -> int:
    """Dire quelles lignes nationales n'entrent dans aucune vue et pourquoi, ce qui est douteux, l'âge des sources.

    \b
    Exemples :
      annuaire report quality
      annuaire report quality --json | jq '.reasons[] | {code, rows}'
    """
    from annuaire.reporting import quality

    with local.store(config) as store, store.reading() as reader:
        found = quality.report(reader, _rules(config, reader))
    if as_json:
        click.echo(json.dumps(_quality_json(found), ensure_ascii=False))
    else:
        _say_quality(found)
    return 0


def _rules(config: Config, reader: Reader) -> Rules:
    """By what the views judge, too."""
    from annuaire.domain import reliability
    from annuaire.domain.domains import Domains

    domains = Domains(config.domains.native, config.domains.interop, config.domains.dgs)
    listed = None if reader.liste_blanche() is None else frozenset(row.domain for row in reader.domains())
    return reliability.Rules(listed, domains.is_ours)


def _quality_json(found: Quality) -> dict[str, Any]:
    return {
        "sources": [
            {**source._asdict(), "first": _iso(source.first), "last": _iso(source.last)}
            for source in found.sources
        ],
        "people": found.people,
        "structures": found.structures,
        "reliable": found.reliable,
        "reasons": _counts_json(found.reasons),
        "warnings": _counts_json(found.warnings),
        "unlisted": [{"domain": domain, "rows": rows} for domain, rows in found.unlisted],
        "ours": {"explained": found.explained, "unexplained": _counts_json(found.unexplained)},
        "accounts": found.accounts._asdict(),
        "ledger": found.ledger,
        "liste_blanche": None if found.liste_blanche is None else _moments_iso(found.liste_blanche),
        "imports": [
            {**row._asdict(), "at": _iso(row.at), "sha256": row.sha256.hex()} for row in found.imports
        ],
    }


def _moments_iso(loaded: dict[str, Any]) -> dict[str, Any]:
    return loaded | {name: _iso(str(loaded[name])) for name in ("generated", "loaded_at")}


def _counts_json(counts: Iterable[Count]) -> list[dict[str, Any]]:
    return [
        {**count._asdict(), "examples": [example._asdict() for example in count.examples]} for count in counts
    ]


def _say_quality(found: Quality) -> None:
    for source in found.sources:
        click.echo(_source_said(source))
    rows = found.sources[0].rows
    click.echo(
        f"{figures.number(found.people)} personnes, {figures.number(found.structures)} boîtes de structures ;"
        f" fiables : {figures.number(found.reliable)} lignes sur {figures.number(rows)}"
        f" ({figures.share(found.reliable, rows)})"
    )
    _counts_table("Laissées de côté", found.reasons)
    if found.unlisted:
        _table(
            "Domaines hors de la liste blanche",
            ("domaine", "lignes"),
            [(domain, figures.number(count)) for domain, count in found.unlisted],
        )
    _counts_table("Douteuses, sans être laissées de côté", found.warnings)
    unexplained = sum(count.rows for count in found.unexplained)
    if found.explained or unexplained:
        click.echo(
            f"adresses de nos domaines : {figures.number(found.explained)} ont leur compte,"
            f" {figures.number(unexplained)} non"
        )
    _counts_table("Adresses de nos domaines sans compte qui les explique", found.unexplained)
    accounts = found.accounts
    click.echo(
        f"comptes : {figures.number(accounts.total)}, avec un identifiant national :"
        f" {figures.number(accounts.identified)}, dont clé RPPS fausse : {figures.number(accounts.wrong_digit)}"
    )
    kinds = ", ".join(
        f"{ORIGINS.get(name, name)} {figures.number(count)}" for name, count in found.ledger.items()
    )
    click.echo(f"adresses d'interopérabilité réservées : {kinds or 'aucune'}")
    _say_liste_blanche(found.liste_blanche)
    for row in found.imports:
        applied = "" if row.applied else " (non appliqué)"
        click.echo(f"import {row.id}, {_day(row.at)} : {row.source}{applied}")


def _source_said(source: Source) -> str:
    name = SOURCES.get(source.name, source.name)
    if not source.rows:
        return f"{name} : aucune ligne"
    return f"{name} : {figures.number(source.rows)} lignes, dernier changement le {_day(source.last)}"


def _say_liste_blanche(loaded: dict[str, Any] | None) -> None:
    if loaded is None:
        click.echo("liste blanche : aucune, tout domaine est tenu pour listé")
        return
    click.echo(
        f"liste blanche du {_day(str(loaded['generated']))}, chargée le {_day(str(loaded['loaded_at']))} :"
        f" {figures.number(loaded['domains'])} domaines"
    )


def _counts_table(title: str, counts: Sequence[Count]) -> None:
    if not counts:
        return
    lines = []
    for count in counts:
        examples = [f"{example.address} ({example.name})" for example in count.examples[:2]]
        lines.append((figures.number(count.rows), count.says, "\n".join(examples)))
    _table(title, ("lignes", "raison", "par exemple"), lines)


# ------------------------------------------------------------------ duplicates


@report_command.command("duplicates")
@options.with_json
@options.with_config
def duplicates_command(config: Config, as_json: bool) -> int:
    """Montrer qui est probablement deux fois là, sans qu'un identifiant national le dise.

    Même nom, et même profession, ville ou structure. Rien n'est jamais réuni sur la foi d'un nom : à
    vous de compléter ou de corriger les identifiants.

    \b
    Exemples :
      annuaire report duplicates
      annuaire report duplicates --json | jq length
    """
    from annuaire.reporting import duplicates

    with local.store(config) as store, store.reading() as reader:
        pairs = duplicates.report(reader)
    if as_json:
        click.echo(json.dumps([_pair_json(pair) for pair in pairs], ensure_ascii=False))
        return 0
    _table(
        f"Doublons probables : {figures.number(len(pairs))}",
        ("personne", "adresse", "identifiant", "peut-être aussi", "identifiant", "parce que"),
        [_pair_cells(pair) for pair in pairs[:SHOWN_MAX]],
    )
    if len(pairs) > SHOWN_MAX:
        click.echo(f"… et {figures.number(len(pairs) - SHOWN_MAX)} autres, tous avec --json", err=True)
    return 0


def _pair_cells(pair: Pair) -> tuple[str, ...]:
    return (
        pair.one.name,
        pair.one.address,
        pair.one.identifier or "aucun",
        pair.other.address,
        pair.other.identifier or "aucun",
        ", ".join(pair.why),
    )


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {"one": _somebody_json(pair.one), "other": _somebody_json(pair.other), "why": list(pair.why)}


def _somebody_json(one: Somebody) -> dict[str, Any]:
    return {
        "source": one.source,
        "name": one.name,
        "address": one.address,
        "identifier": one.identifier or None,
        "professions": sorted(one.professions),
        "places": sorted(one.towns),
    }


# ------------------------------------------------------------------ forfait


@report_command.command("forfait")
@click.option("--year", type=YEARS, required=True, metavar="ANNÉE", help="Au 31 décembre de quelle année.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FICHIER",
    help="Y écrire une ligne par médecin (CSV) ; - : sortie standard.",
)
@options.with_json
@options.with_config
def forfait_command(config: Config, year: int, output: Path | None, as_json: bool) -> int:
    """Dire pour chaque médecin si l'indicateur « messagerie sécurisée de santé » est rempli au 31 décembre.

    V1 ou V2 jusqu'en 2018, V2 à partir de 2019, d'après les versions datées des comptes.

    \b
    Exemples :
      annuaire report forfait --year 2019
      annuaire report forfait --year 2019 --output forfait-2019.csv
    """
    from annuaire.reporting import forfait

    if as_json and output is not None:
        raise click.UsageError("--json écrit sur la sortie standard : pas avec --output")
    with local.store(config) as store, store.reading() as reader:
        lines = forfait.report(reader, year)
        if as_json:
            click.echo(json.dumps([_line_json(line) for line in lines], ensure_ascii=False))
            return 0
        held, counted, first = _forfait_written(lines, output)
    if output is None:
        _table(f"Médecins au 31/12/{year}", FORFAIT, [_line_cells(line) for line in first])
        if counted > len(first):
            click.echo(
                f"… et {figures.number(counted - len(first))} autres, tous avec --output ou --json", err=True
            )
    click.echo(
        f"médecins qui remplissent l'indicateur au 31/12/{year} :"
        f" {figures.number(held)} sur {figures.number(counted)}",
        err=output == destination.STANDARD_OUTPUT,
    )
    return 0


FORFAIT = ("adresse", "nom", "RPPS", "version", "depuis", "indicateur")


def _forfait_written(lines: Iterator[Line], output: Path | None) -> tuple[int, int, list[Line]]:
    """How many hold, how many there are, and the first of them; all into the file when there is one."""
    from annuaire.publishing import csv_table

    held = counted = 0
    first: list[Line] = []
    if output is None:
        for line in lines:
            held, counted = held + line.holds, counted + 1
            if counted <= SHOWN_MAX:
                first.append(line)
        return held, counted, first
    with destination.opened(output) as stream:
        stream.write(csv_table.format_cells(FORFAIT))
        for line in lines:
            held, counted = held + line.holds, counted + 1
            stream.write(csv_table.format_cells(_line_cells(line)))
    return held, counted, first


def _line_cells(line: Line) -> tuple[str, ...]:
    version = "" if line.version is None else f"V{line.version}" if line.version else "fermé"
    since = figures.moment(line.since)
    day = f"{since:%d/%m/%Y}" if since else line.since
    return line.address, line.name, line.rpps, version, day, "oui" if line.holds else "non"


def _line_json(line: Line) -> dict[str, Any]:
    return {**line._asdict(), "rpps": line.rpps or None, "since": _iso(line.since)}


# ------------------------------------------------------------------ tables


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH).print(table)


def _printable(text: str) -> str:
    """Facts come from others: what would steer the terminal is shown as a mark."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def _iso(generalized: str) -> str | None:
    found = figures.moment(generalized)
    return (generalized or None) if found is None else found.isoformat()


def _day(generalized: str) -> str:
    found = figures.moment(generalized)
    if found is None:
        return generalized
    age = max(0.0, (datetime.now(UTC) - found).total_seconds())
    return f"{found:%d/%m/%Y} (il y a {figures.duration(age)})"
