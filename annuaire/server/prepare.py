"""What `serve` does once beside its workers: the store made or migrated, the index brought up to it.

A process of its own, so that the workers listen meanwhile (LDAP answers busy until there is an index) and its
memory goes when it ends. `python -m annuaire.server.prepare [--config FILE]`, started by the supervisor. When done
it starts itself again with `--mend`, for which nobody waits: reading the whole index file takes seconds.
"""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import sys
from pathlib import Path

from annuaire import config as configuration
from annuaire.errors import AnnuaireError
from annuaire.server import logs


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--mend", action="store_true")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.start()
    try:
        config = configuration.load(given.config)
        if given.mend:
            _mend(config)
            return 0
        _prepare(config)
    except AnnuaireError as error:
        sys.stderr.write(f"annuaire : {error.public}\n")
        return error.exit_status
    again = [sys.executable, "-m", __spec__.name, "--mend", *arguments]
    subprocess.Popen(again, stdin=subprocess.DEVNULL)
    return 0


def _prepare(config: configuration.Config) -> None:
    # Imported late: a wrong configuration is told before SQLAlchemy and numpy are loaded.
    from annuaire.actions import initialise, refresh
    from annuaire.index.folder import IndexFolder
    from annuaire.ldap import tree
    from annuaire.store import engine

    source = refresh.StoreSource(config.store.url, config.state, config.suffix, config.schema.files)
    schema = source.schema()
    store = engine.open(config.store.url, config.state)
    try:
        planted = tree.plant(config.suffix, config.trees.suffixes, schema)
        initialise.initialise(store, planted, schema, config.admin_dn)
    finally:
        store.close()
    refresh.refresh(source, IndexFolder(config.state / "index"))


def _mend(config: configuration.Config) -> None:
    from annuaire.actions import refresh
    from annuaire.index.folder import IndexFolder

    source = refresh.StoreSource(config.store.url, config.state, config.suffix, config.schema.files)
    if refresh.mend(source, IndexFolder(config.state / "index")):
        logging.getLogger(__name__).warning("the index file was damaged and has been built again")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
