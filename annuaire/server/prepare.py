"""What `serve` does once beside its workers: the store made or migrated, the index brought up to it.

A process of its own, so that the workers listen meanwhile (LDAP answers busy until there is an index) and its
memory goes when it ends. `python -m annuaire.server.prepare [--config FILE]`, started by the supervisor.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from annuaire import config as configuration
from annuaire.errors import AnnuaireError
from annuaire.server import logs


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.start()
    try:
        _prepare(configuration.load(given.config))
    except AnnuaireError as error:
        sys.stderr.write(f"annuaire : {error.public}\n")
        return error.exit_status
    return 0


def _prepare(config: configuration.Config) -> None:
    from annuaire.actions import initialise, refresh
    from annuaire.index.folder import IndexFolder
    from annuaire.store import engine

    with_store = engine.open(config.store.url, config.state)
    try:
        initialise.initialise(with_store, config)
    finally:
        with_store.close()
    source = refresh.StoreSource(config.store.url, config.state, config.suffix, config.schema.files)
    refresh.refresh(source, IndexFolder(config.state / "index"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
