"""A client of SCRAM (RFC 5802 §3), written from the formulas alone, for one session."""

import base64
import hashlib
import hmac
import secrets

import asking


class Scram:
    def __init__(self, client, name: str, password: bytes, binding: str = "", data: bytes = b"") -> None:
        self.client = client
        self.password = password
        self.data = data
        self.mechanism = "SCRAM-SHA-256-PLUS" if binding else "SCRAM-SHA-256"
        self.header = f"p={binding},,".encode() if binding else b"n,,"
        self.nonce = secrets.token_hex(9).encode()
        escaped = name.replace("=", "=3D").replace(",", "=2C").encode()
        self.bare = b"n=%b,r=%b" % (escaped, self.nonce)
        self.said: dict[bytes, bytes] = {}
        self.failure: tuple[int, str] | None = None

    def run(self, mechanism: str = "") -> int:
        self.mechanism = mechanism or self.mechanism
        self.started()
        return self.failure[0] if self.failure is not None else self.finish()

    def started(self) -> "Scram":
        answer = self._say(self.header + self.bare)
        if answer.code != 14:
            self.failure = (answer.code, answer.text)
            return self
        self.server_first = answer.sasl_credentials
        self.said = dict(part.split(b"=", 1) for part in self.server_first.split(b","))
        assert self.said[b"r"].startswith(self.nonce)
        assert len(self.said[b"r"]) >= len(self.nonce) + 16
        return self

    def finish(self) -> int:
        salt, rounds = base64.b64decode(self.said[b"s"]), int(self.said[b"i"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = b"c=%b,r=%b" % (base64.b64encode(self.header + self.data), self.said[b"r"])
        whole = b",".join((self.bare, self.server_first, final))
        signature = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))
        answer = self._say(final + b",p=" + proof)
        self.expected = b"v=" + base64.b64encode(
            hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), whole, "sha256")
        )
        self.last = answer.sasl_credentials
        if answer.code:
            assert self.last is None
            self.failure = (answer.code, answer.text)
        return answer.code

    def server_is_known(self) -> bool:
        return self.last == self.expected

    def _say(self, credentials: bytes):
        [answer] = asking.read(self.client.say(asking.sasl(1, self.mechanism, credentials)))
        return answer.operation
