"""Where log lines go: standard error, one line each, with the time in UTC and the process."""

from __future__ import annotations

import logging
import time

FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s %(message)s"


def start(twisted: bool = False) -> None:
    """Send this process's log, and with `twisted` the reactor's complaints, to standard error."""
    formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a log that cannot be written fails nobody
    if twisted:
        from twisted.python import log

        log.PythonLoggingObserver("twisted").start()  # type: ignore[no-untyped-call]
        logging.getLogger("twisted").setLevel(logging.WARNING)
