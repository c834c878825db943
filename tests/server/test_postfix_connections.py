"""Connections of mail servers without sockets: order, slow readers, trouble, bugs, noise, and the end."""

import logging
from collections.abc import Callable

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from annuaire.errors import Unavailable
from annuaire.postfix import policy, socketmap
from annuaire.server import postfix
from annuaire.server.connections import Bounds


class Told:
    """Answers that a test thinks up."""

    def __init__(self, tell: Callable[[str], str]) -> None:
        self.tell = tell
        self.asked: list[str] = []

    def action(self, request: policy.Request) -> str:
        self.asked.append(request.recipient)
        return self.tell(request.recipient)

    def result(self, query: socketmap.Query) -> bytes:
        self.asked.append(query.key)
        return socketmap.ok(self.tell(query.key))


def echo(text: str) -> str:
    return f"550 5.1.1 {text}"


def unavailable(_text: str) -> str:
    raise Unavailable("busy", "there is no index")


def broken(_text: str) -> str:
    raise ZeroDivisionError("a bug of ours")


class Client:
    """One end of a connection whose other end is ours."""

    def __init__(
        self,
        protocol: str = "policy",
        tell: Callable[[str], str] = echo,
        bounds: Bounds = Bounds(),  # noqa: B008 a value
    ) -> None:
        self.clock = Clock()
        self.told = Told(tell)
        self.factory = postfix.PostfixFactory(postfix.CONNECTIONS[protocol], self.told, self.clock, bounds)
        self.connect()

    def connect(self) -> StringTransport:
        self.transport = StringTransport()
        self.connection = self.factory.buildProtocol(self.transport.getPeer())
        self.connection.makeConnection(self.transport)
        return self.transport

    def say(self, data: bytes) -> bytes:
        """What comes back at once."""
        before = len(self.transport.value())
        self.connection.dataReceived(data)
        return self.transport.value()[before:]


def asked(*recipients: str) -> bytes:
    return b"".join(
        f"request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient={recipient}\n\n".encode()
        for recipient in recipients
    )


def looked_up(*keys: str) -> bytes:
    return b"".join(b"%d:recipient %s," % (10 + len(key), key.encode()) for key in keys)


def answers(*texts: str) -> bytes:
    return b"".join(f"action=550 5.1.1 {text}\n\n".encode() for text in texts)


def test_a_question_is_answered_at_once_and_the_connection_stays() -> None:
    client = Client()
    assert client.say(asked("a@x")) == answers("a@x")
    assert client.say(asked("b@x")) == answers("b@x")
    assert not client.transport.disconnecting


def test_questions_of_one_packet_are_answered_in_order_in_one_packet() -> None:
    client = Client("socketmap")
    keys = [f"{number}@x" for number in range(postfix.TURN_MAX)]
    assert client.say(looked_up(*keys)) == b"".join(socketmap.ok(echo(key)) for key in keys)
    assert client.told.asked == keys


def test_a_flood_is_worked_off_turn_by_turn_and_nothing_more_is_read_meanwhile() -> None:
    client = Client()
    names = [f"{number}@x" for number in range(postfix.TURN_MAX * 2 + 1)]
    assert client.say(asked(*names)) == answers(*names[: postfix.TURN_MAX])
    assert client.transport.producerState == "paused"
    client.clock.advance(0)  # each turn asks for the next
    assert client.transport.value() == answers(*names)
    assert client.transport.producerState == "producing"
    assert client.clock.getDelayedCalls() == []


def test_who_does_not_read_is_not_read_from_nor_worked_for() -> None:
    client = Client()
    names = [f"{number}@x" for number in range(postfix.TURN_MAX + 50)]
    client.say(asked(*names))
    client.connection.pauseProducing()  # the transport: the client has 64 KiB to read first
    client.clock.advance(1)
    assert len(client.told.asked) == postfix.TURN_MAX
    assert client.transport.producerState == "paused"
    client.connection.resumeProducing()
    assert client.transport.value() == answers(*names)
    assert client.transport.producerState == "producing"


def test_trouble_has_no_answer_in_policy_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(tell=unavailable)
    with caplog.at_level(logging.WARNING):
        assert client.say(asked("a@x")) == b""
    assert client.transport.disconnecting
    assert client.factory.troubles.counted == {"policy trouble": 1}
    assert "there is no index" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_was_decided_before_a_trouble_is_still_answered() -> None:
    client = Client(tell=lambda text: echo(text) if text != "c@x" else unavailable(text))
    assert client.say(asked("a@x", "b@x", "c@x", "d@x")) == answers("a@x", "b@x")
    assert client.transport.disconnecting
    assert client.told.asked == ["a@x", "b@x", "c@x"]


def test_trouble_is_temp_in_a_table_and_the_connection_stays() -> None:
    client = Client("socketmap", unavailable)
    temporary = socketmap.temporary(postfix.BUSY)
    assert client.say(looked_up("a@x", "b@x")) == temporary * 2
    client.told.tell = echo
    assert client.say(looked_up("a@x")) == socketmap.ok(echo("a@x"))
    assert client.factory.troubles.counted == {"socketmap trouble": 2}


@pytest.mark.parametrize("protocol", ["policy", "socketmap"])
def test_a_bug_is_trouble_to_the_client_and_a_traceback_in_the_log(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(protocol, broken)
    with caplog.at_level(logging.WARNING):
        said = client.say(asked("a@x") if protocol == "policy" else looked_up("a@x"))
    assert said in (b"", socketmap.temporary(postfix.BUSY))
    assert b"bug" not in said
    assert "a bug of ours" in caplog.text
    assert "Traceback" in caplog.text


def test_a_thousand_troubles_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    client = Client("socketmap", unavailable)
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            client.say(looked_up("a@x"))
    assert client.factory.troubles.counted == {"socketmap trouble": 1000}
    assert len(caplog.records) == 1


@pytest.mark.parametrize("protocol", ["policy", "socketmap"])
@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\n\n", b"GET / HTTP/1.0\r\n\r\n\n\n", b"\n\n", b":,"]
)
def test_noise_closes_without_a_word(protocol: str, noise: bytes) -> None:
    client = Client(protocol)
    client.connection.dataReceived(noise)
    if protocol == "policy" and noise == b":,":
        return  # may still become a line
    assert client.transport.value() == b""
    assert client.transport.disconnecting
    assert client.factory.troubles.counted == {f"{protocol} malformed": 1}
    client.connection.dataReceived(asked("a@x"))
    assert client.told.asked == []


def test_who_has_said_all_is_answered_and_then_the_connection_ends() -> None:
    client = Client("socketmap")
    assert client.say(looked_up("a@x"))
    client.connection.readConnectionLost()
    assert client.transport.disconnecting
    client.connect()
    client.say(looked_up(*[f"{number}@x" for number in range(postfix.TURN_MAX + 1)]))
    client.connection.readConnectionLost()
    assert not client.transport.disconnecting
    client.clock.advance(0)
    assert client.transport.value().count(b"OK ") == postfix.TURN_MAX + 1
    assert client.transport.disconnecting


def test_connections_beyond_the_bounds_are_closed_and_others_served() -> None:
    client = Client(bounds=Bounds(connections=2))
    first = client.connection
    client.connect()
    client.connect()
    assert client.transport.disconnecting
    assert client.factory.troubles.counted == {"policy connections": 1}
    first.connectionLost()
    client.connect()
    assert client.say(asked("a@x")) == answers("a@x")


def test_a_connection_that_ends_leaves_nothing_waiting() -> None:
    client = Client()
    client.say(asked(*[f"{number}@x" for number in range(postfix.TURN_MAX + 1)]))
    assert client.clock.getDelayedCalls()
    client.connection.connectionLost()
    assert client.clock.getDelayedCalls() == []
    assert client.factory.connections == set()
