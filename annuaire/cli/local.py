"""What commands read on this machine without any server: the store, and the index asked as an audience asks it.

Both are read while a server runs. What is missing is said to people here, with the command that makes it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from annuaire.domain import trace
from annuaire.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from annuaire.actions.source import StoreSource
    from annuaire.config import Config
    from annuaire.domain.audience import Audience
    from annuaire.domain.trace import Trace
    from annuaire.index.facts import FactsReader
    from annuaire.index.folder import IndexFolder
    from annuaire.ldap.filters import Filter
    from annuaire.ldap.messages import Message
    from annuaire.ldap.responses import Entry
    from annuaire.ldap.schema import Schema
    from annuaire.store.engine import Store

# One entry with photos and certificates; the index is ours, so this only has to be larger than any.
MESSAGE_MAX = 1 << 30
# The message id of a conversation with one request at a time.
MESSAGE_ID = 1
# Results that end an answer as it should: all of it, the first of it, or there is nothing at that base.
_SUCCESS, _SIZE_LIMIT_EXCEEDED, _NO_SUCH_OBJECT = 0, 4, 32


def schema(config: Config) -> Schema:
    """The shipped schema and the configuration's own files."""
    from annuaire.ldap import schema as schemas

    if not config.schema.files:
        return schemas.standard()
    return schemas.load([*schemas.shipped(), *config.schema.files])


def source(config: Config, told: Trace = trace.silent) -> StoreSource:
    """The store as builds of the index read it. told: of what is written through it."""
    from annuaire.actions.source import StoreSource
    from annuaire.actions.views import ViewSettings

    return StoreSource(
        config.store.url,
        config.state,
        config.suffix,
        config.schema.files,
        ViewSettings(
            config.domains.native,
            config.domains.interop,
            config.domains.dgs,
            config.routing.professions,
            config.view.cn_detail,
            config.audience.dgs_sees_liste_rouge,
        ),
        config.trees.suffixes,
        config.trees.readers,
        told,
    )


def folder(config: Config) -> IndexFolder:
    from annuaire.index.folder import IndexFolder

    return IndexFolder(config.state / "index")


@contextmanager
def store(config: Config) -> Iterator[Store]:
    """The store, which must be there: a command that reads makes none. Inside, only the store is asked."""
    from annuaire.store import engine

    if not engine.exists(config.store.url, config.state):
        raise NotFound(
            f"il n'y a pas de base dans {config.state} : « annuaire import » ou « annuaire serve » la crée"
        )
    try:
        opened = engine.open(config.store.url, config.state)
        try:
            yield opened
        finally:
            opened.close()
    except Unavailable as error:
        raise Unavailable("la base n'est pas disponible", error.reason) from error


def facts(config: Config) -> FactsReader:
    """What routing decisions ask, from the index of this machine."""
    from annuaire.index.facts import FactsReader
    from annuaire.index.prepare import Numbering
    from annuaire.index.reader import Reader

    return FactsReader(Reader(folder(config), Numbering(schema(config))))


class Index:
    """The index, asked by LDAP messages in the name of an audience, without the limits of a server."""

    def __init__(self, config: Config) -> None:
        from annuaire.index.prepare import Numbering
        from annuaire.index.query import SizeLimits
        from annuaire.index.reader import Reader
        from annuaire.index.search import Directory, Settings
        from annuaire.ldap import dn, tree

        self.schema = schema(config)
        self.reader = Reader(folder(config), Numbering(self.schema))
        self._directory = Directory(
            self.reader,
            Numbering(self.schema),
            Settings(config.suffix, SizeLimits({}, {}), 0.0),
            secrets.token_bytes(32),  # no page cookie of one command is another's
        )
        planted = tree.plant(config.suffix, config.trees.suffixes, self.schema)
        # Where all is that an audience sees, and where it is shown people, structures and further trees.
        self.everywhere = (config.suffix, *config.trees.suffixes)
        computed = [dn.format(planted.branch(name)) for name in tree.COMPUTED]
        self.shown = (*computed, *config.trees.suffixes)

    def search(
        self,
        bases: Iterable[str],
        audience: Audience,
        filter_: Filter,
        attributes: tuple[bytes, ...] = (b"*",),
        size_limit: int = 0,
    ) -> Iterator[Entry]:
        """What the audience finds, base by base: all in (cn, DN) order, or the best of each under a limit."""
        for base in bases:
            yield from self._below(base, audience, filter_, attributes, size_limit)

    def _below(
        self, base: str, audience: Audience, filter_: Filter, attributes: tuple[bytes, ...], size_limit: int
    ) -> Iterator[Entry]:
        from annuaire.ldap import messages, responses
        from annuaire.ldap.framing import Framer

        request = messages.SearchRequest(
            base=base.encode(),
            scope=messages.SUBTREE,
            deref=0,
            size_limit=size_limit,
            time_limit=0,
            types_only=False,
            filter=filter_,
            attributes=attributes,
        )
        framer = Framer(MESSAGE_MAX)
        for data in self._answer(messages.Message(MESSAGE_ID, request, ()), audience):
            for frame in framer.feed(data):
                operation = responses.decode_response(frame).operation
                if isinstance(operation, responses.Entry):
                    yield operation
                elif isinstance(operation, responses.Result):
                    assert operation.code in (_SUCCESS, _SIZE_LIMIT_EXCEEDED, _NO_SUCH_OBJECT), operation.text

    def _answer(self, message: Message, audience: Audience) -> Iterator[bytes]:
        try:
            answer = self._directory.search(message, audience, time.monotonic())
        except Unavailable as error:
            raise Unavailable(
                "l'index n'est pas prêt : « annuaire rebuild » le construit, « annuaire serve » aussi",
                error.reason if error.reason != error.public else "",
            ) from error
        return iter((answer,)) if isinstance(answer, bytes) else answer
