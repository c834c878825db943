"""`annuaire liste-blanche load|show`: the domains of the trust space, taken from the signed national list."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annuaire.cli import figures, local, options, writing
from annuaire.config import Config
from annuaire.errors import Malformed, Misconfigured, NotFound, Unavailable

if TYPE_CHECKING:
    from annuaire.actions.load_liste_blanche import Report
    from annuaire.store.domains import DomainRow

# Refusals shown to a person; the JSON form holds all.
SHOWN_MAX = 20
KIND = "liste-blanche"
# Octets of a file of certificates.
AUTHORITY_MAX = 1_000_000


@click.group("liste-blanche")
def liste_blanche_command() -> None:
    """Les domaines de l'espace de confiance et les certificats de leurs opérateurs.

    \b
    Exemples :
      annuaire liste-blanche load listeblanchemssante.xml --ca igc-sante.pem
      annuaire liste-blanche show medecin.mssante.fr
    """


@liste_blanche_command.command("load")
@click.argument("source", metavar="FICHIER", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FICHIER",
    help="Certificats de l'autorité du signataire (PEM, DER ou .p7b) ; sinon « ca » d'une source liste-blanche.",
)
@click.option(
    "--signer",
    metavar="NOM",
    help="Nom (CN) que doit avoir le signataire ; sinon, le même que la fois d'avant.",
)
@click.option(
    "--unsigned", is_flag=True, help="Ne vérifier aucune signature : vous vous portez garant du fichier."
)
@click.option("--accept-removals", is_flag=True, help="Accepter que la liste retire beaucoup de domaines.")
@click.option("--dry-run", is_flag=True, help="Tout vérifier, ne rien écrire, donner les mêmes totaux.")
@options.with_json
@options.with_config
def load_command(
    config: Config,
    source: Path,
    ca: Path | None,
    signer: str | None,
    unsigned: bool,
    accept_removals: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Remplacer la liste blanche par celle du fichier, si sa signature est bonne.

    La charger deux fois ne change rien la seconde fois. Code de sortie 1 si une ligne a été refusée.

    \b
    Exemples :
      annuaire liste-blanche load listeblanchemssante.xml --ca igc-sante.pem
      annuaire liste-blanche load liste.xml --unsigned --dry-run
    """
    if unsigned and (ca is not None or signer is not None):
        raise click.UsageError("--unsigned ne vérifie rien : --ca et --signer ne vont pas avec")
    report = _load(config, source, ca, signer or "", unsigned, accept_removals, dry_run, as_json)
    if as_json:
        click.echo(json.dumps(_as_json(report), ensure_ascii=False))
    else:
        _say(report, dry_run)
    return 1 if report.refused else 0


def _load(
    config: Config,
    source: Path,
    ca: Path | None,
    signer: str,
    unsigned: bool,
    accept_removals: bool,
    dry_run: bool,
    silent: bool,
) -> Report:
    from annuaire.actions import load_liste_blanche, refresh
    from annuaire.actions.load_liste_blanche import Guard, Vouching
    from annuaire.cli.progress import Display
    from annuaire.importing import hostile_xml

    vouching = Vouching(None if unsigned else _authority(config, ca), unsigned, signer)
    data = _read(source, hostile_xml.SIZE_MAX)
    with writing.opened(config) as facts, Display(silent=silent) as display:
        report = load_liste_blanche.load(
            facts.store(),
            data,
            name=str(source),
            vouching=vouching,
            guard=Guard(config.limits.removals, accept_removals),
            ours=config.domains.interop,
            dry_run=dry_run,
            actor=config.admin_dn,
            told=facts.told,
        )
        if report.applied:
            try:
                refresh.refresh(
                    facts,
                    local.folder(config),
                    lambda stage, done, total: display.show(f"index : {stage}", done, total, done),
                )
            except Unavailable as error:
                raise Unavailable(
                    f"enregistré (changement {report.change_number}), pas encore visible : {error.public}",
                    error.reason,
                ) from error
    return report


def _authority(config: Config, ca: Path | None) -> bytes | None:
    """The certificates given, else those of the configured source of the list."""
    if ca is not None:
        return _read(ca, AUTHORITY_MAX)
    configured = [one.ca for one in config.sources.values() if one.kind == KIND and one.ca is not None]
    if not configured:
        return None
    try:
        return configured[0].read_bytes()
    except OSError as error:
        raise Misconfigured(f"[sources] ca : {configured[0]} : {error.strerror}") from error


def _read(path: Path, most: int) -> bytes:
    """The file, or enough of it to know that it is too large."""
    try:
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise Malformed(f"{path} : {error.strerror}") from error


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "refused": report.refused,
        "warnings": len(report.warnings),
        "refusals": [{"line": one.line, "dn": one.dn, "reason": one.reason} for one in report.refusals],
        "notes": list(report.warnings),
        "generated": report.generated.isoformat(timespec="seconds"),
        "signer": report.signer or None,
        "domains": report.domains,
        "rows": report.rows,
        "applied": report.applied,
    }


def _say(report: Report, dry_run: bool) -> None:
    for refusal in report.refusals[:SHOWN_MAX]:
        click.echo(f"ligne {refusal.line} : {refusal.dn or '(sans nom)'} : {refusal.reason}", err=True)
    if report.refused > SHOWN_MAX:
        click.echo(f"… et {report.refused - SHOWN_MAX} autres refus, tous avec --json", err=True)
    for warning in report.warnings:
        click.echo(f"attention : {warning}", err=True)
    click.echo(
        f"domaines ajoutés {report.added}, modifiés {report.changed}, inchangés {report.unchanged},"
        f" retirés {report.removed} ; lignes refusées {report.refused}, avertissements {len(report.warnings)}"
    )
    click.echo(
        f"liste du {report.generated:%d/%m/%Y %H:%M} UTC : {_counted(report.domains, report.rows)},"
        f" signée par {report.signer or 'personne'}"
    )
    if dry_run:
        click.echo("essai : rien n'a été écrit")
    elif not (report.added or report.changed or report.removed):
        click.echo("rien n'a changé")


# ------------------------------------------------------------------ showing


@liste_blanche_command.command("show")
@click.argument("domain", metavar="[DOMAINE]", required=False)
@options.with_json
@options.with_config
def show_command(config: Config, domain: str | None, as_json: bool) -> int:
    """Montrer les lignes d'un domaine (ou d'une adresse) ; sans domaine, quelle liste est chargée.

    Un domaine est listé exactement, sans ceux qui sont au-dessous. Code de sortie 1 s'il ne l'est pas.

    \b
    Exemples :
      annuaire liste-blanche show
      annuaire liste-blanche show medecin.mssante.fr
    """
    from annuaire.domain import liste_blanche

    name = None if domain is None else liste_blanche.domain_name(domain.rpartition("@")[2])
    if name == "":
        raise Malformed(f"{domain} n'est pas un domaine")
    with local.store(config) as store, store.reading() as reader:
        loaded = reader.liste_blanche()
        rows = [] if name is None else reader.domain(name)
    if name is None:
        _show_list(loaded, as_json)
        return 0 if loaded else 1
    if loaded is None:
        raise NotFound("aucune liste blanche n'est chargée : « annuaire liste-blanche load FICHIER »")
    _show_domain(name, rows, as_json)
    return 0 if rows else 1


def _show_list(loaded: dict[str, Any] | None, as_json: bool) -> None:
    if as_json:
        said = None
        if loaded is not None:
            moments = {name: _iso(str(loaded[name])) for name in ("generated", "loaded_at")}
            said = {**loaded, **moments, "signer": loaded["signer"] or None}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    if loaded is None:
        click.echo(
            "aucune liste blanche n'est chargée : tout domaine est tenu pour listé ;"
            " « annuaire liste-blanche load FICHIER » en charge une",
            err=True,
        )
        return
    click.echo(f"liste du {_ago(str(loaded['generated']))}, chargée le {_ago(str(loaded['loaded_at']))}")
    click.echo(f"signée par {loaded['signer'] or 'personne (--unsigned)'}")
    click.echo(_counted(loaded["domains"], loaded["rows"]))


def _show_domain(name: str, rows: list[DomainRow], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], ensure_ascii=False))
        return
    if not rows:
        click.echo(
            f"{name} n'est pas sur la liste blanche (un domaine ne couvre pas ceux au-dessous)", err=True
        )
        return
    click.echo(f"{name} : {rows[0].description or 'sans description'}")
    for row in rows:
        click.echo(f"  certificat   {row.certificate}")
        click.echo(
            f"    responsable {row.responsible or '-'}, assistance {row.support or '-'}, mis à jour {row.updated}"
        )


def _counted(domains: int, rows: int) -> str:
    each = ((domains, "domaine"), (rows, "ligne"))
    return ", ".join(f"{figures.number(count)} {word}{'s' if count > 1 else ''}" for count, word in each)


def _iso(generalized: str) -> str:
    found = figures.moment(generalized)
    return generalized if found is None else found.isoformat()


def _ago(generalized: str) -> str:
    found = figures.moment(generalized)
    if found is None:
        return generalized
    age = max(0.0, (datetime.now(UTC) - found).total_seconds())
    return f"{found:%d/%m/%Y %H:%M} UTC (il y a {figures.duration(age)})"
