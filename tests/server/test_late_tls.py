"""TLS that begins while a client does not read: what the transport is told, call by call."""

import asking
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from annuaire.ldap import capabilities
from annuaire.ldap import schema as schemas
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.service import Service
from annuaire.server.connections import Bounds
from annuaire.server.ldap import LdapConnection, LdapFactory


class Transport(StringTransport):
    """Notes when TLS began, and what had been written before."""

    began: int | None = None

    def startTLS(self, _certificates) -> None:  # noqa: N802 ITLSTransport's name
        assert self.began is None, "TLS begins once"
        self.began = len(self.value())


def connected(tls_first: bool = False) -> tuple[LdapConnection, Transport]:
    schema = schemas.standard()
    service = Service(None, schema, OwnEntries(schema, [], "annuaire 1"), start_tls=True)
    factory = LdapFactory(service, None, Clock(), Bounds())
    factory.tls_first = tls_first
    connection = LdapConnection()
    connection.factory = factory
    transport = Transport()
    connection.makeConnection(transport)
    return connection, transport


START = asking.extended(1, capabilities.START_TLS)


def test_tls_begins_behind_the_answer():
    connection, transport = connected()
    connection.dataReceived(START)
    assert asking.codes(transport.value()) == [(1, 0)]
    assert transport.began == len(transport.value())


def test_a_client_that_does_not_read_gets_its_answer_before_tls_begins():
    connection, transport = connected()
    connection.pauseProducing()  # the transport's buffer is full
    connection.dataReceived(START)
    assert transport.began is None
    assert transport.producerState == "paused"  # what the client says next is for TLS
    connection.resumeProducing()
    assert transport.began == len(transport.value())
    assert transport.producerState == "producing"
    connection.pauseProducing()
    connection.resumeProducing()


def test_ldaps_begins_it_before_anything_is_said():
    _, transport = connected(tls_first=True)
    assert transport.began == 0
    assert transport.value() == b""
