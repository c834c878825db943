"""One worker's services, made from the configuration and from the listening sockets that it inherited."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater

import annuaire
from annuaire import config as configuration
from annuaire import journal
from annuaire.config import Config
from annuaire.domain import audience as audiences
from annuaire.domain.audience import NOBODY, Audience
from annuaire.domain.password import Remembered, Rules
from annuaire.index.facts import FactsReader
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import dn as names
from annuaire.ldap import schema as schemas
from annuaire.ldap import search_requests
from annuaire.ldap import tree as trees
from annuaire.ldap.identity import Administrator
from annuaire.ldap.monitor import Monitor
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.schema import Schema
from annuaire.ldap.service import Service
from annuaire.ldap.sleeping import Followers
from annuaire.server import connections, figures, ldap, postfix, proxied, routing, state, strangers, tls
from annuaire.server.connections import Bounds
from annuaire.server.guesses import Guesses
from annuaire.server.listening import Place
from annuaire.server.loads import Loads
from annuaire.server.observe import OperationLog
from annuaire.server.passwords import Passwords
from annuaire.server.threads import PasswordThreads
from annuaire.server.writes import StoreWrites, WriteThread

log = logging.getLogger("annuaire.server")

# How long a stopping worker waits for its clients to take what was answered.
GOODBYE_SECONDS = 2.0


class Inherited(NamedTuple):
    """A listening socket as a worker receives it."""

    place: Place
    descriptor: int
    family: int


class Application:
    """Everything that one worker serves with."""

    def __init__(
        self, config: Config, inherited: list[Inherited], loads: Loads, guesses: Guesses, reactor: Any
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._loads = loads
        self._guesses = guesses
        self.schema = _schema(config)
        numbering = Numbering(self.schema)
        reader = Reader(IndexFolder(config.state / "index"), numbering)
        self.directory = _directory(config, reader, numbering)
        self._journal = journal.open(journal.of(config))
        self._answers = routing.answers(config, FactsReader(reader), self._journal)
        self.threads = PasswordThreads(reactor)
        self.writes = WriteThread(reactor, StoreWrites(config, self._journal.record).perform)
        self._passwords = Passwords(
            self.threads,
            self.writes,
            self.directory,
            self.schema,
            guesses,
            Rules(config.passwords.min_length),
            state.salts(config.state),
            self._journal.record,
        )
        self._tree = trees.plant(config.suffix, config.trees.suffixes, self.schema)
        self._own_entries = OwnEntries(
            self.schema,
            [config.suffix],
            f"annuaire {annuaire.__version__}",
            schema_changed_at=_changed_at([*schemas.shipped(), *config.schema.files]),
            further=config.trees.suffixes,
            readers=strangers.readers(config),
        )
        self._remembered = Remembered(config.limits.bind_cache)
        self._followers = Followers()
        self._certificates = _certificates(config)
        self._looking = LoopingCall(self._look) if self._certificates is not None else None
        self._by_network = strangers.by_network(config)
        self._external = strangers.external(config, self.schema)
        self._proxies = strangers.proxies(config)
        self._secret = state.scram_secret(config.state)
        self._administrator = administrator(config, self.schema)
        # Made with the first exchange it would make that one longer.
        self._administrator.scram(self._secret)
        self._counts = figures.begin(loads)
        reading = figures.Reading(
            loads,
            f"annuaire {annuaire.__version__}",
            [config.suffix, *config.trees.suffixes],
            [f"{one.place.protocol} {one.place.endpoint}" for one in inherited],
            self.directory.standing,
            lambda: self.writes.reached,
        )
        self.directory.monitor = Monitor(self.schema, reading.now)
        most = connections.room(config.limits.connections)
        if most < config.limits.connections:
            log.warning("[limits] connections: %d at most, for want of open files (ulimit -n)", most)
        self._crowd = connections.Crowd(most)
        self._factories: list[ldap.LdapFactory | postfix.PostfixFactory] = []
        self._ports: list[Any] = []
        self._listeners = [(one, self._factory(one.place)) for one in inherited]

    def start(self) -> None:
        """Begin to accept."""
        self.threads.start()
        if self._looking is not None:
            self._looking.clock = self._reactor
            self._looking.start(tls.LOOK_SECONDS, now=False)
        for one, factory in self._listeners:
            self._ports.append(
                connections.adopt(self._reactor, one.descriptor, one.family, factory, self._loads)
            )

    def reload(self) -> None:
        """What the supervisor asks for on SIGHUP: certificates anew."""
        if self._certificates is not None:
            self._certificates.reload()
            self._look()

    def _look(self) -> None:
        assert self._certificates is not None
        self._certificates.look()
        for factory in self._factories:
            if isinstance(factory, ldap.LdapFactory):
                factory.look_at_certificates()

    async def stop(self) -> None:
        """Accept no more, tell every client, and give them a moment to read it."""
        if self._looking is not None and self._looking.running:
            self._looking.stop()
        for port in self._ports:
            stopped = port.stopListening()
            if isinstance(stopped, Deferred):
                await stopped
        for factory in self._factories:
            factory.disconnect_all("the server is stopping")
        until = time.monotonic() + GOODBYE_SECONDS
        while any(factory.connections for factory in self._factories) and time.monotonic() < until:
            await deferLater(self._reactor, 0.02, lambda: None)
        # Whoever waits for a password to be hashed is gone: the process ends without those threads.
        self.writes.stop()
        self._journal.close()

    def _factory(self, place: Place) -> Any:
        spoken = self._spoken(place)
        if not self._proxies:
            return spoken
        return proxied.Introducing(spoken, self._proxies, self._reactor, self._crowd)

    def _spoken(self, place: Place) -> ldap.LdapFactory | postfix.PostfixFactory:
        limits = self._config.limits
        bounds = Bounds(limits.connections, limits.connections_per_client, limits.idle)
        if place.protocol in postfix.CONNECTIONS:
            kind = postfix.CONNECTIONS[place.protocol]
            asked = postfix.PostfixFactory(kind, self._answers, self._reactor, bounds, self._loads)
            asked.crowd = self._crowd
            self._factories.append(asked)
            return asked
        factory = ldap.LdapFactory(self._service(place), self._passwords, self._reactor, bounds, self._loads)
        factory.crowd = self._crowd
        factory.stranger = strangers.at(place, self._by_network)
        factory.certificates = self._certificates
        factory.tls_first = place.protocol == "ldaps"
        self._factories.append(factory)
        return factory

    def _service(self, place: Place) -> Service:
        config, limits = self._config, self._config.limits
        return Service(
            directory=self.directory,
            schema=self.schema,
            own_entries=self._own_entries,
            tree=self._tree,
            anonymous=NOBODY if place.anonymous == "none" else audiences.NAMES[place.anonymous],
            administrator=self._administrator,
            external=self._external,
            start_tls=self._certificates is not None,
            require_tls=config.tls.require_tls,
            secret=self._secret,
            remembered=self._remembered,
            guesses=self._guesses,
            message_max=limits.message,
            message_max_anonymous=limits.message_anonymous,
            followers=self._followers,
            waiting_max=limits.pending,
            bounds=search_requests.Bounds(
                limits.filter_depth, limits.filter_parts, limits.attributes, limits.controls
            ),
            observer=OperationLog(
                config.log.operations == "all",
                config.log.values,
                self._counts,
                config.log.operations == "none",
            ),
            observe_operations=True,
        )


def administrator(config: Config, schema: Schema) -> Administrator:
    """The first administrator; without a password whoever `[audience] certificates` says, and nobody else."""
    secret = configuration.administrator_password(config) or b""
    return Administrator(config.admin_dn, names.key(names.parse(config.admin_dn), schema), secret)


def _certificates(config: Config) -> tls.Certificates | None:
    files = config.tls
    if files.certificate is None or files.key is None:
        return None
    return tls.Certificates(files.certificate, files.key, files.client_ca)


def _schema(config: Config) -> Schema:
    if not config.schema.files:
        return schemas.standard()
    return schemas.load([*schemas.shipped(), *config.schema.files])


def _directory(config: Config, reader: Reader, numbering: Numbering) -> Directory:
    limits = config.limits
    trees = config.trees.suffixes
    settings = Settings(config.suffix, _size_limits(config), limits.time, page=limits.page, trees=trees)
    return Directory(reader, numbering, settings, state.cookie_key(config.state))


def _size_limits(config: Config) -> SizeLimits:
    """[limits] size: the sphere takes offline copies of everything, so only its substring searches are cut."""
    every = {
        audience: configuration.size_limit(config.limits, name) for name, audience in audiences.NAMES.items()
    }
    return SizeLimits({**every, Audience.APICRYPT: 0}, {Audience.APICRYPT: every[Audience.APICRYPT]})


def _changed_at(files: list[Path]) -> str:
    """When the schema last changed, as GeneralizedTime."""
    newest = max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(newest))
