"""Where the mail of a test arrives: an SMTP server that takes everything and remembers who brought what to whom."""

import contextlib
import socketserver
import ssl
import threading
from email import message_from_bytes
from email.message import Message
from typing import NamedTuple


class Arrived(NamedTuple):
    port: int
    sender: str
    recipients: list[str]
    message: Message
    certificate: str  # the CommonName that the client showed, "" without TLS

    def header(self, name: str) -> str:
        return " ".join(str(self.message[name]).split())


class Sink:
    """Listens at a port of the system's choice; `context` makes it offer STARTTLS."""

    def __init__(self, address: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        self.away = False  # tells everybody to come back later
        self._arrived: dict[str, Arrived] = {}
        self._changed = threading.Condition()
        self.context = context
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                # A client that does not like our certificate goes without a word.
                with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                    _converse(sink, self, stack)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server((address, 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def took(self, subject: str, seconds: float = 60.0) -> Arrived:
        """The message of this subject, as soon as it is there."""
        with self._changed:
            assert self._changed.wait_for(lambda: subject in self._arrived, seconds), (
                f"{subject} has not arrived"
            )
            return self._arrived[subject]

    def has(self, subject: str) -> bool:
        return subject in self._arrived

    def put(self, arrived: Arrived) -> None:
        with self._changed:
            self._arrived[arrived.header("Subject")] = arrived
            self._changed.notify_all()


def _converse(sink: Sink, handler: socketserver.StreamRequestHandler, stack: contextlib.ExitStack) -> None:
    lines, connection = handler.rfile, handler.connection
    certificate = ""
    sender, recipients = "", []

    def say(text: str) -> None:
        connection.sendall(text.encode() + b"\r\n")

    if sink.away:
        say("421 4.3.2 away")
        return
    say("220 sink ESMTP")
    while line := lines.readline():
        verb, _, rest = line.decode().strip().partition(" ")
        verb = verb.upper()
        if verb == "EHLO":
            offered = "250-STARTTLS\r\n" if sink.context and not certificate else ""
            say(f"250-sink\r\n{offered}250-8BITMIME\r\n250 SMTPUTF8")
        elif verb == "STARTTLS" and sink.context:
            say("220 go on")
            secured = stack.enter_context(sink.context.wrap_socket(connection, server_side=True))
            connection, lines = secured, secured.makefile("rb")
            subject = dict(pair for part in secured.getpeercert()["subject"] for pair in part)
            certificate = subject["commonName"]
        elif verb == "MAIL":
            sender, recipients = _path(rest), []
            say("250 2.1.0 ok")
        elif verb == "RCPT":
            recipients.append(_path(rest))
            say("250 2.1.5 ok")
        elif verb == "DATA":
            say("354 go on")
            data = b""
            while (line := lines.readline()) not in (b".\r\n", b""):
                data += line.removeprefix(b".")
            sink.put(Arrived(sink.port, sender, recipients, message_from_bytes(data), certificate))
            say("250 2.0.0 taken")
        elif verb == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok")


def _path(text: str) -> str:
    return text[text.index("<") + 1 : text.index(">")]
