"""Passwords around the threads that hash them: binds, writes that give one, and hashes that are made anew.

bind   -> verify in a thread -> answer -> if it was kept otherwise than we do: hash it, and write that, unasked
write  -> judge and hash in a thread -> the thread that writes -> when the password was changed meanwhile, anew
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from annuaire.actions import write_passwords, write_telling
from annuaire.actions.write_passwords import Declined, Prepared
from annuaire.domain import trace
from annuaire.domain.password import Rules
from annuaire.domain.scram import Salts
from annuaire.domain.trace import Trace
from annuaire.errors import AnnuaireError, Malformed, Unavailable
from annuaire.ldap import dn
from annuaire.ldap.guessing import Attempt, Guesses
from annuaire.ldap.operations.bind import PasswordCheck
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.writing import PasswordChange, WriteJob, WriteOutcome, octets
from annuaire.passwords import hashes
from annuaire.server.threads import PasswordThreads
from annuaire.server.writes import WriteThread, full

Written = Callable[[WriteOutcome | AnnuaireError], None]
# How often a write is prepared anew because the password was another one when it came to be written.
TRIES = 4


class Directory(Protocol):
    """Where passwords are kept, as far as searches know."""

    def passwords(self, key: bytes) -> tuple[bytes, ...]:
        """What is kept as the password of the entry with that `dn.key`. Unavailable: there is no index yet."""
        ...


class Passwords:
    """One worker's."""

    def __init__(
        self,
        threads: PasswordThreads,
        writes: WriteThread,
        directory: Directory,
        schema: Schema,
        guesses: Guesses,
        rules: Rules,
        salts: Salts,
        told: Trace = trace.silent,
    ) -> None:
        self._threads = threads
        self._writes = writes
        self._directory = directory
        self._schema = schema
        self._guesses = guesses
        self._rules = rules
        self._salts = salts
        self._told = trace.through(trace.LDAP, told)
        self._upgrading: set[str] = set()

    # ------------------------------------------------------------ binds

    def verify(self, check: PasswordCheck, done: Callable[[bool | AnnuaireError], None]) -> None:
        """Call `done` in the reactor with whether the password is right, or why that cannot be told."""

        def verified(outcome: bool | AnnuaireError) -> None:
            done(outcome)
            if outcome is not True or check.account is None:
                return
            if hashes.outdated(check.hashes, self._salt(check.account.dn)):
                self._upgrade(check.account.dn, check.hashes, check.password)

        self._threads.run(lambda: hashes.verify(check.hashes, check.password), verified)

    def _upgrade(self, name: str, held: tuple[bytes, ...], secret: bytes) -> None:
        """Keep a password as ours are, while somebody knows it. Nothing is lost when it fails: they will bind again."""
        if name in self._upgrading or self._threads.busy:
            return
        self._upgrading.add(name)

        def ended(_outcome: object = None) -> None:
            self._upgrading.discard(name)

        def made(job: WriteJob | AnnuaireError | None) -> None:
            if isinstance(job, WriteJob):
                self._writes.submit(job, ended)
            else:
                ended()

        salt = self._salt(name)
        self._threads.run(lambda: write_passwords.upgrade(name, held, secret, salt), made)

    # ------------------------------------------------------------ writes

    def write(self, job: WriteJob, done: Written) -> None:
        """Do a write, with a password or without; call `done` in the reactor with its outcome."""
        if write_passwords.concerns(job, self._schema):
            self._prepare(job, done, TRIES)
        else:
            self._writes.submit(job, done)

    def _prepare(self, job: WriteJob, done: Written, tries: int) -> None:
        attempt = None
        if write_passwords.proves(job):
            attempt = Attempt(self._guesses, self._schema, job.actor.encode(), job.peer)
            if attempt.waits(monotonic()):
                done(write_passwords.wrong(job))
                return
        try:
            held = self._held(job)
        except Unavailable as error:
            done(error)
            return

        size = octets(job)
        if not self._writes.room.take(size):
            done(full())
            return

        def prepared(found: Prepared | Declined | AnnuaireError) -> None:
            self._writes.room.give_back(size)
            if isinstance(found, AnnuaireError):
                done(found)
            elif isinstance(found, Declined):
                if found.guessed is None:
                    write_telling.refused(self._told, job, found.outcome)
                elif attempt is not None:
                    # No refusal: the log has it, like those of binds.
                    attempt.ended(False, found.guessed, monotonic())
                done(found.outcome)
            else:
                self._writes.submit(
                    found.job, lambda outcome: self._written(found, job, outcome, done, tries)
                )

        salt = self._salt(write_passwords.name_of(job))
        self._threads.run(
            lambda: write_passwords.prepare(job, held, self._rules, self._schema, salt), prepared
        )

    def _written(
        self,
        prepared: Prepared,
        job: WriteJob,
        outcome: WriteOutcome | AnnuaireError,
        done: Written,
        tries: int,
    ) -> None:
        if isinstance(outcome, AnnuaireError):
            done(outcome)
            return
        moved = prepared.exact and outcome.code == ResultCode.noSuchAttribute
        if moved and tries > 1:
            self._prepare(job, done, tries - 1)
        elif moved and isinstance(job.request, PasswordChange):
            done(Unavailable("the password is being changed by somebody else, try again"))
        else:
            done(write_passwords.finish(prepared, outcome))

    def _salt(self, name: str) -> bytes | None:
        try:
            return self._salts(dn.key(dn.parse(name), self._schema))
        except Malformed:  # whoever writes is told so
            return None

    def _held(self, job: WriteJob) -> tuple[bytes, ...]:
        try:
            return self._directory.passwords(dn.key(dn.parse(write_passwords.name_of(job)), self._schema))
        except Malformed:
            return ()
