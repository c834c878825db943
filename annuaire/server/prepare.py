"""What `serve` does beside its workers: the store made or migrated, the index brought up to it and kept so.

Processes of their own, so that the workers listen meanwhile (LDAP answers busy until there is an index) and their
memory goes when they end. Started by the supervisor and by nobody else:

    python -m annuaire.server.prepare [--config FILE]                once, before `serve` says that it is ready
    python -m annuaire.server.prepare --follow PID [--config FILE]   as long as that process, the supervisor, lives
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from annuaire import config as configuration
from annuaire.errors import AnnuaireError
from annuaire.server import logs

# How often the store is asked for its head; a query of a microsecond.
LOOK_SECONDS = 2.0
# A writer that is alive refreshes the index behind its own commit: it is left the time to begin.
PATIENCE_SECONDS = 8.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--follow", type=int, metavar="PID")
    given = parser.parse_args(arguments)
    logs.start()
    try:
        config = configuration.load(given.config)
        if given.follow is not None:
            _follow(config, given.follow)
        else:
            _prepare(config)
    except AnnuaireError as error:
        sys.stderr.write(f"annuaire : {error.public}\n")
        return error.exit_status
    return 0


def _prepare(config: configuration.Config) -> None:
    # Imported late: a wrong configuration is told before SQLAlchemy and numpy are loaded.
    from annuaire.actions import initialise, refresh
    from annuaire.cli import local
    from annuaire.index.folder import IndexFolder
    from annuaire.ldap import tree
    from annuaire.store import engine

    source = local.source(config)
    schema = source.schema()
    store = engine.open(config.store.url, config.state)
    try:
        planted = tree.plant(config.suffix, config.trees.suffixes, schema)
        initialise.initialise(store, planted, schema, config.admin_dn)
    finally:
        store.close()
    folder = IndexFolder(config.state / "index")
    # Another machine may have hidden somebody while this one was down; the workers answer from the index meanwhile.
    refresh.hold_back(source, folder)
    refresh.refresh(source, folder)


def _follow(config: configuration.Config, supervisor: int) -> None:
    """Read the index file once for damage; then look whether the store is ahead, until the supervisor is gone.

    Whoever writes refreshes the index himself. What is left to do here is what an import that was killed behind its
    commit did not, and what other machines wrote.
    """
    from annuaire.actions import refresh, renewing
    from annuaire.cli import local
    from annuaire.index.folder import IndexFolder

    source = local.source(config)
    folder = IndexFolder(config.state / "index")
    log = logging.getLogger(__name__)
    told = ""
    if refresh.mend(source, folder):
        log.warning("the index file was damaged and has been built again")
    behind = 0
    while os.getppid() == supervisor:
        try:
            behind = behind + 1 if refresh.is_behind(source, folder) else 0
            if behind * LOOK_SECONDS >= PATIENCE_SECONDS:
                log.info("the index contains change %d now", refresh.refresh(source, folder))
                behind = 0
            refresh.release(source, folder)
            if renewing.renew(source, folder):
                log.info("a new base was built: much had been written since the last")
            told = ""
        except AnnuaireError as error:  # the store is away, the index is held: searches go on
            if told != error.reason:
                told = error.reason
                log.warning("the index cannot be brought up to the store: %s", told)
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
