"""`annuaire import`: a file into the directory, with its totals, its refusals, and the index brought up to it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import click

from annuaire.cli import options
from annuaire.config import Config
from annuaire.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from annuaire.actions.import_report import Progress, Report
    from annuaire.actions.source import StoreSource
    from annuaire.cli.progress import Display

# Refusals shown to a person; the rejects hold all.
SHOWN_MAX = 20

# The national extraction has 31 columns; no line of LDIF begins with so many bars.
EXTRACTION_BARS = 20
# Octets by which a file is recognised.
LOOKED_AT = 1 << 16

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
    help="Forme du fichier ; par défaut, celle que son contenu montre.",
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
    """Importer un fichier : tout ou rien, sauf avec --continue.

    Des personnes d'APICRYPT en LDIF ou, avec --into mssante, les boîtes de l'espace MSSanté : l'extraction
    nationale (texte ou ZIP), du LDIF aux noms nationaux, ou PS_LibreAcces_Personne_activite, dont sont gardées les
    activités des personnes connues. Un fichier national est tout ce que dit sa source : ce qui n'y est plus est
    retiré. Importer deux fois le même fichier ne change rien la seconde fois. Code de sortie 1 si un
    enregistrement a été refusé.

    \b
    Exemples :
      annuaire import personnes.ldif
      annuaire import --dry-run --rejects refus.ldif personnes.ldif
      annuaire import --under ou=lyon,ou=apicrypt,o=apicrypt,c=FR export.ldif
      annuaire import --into mssante --continue Extraction_Correspondance_MSSante.zip
      slapcat | annuaire import --continue --under ou=apicrypt,o=apicrypt,c=FR -
    """
    _check_options(into, form, under, accept_removals, reset_choices)
    from annuaire.cli.progress import Display

    with _opened(source) as stream, _rejects(rejects) as refused, Display(silent=as_json) as display:
        given = _Given(stream, source, dry_run, continue_, refused)
        if into == "apicrypt":
            _refuse_national(stream)
            report = _refreshed(
                config,
                display,
                lambda facts: _import_people(config, facts, given, under, reset_choices, display),
            )
        else:
            found = _recognised(stream, form)
            report = _refreshed(
                config,
                display,
                lambda facts: _import_records(config, facts, given, found, accept_removals, display),
            )
    if as_json:
        click.echo(json.dumps(_as_json(report), ensure_ascii=False))
    else:
        _say(report, dry_run, continue_, rejects)
    return 1 if report.refused else 0


class _Given(NamedTuple):
    """What every import is given."""

    stream: BinaryIO
    name: str
    dry_run: bool
    continue_: bool
    rejects: BinaryIO | None


def _check_options(
    into: str, form: str | None, under: str | None, accept_removals: bool, reset_choices: bool
) -> None:
    """Options that mean nothing together are said, and not passed over."""
    if form == "fhir":
        raise click.UsageError("--format fhir n'existe pas encore")
    if into == "apicrypt":
        if form == "extraction":
            raise click.UsageError("--format extraction ne va qu'avec --into mssante")
        if accept_removals:
            raise click.UsageError(
                "--accept-removals ne va qu'avec --into mssante : rien d'autre n'est retiré"
            )
    elif under is not None or reset_choices:
        raise click.UsageError("--under et --reset-choices ne vont pas avec --into mssante")


def _refreshed(config: Config, display: Display, load: Callable[[StoreSource], Report]) -> Report:
    """Import into the store, and bring the index up to it."""
    from annuaire.actions import refresh
    from annuaire.cli import local, writing

    def show(stage: str, done: int, total: int) -> None:
        display.show(PHASES.get(stage, stage), done, total, done)

    with writing.opened(config) as facts:
        report = load(facts)
        if report.applied:
            try:
                refresh.refresh(facts, local.folder(config), show)
            except Unavailable as error:
                raise Unavailable(
                    f"enregistré (changement {report.change_number}), pas encore visible : {error.public}",
                    error.reason,
                ) from error
        return report


def _import_people(
    config: Config,
    facts: StoreSource,
    given: _Given,
    under: str | None,
    reset_choices: bool,
    display: Display,
) -> Report:
    from annuaire.actions import import_source
    from annuaire.cli import local
    from annuaire.ldap import schema

    files = (*schema.shipped(), *config.schema.files)
    return import_source.import_ldif(
        facts.store(),
        import_source.Scope(files, config.suffix, config.trees.suffixes),
        given.stream,
        name=given.name,
        under=under,
        dry_run=given.dry_run,
        continue_=given.continue_,
        rejects=given.rejects,
        progress=_shown(display),
        actor=config.admin_dn,
        settings=facts.settings,
        reset_choices=reset_choices,
        folder=local.folder(config),
        told=facts.told,
    )


def _import_records(
    config: Config, facts: StoreSource, given: _Given, form: str, accept_removals: bool, display: Display
) -> Report:
    from annuaire.actions import import_records
    from annuaire.domain.domains import Domains

    load: Callable[..., Report]
    ours = Domains(config.domains.native, config.domains.interop, config.domains.dgs)
    if form == import_records.ACTIVITY_LIST:
        load = partial(import_records.import_activities, is_ours=ours.is_ours)
    else:
        load = partial(import_records.import_mailboxes, form=form, is_interop=ours.is_interop)
    return load(
        facts.store(),
        given.stream,
        name=given.name,
        dry_run=given.dry_run,
        continue_=given.continue_,
        rejects=given.rejects,
        accept_removals=accept_removals,
        removals_max=config.limits.removals,
        progress=_shown(display),
        actor=config.admin_dn,
        told=facts.told,
    )


def _shown(display: Display) -> Callable[[Progress], None]:
    return lambda progress: display.show(
        PHASES[progress.phase], progress.done, progress.total, progress.records
    )


def _recognised(stream: io.BufferedReader, form: str | None) -> str:
    """What a national file is by its content; what cannot be told is read as an extraction, which says why not."""
    from annuaire.importing import extraction

    found = extraction.recognise(stream.peek(LOOKED_AT)[:LOOKED_AT])
    if form == extraction.LDIF or (form is None and found == extraction.LDIF):
        return extraction.LDIF
    return extraction.ACTIVITIES if found == extraction.ACTIVITIES else extraction.EXTRACTION


def _refuse_national(stream: io.BufferedReader) -> None:
    """Nothing that looks like something else is read as LDIF."""
    head = stream.peek(LOOKED_AT)[:LOOKED_AT]
    if head.startswith(b"PK") or head.partition(b"\n")[0].count(b"|") >= EXTRACTION_BARS:
        raise Malformed(
            "ce fichier est une extraction nationale, pas du LDIF : importez-le avec --into mssante"
        )


@contextlib.contextmanager
def _opened(source: str) -> Iterator[io.BufferedReader]:
    """The file or standard input, of which the beginning can be looked at."""
    with contextlib.ExitStack() as stack:
        raw = sys.stdin.buffer if source == "-" else stack.enter_context(open(source, "rb", LOOKED_AT))
        yield raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw))


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
    if report.warned:
        from annuaire.importing.block import WARNINGS

        for kind, count in report.warned.items():
            click.echo(f"avertissement : {WARNINGS.get(kind, kind)} ({count})", err=True)
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
