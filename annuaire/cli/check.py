"""`annuaire check`: what differs from the defaults, and every problem at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annuaire.cli import certificate, options
from annuaire.config import PROTOCOLS, Config
from annuaire.errors import AnnuaireError, Misconfigured

if TYPE_CHECKING:
    from annuaire.ldap.schema import Schema
    from annuaire.ldap.tree import Tree

# A suffix that nothing else lies within.
_NOWHERE = "o=annuaire check"
# Contradictions shown; a damaged state may have one for each entry.
SHOWN_MAX = 100


@click.command("check")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FICHIER",
    help="Configuration ; sinon $ANNUAIRE_CONFIG, puis ./annuaire.toml, puis les valeurs par défaut.",
)
@click.option("--deep", is_flag=True, help="Relire aussi toutes les entrées de la base et de l'index.")
@click.option("--access", is_flag=True, help="Montrer plutôt qui lit et écrit quoi.")
@options.with_json
def check_command(path: Path | None, deep: bool, access: bool, as_json: bool) -> int:
    """Vérifier la configuration, le schéma et la base.

    Montre ce qui diffère des valeurs par défaut et tous les problèmes à la fois ; code de sortie 78
    s'il y en a dans la configuration, 70 si la base se contredit.

    \b
    Exemples :
      annuaire check
      annuaire check --config /etc/annuaire.toml --deep
      annuaire check --access
    """
    from annuaire import config as configuration

    if access:
        from annuaire.cli import access as table

        click.echo(table.shown(configuration.load(path), as_json))
        return 0

    problems: list[str] = []
    findings: list[str] = []
    warnings: list[str] = []
    config = None
    try:
        config = configuration.load(path)
    except Misconfigured as error:
        problems += error.public.splitlines()
    differences = [] if config is None else configuration.differences(config)
    if config is not None:
        problems += _problems(config)
        doubtful, warnings = certificate.told(config)
        problems += doubtful
        if deep and not problems:
            findings = _contradictions(config)
    if as_json:
        said = {
            "differences": [
                {"name": name, "default": default, "value": value} for name, default, value in differences
            ],
            "problems": problems,
            "warnings": warnings,
            "contradictions": findings,
        }
        click.echo(json.dumps(said, ensure_ascii=False))
    else:
        _say(config, differences, problems, warnings, findings, deep)
    return 78 if problems else 70 if findings else 0


def _say(
    config: Config | None,
    differences: list[tuple[str, str, str]],
    problems: list[str],
    warnings: list[str],
    findings: list[str],
    deep: bool,
) -> None:
    if config is not None:
        click.echo(f"configuration : {config.path or 'valeurs par défaut, sans fichier'}")
        for name, default, value in differences:
            click.echo(f"  {name} = {value}   (par défaut : {default or 'rien'})")
    for problem in problems:
        click.echo(f"problème : {problem}", err=True)
    for warning in warnings:
        click.echo(f"attention : {warning}", err=True)
    for finding in findings[:SHOWN_MAX]:
        click.echo(f"contradiction : {finding}", err=True)
    if len(findings) > SHOWN_MAX:
        click.echo(f"… et {len(findings) - SHOWN_MAX} autres", err=True)
    if not problems and not findings:
        click.echo("aucun problème" + (", la base est cohérente" if deep else ""))


def _problems(config: Config) -> Iterator[str]:
    """What only shows when the names and files of a configuration are used."""
    from annuaire.server import strangers

    planted = None
    try:
        schema = _schema(config)
        yield from strangers.problems(config, schema)
        named = list(_names(config, schema))
        yield from named
        planted = None if named else _plant(config, schema)
    except AnnuaireError as error:
        yield from error.public.splitlines()
    yield from _files(config)
    yield from _endpoints(config)
    if planted is not None:
        yield from _store(config)


def _schema(config: Config) -> Schema:
    from annuaire.ldap import schema

    if not config.schema.files:
        return schema.standard()
    return schema.load([*schema.shipped(), *config.schema.files])


def _names(config: Config, schema: Schema) -> Iterator[str]:
    """Each suffix that is no name, or lies within another one."""
    from annuaire.errors import Malformed
    from annuaire.ldap import dn, tree

    trees = config.trees.suffixes
    for title, name in (
        ("suffix", config.suffix),
        ("[admin] dn", config.admin_dn),
        *[("[trees] suffixes", name) for name in trees],
    ):
        try:
            dn.parse(name)
        except Malformed as malformed:
            yield f"{title}: {name}: {malformed.public}"
    for number, name in enumerate(trees):
        # Each beside the suffix, and beside each one before it.
        for beside in ((), *[(other,) for other in trees[:number]]):
            try:
                tree.plant(config.suffix if not beside else _NOWHERE, (*beside, name), schema)
            except Misconfigured as within:
                yield from within.public.splitlines()
            except Malformed:
                break  # told above


def _plant(config: Config, schema: Schema) -> Tree:
    from annuaire.actions import initialise
    from annuaire.errors import Malformed
    from annuaire.ldap import dn, tree

    try:
        planted = tree.plant(config.suffix, config.trees.suffixes, schema)
        dn.parse(config.admin_dn)
    except Malformed as malformed:
        raise Misconfigured(f"suffix, [trees] suffixes, [admin] dn: {malformed.public}") from malformed
    initialise.wanted(planted, schema)
    return planted


def _files(config: Config) -> Iterator[str]:
    from annuaire import config as configuration

    try:
        configuration.administrator_password(config)
    except Misconfigured as error:
        yield error.public
    named = [("[tls] certificate", config.tls.certificate), ("[tls] key", config.tls.key)]
    named.append(("[tls] client_ca", config.tls.client_ca))
    for name, source in config.sources.items():
        for key in ("password_file", "ca", "certificate", "key"):
            named.append((f"[sources.{name}] {key}", getattr(source, key)))
    for title, path in named:
        if path is not None:
            try:
                with path.open("rb"):
                    pass
            except OSError as error:
                yield f"{title}: {path}: {error.strerror}"


def _endpoints(config: Config) -> Iterator[str]:
    from annuaire.server import listening

    places = [(f"[listen] {name}", getattr(config.listen, name)) for name in PROTOCOLS]
    places += [(f"[listeners.{name}] endpoint", one.endpoint) for name, one in config.listeners.items()]
    for title, endpoint in places:
        if endpoint:
            try:
                listening.read(endpoint)
            except Misconfigured as error:
                yield f"{title}: {error.public}"


def _store(config: Config) -> Iterator[str]:
    """Only a store that exists is opened: looking must not make one."""
    from annuaire.store import engine

    if not engine.exists(config.store.url, config.state):
        return
    try:
        engine.open(config.store.url, config.state).close()
    except AnnuaireError as error:
        yield f"{error.public}: {error.reason}" if error.reason != error.public else error.public


def _contradictions(config: Config) -> list[str]:
    from annuaire.actions import comparing, verifying
    from annuaire.cli import local
    from annuaire.cli.progress import Display
    from annuaire.store import engine

    if not engine.exists(config.store.url, config.state):
        return []
    schema = _schema(config)
    store = engine.open(config.store.url, config.state)
    try:
        with Display() as display:
            found = list(
                verifying.verify(
                    store,
                    _plant(config, schema),
                    schema,
                    lambda done, total: display.show("relecture", done, total, done),
                )
            )
        return found + list(comparing.differences(local.source(config), local.folder(config)))
    finally:
        store.close()
