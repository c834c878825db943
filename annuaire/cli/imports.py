"""`annuaire import`: a file into the directory, with its totals, its refusals, and the index brought up to it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from annuaire.cli import options
from annuaire.config import Config
from annuaire.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from annuaire.actions.import_report import Progress, Report
    from annuaire.cli.progress import Display

# Refusals shown to a person; the rejects hold all.
SHOWN_MAX = 20

# The national extraction has 31 columns; no line of LDIF begins with so many bars.
EXTRACTION_BARS = 20
LOOKED_AT = 4096

PHASES = {
    "read": "lecture",
    "compare": "comparaison",
    "apply": "écriture",
    "prepare": "index : lecture",
    "build": "index : construction",
}


@click.command("import")
@click.argument("source", metavar="FICHIER|-", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--into",
    type=click.Choice(["apicrypt", "mssante"]),
    default="apicrypt",
    show_default=True,
    help="À qui sont ces faits.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["ldif", "extraction", "fhir"]),
    help="Forme du fichier ; par défaut, celle de la source.",
)
@click.option("--under", metavar="DN", help="Ranger les entrées sous ce nom, à la place de leur propre base.")
@click.option("--dry-run", is_flag=True, help="Tout vérifier, ne rien écrire, donner les mêmes totaux.")
@click.option("--continue", "continue_", is_flag=True, help="Prendre ce qui est valide malgré les refus.")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FICHIER",
    help="Y écrire les enregistrements refusés, avec leur ligne et la raison.",
)
@click.option("--accept-removals", is_flag=True, help="Accepter qu'une extraction retire beaucoup de lignes.")
@click.option("--reset-choices", is_flag=True, help="Laisser le fichier revenir sur les choix des personnes.")
@options.with_json
@options.with_config
def import_command(
    config: Config,
    source: str,
    into: str,
    form: str | None,
    under: str | None,
    dry_run: bool,
    continue_: bool,
    rejects: Path | None,
    accept_removals: bool,
    reset_choices: bool,
    as_json: bool,
) -> int:
    """Importer un fichier LDIF : tout ou rien, sauf avec --continue.

    Importer deux fois le même fichier ne change rien la seconde fois. Code de sortie 1 si un
    enregistrement a été refusé.

    \b
    Exemples :
      annuaire import personnes.ldif
      annuaire import --dry-run --rejects refus.ldif personnes.ldif
      annuaire import --under ou=lyon,ou=apicrypt,o=apicrypt,c=FR export.ldif
      slapcat | annuaire import --continue --under ou=apicrypt,o=apicrypt,c=FR -
    """
    if into == "mssante" or form in ("extraction", "fhir"):
        raise click.UsageError("seul --into apicrypt --format ldif existe pour l'instant")
    from annuaire.cli.progress import Display

    with _opened(source) as stream, _rejects(rejects) as refused, Display(silent=as_json) as display:
        report = _import(config, stream, source, under, dry_run, continue_, refused, display)
    if as_json:
        click.echo(json.dumps(_as_json(report), ensure_ascii=False))
    else:
        _say(report, dry_run, continue_, rejects)
    return 1 if report.refused else 0


def _import(
    config: Config,
    stream: BinaryIO,
    source: str,
    under: str | None,
    dry_run: bool,
    continue_: bool,
    rejects: BinaryIO | None,
    display: Display,
) -> Report:
    from annuaire.actions import import_source, initialise, refresh
    from annuaire.index.folder import IndexFolder
    from annuaire.ldap import schema, tree
    from annuaire.store import engine

    def show(progress: Progress) -> None:
        display.show(PHASES[progress.phase], progress.done, progress.total, progress.records)

    def show_index(stage: str, done: int, total: int) -> None:
        display.show(PHASES.get(stage, stage), done, total, done)

    facts = refresh.StoreSource(config.store.url, config.state, config.suffix, config.schema.files)
    store = engine.open(config.store.url, config.state)
    try:
        planted = tree.plant(config.suffix, config.trees.suffixes, facts.schema())
        initialise.initialise(store, planted, facts.schema(), config.admin_dn)
        report = import_source.import_ldif(
            store,
            import_source.Scope(
                (*schema.shipped(), *config.schema.files), config.suffix, config.trees.suffixes
            ),
            stream,
            name=source,
            under=under,
            dry_run=dry_run,
            continue_=continue_,
            rejects=rejects,
            progress=show,
            actor=config.admin_dn,
        )
        if report.applied:
            try:
                refresh.refresh(facts, IndexFolder(config.state / "index"), show_index)
            except Unavailable as error:
                raise Unavailable(
                    f"enregistré (changement {report.change_number}), pas encore visible : {error.public}",
                    error.reason,
                ) from error
        return report
    finally:
        store.close()


@contextlib.contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    """The file or standard input, once it does not look like something else."""
    with contextlib.ExitStack() as stack:
        raw = sys.stdin.buffer if source == "-" else stack.enter_context(open(source, "rb"))
        stream = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))
        head = stream.peek(LOOKED_AT)[:LOOKED_AT]
        if head.startswith(b"PK\x03\x04") or head.partition(b"\n")[0].count(b"|") >= EXTRACTION_BARS:
            raise Malformed(
                "ce fichier est une extraction nationale, pas du LDIF : importez-le avec --into mssante"
            )
        yield stream


@contextlib.contextmanager
def _rejects(path: Path | None) -> Iterator[BinaryIO | None]:
    """Opened before anything is done; private, because records may hold password hashes."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Malformed(f"--rejects {path} : {error.strerror}") from error
    with open(descriptor, "wb") as stream:
        yield stream


def _as_json(report: Report) -> dict[str, object]:
    return {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "refused": report.refused,
        "warnings": report.warnings,
        "refusals": [{"line": one.line, "dn": one.dn, "reason": one.reason} for one in report.refusals],
    }


def _say(report: Report, dry_run: bool, continue_: bool, rejects: Path | None) -> None:
    for refusal in report.refusals[:SHOWN_MAX]:
        click.echo(f"ligne {refusal.line} : {refusal.dn or '(illisible)'} : {refusal.reason}", err=True)
    if report.refused > SHOWN_MAX:
        rest = report.refused - SHOWN_MAX
        where = f"dans {rejects}" if rejects else "avec --rejects FICHIER"
        click.echo(f"… et {rest} autres refus, tous {where}", err=True)
    if report.ignored:
        names = ", ".join(f"{name} ({count})" for name, count in report.ignored.items())
        click.echo(f"attributs tenus par un serveur, laissés de côté : {names}", err=True)
    click.echo(
        f"ajoutées {report.added}, modifiées {report.changed}, inchangées {report.unchanged},"
        f" retirées {report.removed}, refusées {report.refused}, avertissements {report.warnings}"
    )
    if dry_run:
        click.echo("essai : rien n'a été écrit")
    elif report.refused and not continue_:
        click.echo("rien n'a été écrit : corrigez, ou prenez le reste avec --continue")
    elif not (report.added or report.changed or report.removed):
        click.echo("rien n'a changé")
