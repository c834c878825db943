"""The process that answers: `python -m annuaire.server.worker`, started by the supervisor and by nobody else.

-> --config FILE --control DESCRIPTOR --listen JSON
<- "ready" on the control socket once it accepts; it leaves when that socket closes or on SIGTERM
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from annuaire import config as configuration
from annuaire.domain import lockout
from annuaire.errors import AnnuaireError
from annuaire.server import logs
from annuaire.server.guesses import Guesses
from annuaire.server.listening import Place
from annuaire.server.loads import Loads

# A request makes some dozens of short-lived objects: collecting each 700 of them would cost more than it frees.
COLLECTION_THRESHOLDS = (20_000, 20, 100)
# How long the thread that writes, which computes for milliseconds, keeps the interpreter from the reactor, which waits
# for it anew after each system call. 50 connections that write and one that searches, on one worker: with Python's 5 ms
# 95 % of the searches are answered within 27 ms and 99 % within 53, with 0.5 ms within 20 and 38, at no fewer writes
# (medians of 14 alternating rounds on two busy cores). 1 ms lies between them.
SWITCH_SECONDS = 0.0005


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--loads", type=int, required=True)
    parser.add_argument("--guesses", type=int, required=True)
    parser.add_argument("--number", type=int, required=True)
    given = parser.parse_args(arguments)
    logs.start(twisted=True)
    try:
        _serve(configuration.load(given.config), given)
    except AnnuaireError as error:
        sys.stderr.write(f"annuaire: {error.public}\n")
        return error.exit_status
    return 0


def _serve(config: configuration.Config, given: argparse.Namespace) -> None:
    # Imported late: the reactor is made by its import, and a configuration that is wrong needs none.
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred

    from annuaire.server import app, control_socket

    reactor: Any = installed
    inherited = [
        app.Inherited(Place(*place), descriptor, family)
        for place, descriptor, family in json.loads(given.listen)
    ]
    passwords = config.passwords
    counted = Guesses(given.guesses, lockout.rules(passwords.failures, passwords.lockout))
    application = app.Application(config, inherited, Loads(given.loads, given.number), counted, reactor)
    leaving = False

    def leave() -> None:
        """Stop, however often and by whoever it is asked: a service manager and the supervisor may both do so."""
        nonlocal leaving
        if not leaving:
            leaving = True
            reactor.stop()

    # Twisted's own queues a reactor.stop for each signal, and the second one fails.
    reactor.sigTerm = lambda number, frame: reactor.callFromThread(leave)
    supervisor = control_socket.ControlSocket(reactor, given.control, application.reload, leave)

    def begin() -> None:
        application.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECTION_THRESHOLDS)
        sys.setswitchinterval(SWITCH_SECONDS)
        supervisor.say_ready()

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(application.stop()))
    reactor.run()


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    # Threads that still hash a password are not waited for.
    os._exit(status)
