"""`annuaire journal verify|show|public-key|rotate-key`: the tamper-evident journal, read while a server writes it."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annuaire.cli import figures, options
from annuaire.config import Config
from annuaire.errors import Malformed, NotFound, Unavailable

if TYPE_CHECKING:
    from annuaire.journal.reading import Record
    from annuaire.journal.verify import Verified

# What is shown of a journal that is wrong everywhere; --json has all of it.
SHOWN_MAX = 100
_AGO = re.compile(r"(\d+)\s*(s|m|h|d|j)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "j": "days"}
_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
# How long a new key waits for a checkpoint that is being made.
WAIT_SECONDS = 10.0

_folder = click.option(
    "--folder",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DOSSIER",
    help="Une copie du journal, au lieu de celui de la configuration.",
)


@click.group("journal")
def journal_command() -> None:
    """Lire le journal et s'assurer que personne n'y a touché.

    Il garde les refus, les décisions de routage et les changements de choix, de comptes et de liste
    blanche ; jamais un message, jamais un mot de passe.

    \b
    Exemples :
      annuaire journal verify
      annuaire journal show --since 2h --kind refusal
      annuaire journal public-key > journal.pem
    """


# ------------------------------------------------------------------ verify


@journal_command.command("verify")
@click.option(
    "--public-key",
    "public_key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FICHIER",
    help="La clé publique (PEM) qui doit avoir signé, notée par « annuaire journal public-key ».",
)
@click.option(
    "--anchor",
    metavar="N:EMPREINTE",
    help="Un point de contrôle noté ailleurs, tel que cette commande l'affiche : il doit être là.",
)
@_folder
@options.with_json
@options.with_config
def verify_command(
    config: Config, folder: Path | None, public_key: Path | None, anchor: str | None, as_json: bool
) -> int:
    """Trouver tout enregistrement modifié, retiré, ajouté ou déplacé.

    Code de sortie 0 si tout est en ordre, 1 sinon. Sans --public-key, la clé est celle de l'état. Ce
    qui a disparu avec tous les points de contrôle qui en parlent ne se voit qu'avec --anchor.

    \b
    Exemples :
      annuaire journal verify
      annuaire journal verify --folder copie/ --public-key journal.pem
    """
    from annuaire.journal import keys, verify

    trusted = _trusted(config, public_key)
    found = verify.verify(_existing(config, folder), trusted, _anchor(anchor))
    if as_json:
        click.echo(json.dumps(_verified(found), ensure_ascii=False))
        return 1 if found.problems else 0
    for problem in found.problems[:SHOWN_MAX]:
        click.echo(str(problem))
    if len(found.problems) > SHOWN_MAX:
        click.echo(f"… et {figures.number(len(found.problems) - SHOWN_MAX)} autres")
    for remark in found.remarks[:SHOWN_MAX]:
        click.echo(f"remarque : {remark}", err=True)
    if trusted is None:
        click.echo("remarque : sans clé de l'état ni --public-key, la clé du journal est crue", err=True)
    click.echo(
        f"{figures.number(found.records)} enregistrements de {figures.number(found.chains)} processus,"
        f" {figures.number(found.checkpoints)} points de contrôle,"
        f" {figures.number(found.unsigned)} pas encore signés"
    )
    if found.last is not None:
        click.echo(f"dernier point de contrôle : {found.last.number}:{found.last.hash} ({found.last.at})")
    names = ", ".join(keys.name_of(public) for public in found.keys)
    said = f"{figures.number(len(found.problems))} anomalies" if found.problems else "rien à signaler"
    click.echo(f"clés : {names or 'aucune'} ; {said}")
    return 1 if found.problems else 0


def _trusted(config: Config, path: Path | None) -> bytes | None:
    from annuaire.journal import keys

    if path is None:
        kept = keys.existing(config.state)
        return kept.public if kept else None
    given = keys.parse_public(path.read_bytes())
    if given is None:
        raise Malformed(f"{path} n'est pas une clé publique Ed25519 en PEM")
    return given


def _anchor(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    found = _ANCHOR.fullmatch(text.strip())
    if not found:
        raise click.UsageError("--anchor est un numéro, deux-points et 64 chiffres hexadécimaux")
    return int(found[1]), found[2]


def _verified(found: Verified) -> dict[str, Any]:
    last = found.last
    return {
        "ok": not found.problems,
        "records": found.records,
        "unsigned": found.unsigned,
        "chains": found.chains,
        "files": found.files,
        "checkpoints": found.checkpoints,
        "last": {"number": last.number, "hash": last.hash, "at": last.at} if last else None,
        "keys": [public.hex() for public in found.keys],
        "problems": [problem._asdict() for problem in found.problems],
        "remarks": [remark._asdict() for remark in found.remarks],
    }


# ------------------------------------------------------------------ show


@journal_command.command("show")
@click.option("--since", metavar="QUAND", help="Depuis : 2026-11-23, 2026-11-23T10:15 (UTC), ou 2h, 3d.")
@click.option("--until", metavar="QUAND", help="Jusqu'à, sans y compter ; de même.")
@click.option(
    "--address", "addresses", metavar="ADRESSE", multiple=True, help="Ce qui concerne cette adresse."
)
@click.option("--reason", "reasons", metavar="MOTIF", multiple=True, help="Ce motif de décision.")
@click.option("--kind", "kinds", metavar="SORTE", multiple=True, help="refusal, decision, choice, account…")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Les N derniers seulement.")
@_folder
@options.with_json
@options.with_config
def show_command(
    config: Config,
    folder: Path | None,
    since: str | None,
    until: str | None,
    addresses: tuple[str, ...],
    reasons: tuple[str, ...],
    kinds: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> int:
    """Montrer des enregistrements, du plus ancien au plus récent.

    Une adresse est cherchée sous le pseudonyme qu'elle a dans le journal. Rien n'est vérifié : c'est
    l'affaire de « annuaire journal verify ». Code de sortie 1 si rien n'est trouvé.

    \b
    Exemples :
      annuaire journal show --since 1d --address marie.martin@medical59.apicrypt.org
      annuaire journal show --kind refusal --reason unknown-recipient --limit 20 --json
    """
    from annuaire.journal import reading

    place = _existing(config, folder)
    wanted = reading.Wanted(
        since=_moment("--since", since),
        until=_moment("--until", until),
        names=_names(config, addresses),
        reasons=reasons,
        kinds=kinds,
    )
    found: Iterable[Record] = reading.read(place, wanted)
    if limit is not None:
        found = deque(found, maxlen=limit)
    shown = _as_json(found) if as_json else _as_lines(found)
    return 0 if shown else 1


def _as_json(found: Iterable[Record]) -> int:
    """One array, written as it is read."""
    shown = 0
    click.echo("[", nl=False)
    for shown, record in enumerate(found, 1):
        click.echo(("," if shown > 1 else "") + "\n" + json.dumps(record), nl=False)
    click.echo("\n]" if shown else "]")
    return shown


def _as_lines(found: Iterable[Record]) -> int:
    shown = 0
    for record in found:
        shown += 1
        at, kind = record.get("at", "?"), record["kind"]
        fields = [
            f"{name}={_shown(value)}"
            for name, value in record.items()
            if name not in ("n", "at", "kind", "hash")
        ]
        click.echo(f"{at} {kind} {' '.join(fields)}")
    return shown


def _shown(value: object) -> str:
    """A value on a terminal: nothing in it can move the cursor."""
    if not isinstance(value, str):
        return json.dumps(value)
    if not value.isprintable():
        return json.dumps(value)
    return f'"{value}"' if " " in value or not value else value


def _names(config: Config, addresses: Iterable[str]) -> frozenset[str]:
    """The addresses, and the tokens of their pseudonyms when this user has the key."""
    from annuaire.journal import keys
    from annuaire.journal.pseudonyms import Pseudonyms, canonical

    names: set[str] = set()
    for address in addresses:
        names |= {canonical(address), address.strip().lower()}
    if names and (config.state / keys.PSEUDONYMS).exists():
        pseudonyms = Pseudonyms(keys.pseudonym_key(config.state), ())
        names |= {pseudonyms.token(address) for address in addresses}
    return frozenset(names)


def _moment(option: str, text: str | None) -> str:
    """A moment as records write it; without a zone it is in UTC."""
    if text is None:
        return ""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            at = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            at = datetime.fromisoformat(text.strip())
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(f"{option} : « {text} » n'est ni une date ni une durée") from None
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ------------------------------------------------------------------ keys


@journal_command.command("public-key")
@options.with_config
def public_key_command(config: Config) -> int:
    """Écrire la clé publique du journal, à confier à qui le vérifiera.

    \b
    Exemple :
      annuaire journal public-key > journal.pem
    """
    from annuaire.journal import keys

    kept = keys.existing(config.state)
    if kept is None:
        raise NotFound(f"il n'y a pas de clé de journal dans {config.state}, ou elle n'est pas lisible")
    click.echo(keys.format_public(kept.public), nl=False)
    return 0


@journal_command.command("rotate-key")
@options.with_config
def rotate_key_command(config: Config) -> int:
    """Signer désormais avec une nouvelle clé, que l'ancienne reconnaît ; l'ancienne est effacée.

    Un serveur en marche prend la nouvelle à son prochain point de contrôle. La clé publique notée
    auparavant continue de valoir pour tout le journal.

    \b
    Exemple :
      annuaire journal rotate-key
    """
    from annuaire import journal
    from annuaire.journal import checkpoints, layout

    told = journal.of(config)
    layout.make_folder(told.folder)
    log = checkpoints.Log(told.folder, told.state, told.file_size, _warn)
    try:
        before, fresh = log.rotate(WAIT_SECONDS)
    except checkpoints.LockedError:
        raise Unavailable("un autre processus écrit un point de contrôle : réessayez") from None
    except OSError as error:
        raise Unavailable("la nouvelle clé n'a pas pu être enregistrée", str(error)) from error
    with journal.opened(config, _warn) as trace:
        trace("key", before=before, now=fresh)
    click.echo(f"la clé {fresh} remplace la clé {before}")
    return 0


def _warn(text: str) -> None:
    click.echo(f"annuaire : {text}", err=True)


def _existing(config: Config, folder: Path | None) -> Path:
    from annuaire.journal import layout, settings

    place = folder or settings.of(config).folder
    if not place.is_dir() or not (layout.checkpoint_numbers(place) or layout.chains(place)):
        raise NotFound(f"il n'y a pas de journal dans {place}")
    return place
