"""A client of one Session, and a directory behind it that answers as it is told."""

import asking

from annuaire.domain.audience import Audience
from annuaire.ldap import dn as names
from annuaire.ldap import responses
from annuaire.ldap import schema as schemas
from annuaire.ldap.directory import Account, Found
from annuaire.ldap.identity import Administrator
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.service import Service
from annuaire.ldap.session import Session

SCHEMA = schemas.standard()
ADMIN = "cn=admin,o=apicrypt,c=FR"
USER = "uid=luc,ou=comptes,o=apicrypt,c=FR"
PERSON = "cn=Hélène Durand,ou=apicrypt,o=apicrypt,c=FR"
FURTHER = "dc=exemple,dc=fr"  # the audience apicrypt reads it
HASHES = (b"{SSHA}kept",)


def key(text: str) -> bytes:
    return names.key(names.parse(text), SCHEMA)


class FakeDirectory:
    """Answers each search with its audience and a count, or as `answers` says."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Audience]] = []
        self.answers: dict[int, object] = {}
        self.closed: list[int] = []
        self.referrals: dict[bytes, Found] = {}

    def search(self, message, audience, now):
        self.asked.append((message.message_id, audience))
        answer = self.answers.get(message.message_id)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, list):
            return self.stream(message.message_id, answer)
        return responses.result(message.message_id, responses.SEARCH_DONE, 0)

    def stream(self, number, chunks):
        try:
            for chunk in chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.closed.append(number)

    def entry(self, wanted, audience):
        if wanted == key(PERSON):
            return Found(PERSON, {"cn": ["Hélène Durand".encode()], "sn": [b"Durand"]}, {})
        return None

    def referral(self, wanted, audience):
        return self.referrals.get(wanted)

    def matched(self, wanted, audience):
        return "o=apicrypt,c=FR" if names.is_within(wanted, key("o=apicrypt,c=FR")) else ""

    def is_of(self, wanted, name):
        return False

    def account(self, name):
        return Account(USER, Audience.APICRYPT, HASHES) if name == USER else None


class Watching:
    def __init__(self) -> None:
        self.failed: list[tuple[int, str | None]] = []
        self.bugs = 0
        self.seen: list[tuple[int, bytes, bool]] = []

    def answered(self, peer, message, answer, last, started):
        self.seen.append((message.message_id, answer, last))

    def login_failed(self, peer, code, dn):
        self.failed.append((code, dn))

    def bug(self, peer, message):
        self.bugs += 1


class Client:
    def __init__(self, **settings) -> None:
        self.directory = FakeDirectory()
        self.watching = Watching()
        self.service = Service(
            directory=self.directory,
            schema=SCHEMA,
            own_entries=OwnEntries(
                SCHEMA, ["o=apicrypt,c=FR"], "annuaire 1", further=[FURTHER], readers=Audience.APICRYPT
            ),
            administrator=Administrator(ADMIN, key(ADMIN), b"secret"),
            observer=self.watching,
            **settings,
        )
        self.session = Session(self.service, "peer")
        self.now = 100.0

    def say(self, *requests: bytes) -> bytes:
        return self.session.receive(b"".join(requests), self.now)

    def result(self, request: bytes) -> responses.Result:
        answers = asking.read(self.say(request))
        assert len(answers) == 1
        assert isinstance(answers[0].operation, responses.Result)
        return answers[0].operation

    def rest(self) -> bytes:
        """All that follows, as the server would ask for it."""
        data = b""
        while self.session.pending:
            data += self.session.advance(self.now)
        return data

    def log_in(self, name: str = ADMIN, secret: str = "secret") -> None:
        assert self.result(asking.bind(1, name, secret)).code == 0
