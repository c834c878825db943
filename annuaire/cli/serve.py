"""`annuaire serve`: opens the sockets, starts the workers and watches over them (see server.workers)."""

from __future__ import annotations

import json
import sys
from dataclasses import astuple

import click

from annuaire.cli import options
from annuaire.config import Config
from annuaire.errors import Misconfigured


@click.command("serve")
@options.with_config
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processus qui répondent ; par défaut un par cœur."
)
@click.option("--hints", is_flag=True, hidden=True, help="Montrer des commandes à essayer.")
def serve_command(config: Config, workers: int | None, hints: bool) -> int:
    """Servir l'annuaire.

    \b
    Exemples :
      annuaire serve
      annuaire serve --config /etc/annuaire.toml --workers 4
    """
    from annuaire.server import guesses, listening, loads, logs, places, state
    from annuaire.server.workers import Supervisor, default_count

    count = workers or config.serve.workers or default_count()
    asked = places.of(config)
    if not asked:
        raise Misconfigured("[listen] : rien à écouter")
    logs.start()
    state.make(config.state)
    with state.locked(config.state) as lock:
        opened = [listening.open_place(place) for place in asked]
        addresses = {one.place.name: one.address for one in opened}
        described = {"pid": _own_pid(), "workers": count, "listening": addresses}
        lock.write(described)
        inherited = json.dumps(
            [[list(astuple(one.place)), one.socket.fileno(), int(one.socket.family)] for one in opened]
        )
        shared = loads.create(count)
        wrong = guesses.create()
        chosen = ["--config", str(config.path)] if config.path is not None else []

        def command(number: int, control: int) -> list[str]:
            module = [sys.executable, "-m", "annuaire.server.worker"]
            place = ["--number", str(number), "--control", str(control), "--loads", str(shared)]
            place += ["--guesses", str(wrong)]
            return [*module, *chosen, *place, "--listen", inherited]

        def ready() -> None:
            lock.write({**described, "ready": True})
            _announce(config, addresses, count, hints)

        supervisor = Supervisor(
            command,
            count,
            [*(one.socket.fileno() for one in opened), wrong],
            shared,
            ready,
            [sys.executable, "-m", "annuaire.server.prepare", *chosen],
            [sys.executable, "-m", "annuaire.server.prepare", "--follow", str(_own_pid()), *chosen],
        )
        return supervisor.run()


def _own_pid() -> int:
    import os

    return os.getpid()


def _announce(config: Config, addresses: dict[str, str], count: int, hints: bool) -> None:
    import annuaire

    lines = [f"annuaire {annuaire.__version__} : prêt, {count} processus, suffixe {config.suffix}"]
    lines += [f"  {name:<10} {address}" for name, address in addresses.items()]
    if hints and "ldap" in addresses:
        uri = f"ldap://{addresses['ldap']}"
        lines += [
            "",
            "À essayer :",
            f"  ldapsearch -x -LLL -H {uri} -b '{config.suffix}' '(cn=*dup*)' cn mail",
            f"  {sys.argv[0]} find dupont",
        ]
        if config.admin.password_file is not None:
            # -y takes the file whole, a final newline included: the file is written without one.
            lines.append(
                f"  ldapsearch -x -LLL -H {uri} -D '{config.admin_dn}' -y {config.admin.password_file} "
                f"-b '{config.suffix}' '(mail=*)' '*' +"
            )
    click.echo("\n".join(lines))
    sys.stdout.flush()
