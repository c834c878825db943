"""Who is asking on one connection (RFC 4513 §4, the authorization state): from bind to bind, and when TLS begins.

From the moment a bind is received until it succeeds, and after one that fails, the client is a stranger. Between two
steps of a SASL bind it is nobody: anything but the next step is out of order.
"""

from __future__ import annotations

from annuaire.domain.audience import NOBODY
from annuaire.ldap import capabilities, policy_control, responses, standing
from annuaire.ldap.channel import Channel
from annuaire.ldap.controls import encode_controls
from annuaire.ldap.framing import Framer
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import AbandonRequest, BindRequest, Message, Sasl, UnbindRequest
from annuaire.ldap.operations import bind, sasl
from annuaire.ldap.operations.bind import BindRefused, PasswordCheck
from annuaire.ldap.results import ResultCode
from annuaire.ldap.root_dse import OwnEntries
from annuaire.ldap.service import Service
from annuaire.ldap.sleeping import Sleepers
from annuaire.ldap.standing import LOOK_SECONDS
from annuaire.ldap.transactions import Transactions

_OF_ANYBODY = (AbandonRequest, BindRequest, UnbindRequest)


class Association:
    """What a session knows of its client; the session reads `identity` and `audience` at each request."""

    __slots__ = (
        "_challenge",
        "_framer",
        "_look_at",
        "_service",
        "_sleepers",
        "audience",
        "channel",
        "identity",
        "peer",
        "transactions",
    )

    def __init__(self, service: Service, peer: str, channel: Channel | None) -> None:
        self._service = service
        self._framer = Framer(service.message_max_anonymous)
        self._sleepers = Sleepers()  # searches that wait for changes, beside the one answer under way
        self._challenge: sasl.Challenge | None = None  # between two steps of a SASL bind
        self._look_at = 0.0  # from when on it is looked whether who is bound is still there
        self.transactions = Transactions()
        self.peer = peer
        self.channel = self._placed(channel or Channel(service.anonymous))
        self.identity = Identity("", self.channel.unbound)
        self.audience = self.channel.unbound

    @property
    def secure(self) -> bool:
        """Whether TLS protects the connection."""
        return self.channel.encrypted

    @property
    def certificate(self) -> str:
        """The subject of the client's certificate, its chain verified; empty when it showed none."""
        return self.channel.certificate

    def secured(self, channel: Channel) -> None:
        """TLS is there: who the client said to be in clear holds no more, for anybody may have said it."""
        self.channel = self._placed(channel)
        self._unbind()

    def _placed(self, channel: Channel) -> Channel:
        return channel if self._service.external is None else self._service.external.placed(channel)

    def _bind(self, message: Message, request: BindRequest, now: float) -> bytes | PasswordCheck:
        """The answer to a bind, or what must be known for it."""
        challenge = self._challenge
        self._unbind()
        self._look_at = now + LOOK_SECONDS
        outcome: sasl.Outcome | Identity
        if isinstance(request.method, Sasl) and request.version == 3:
            asking = sasl.Asking(self._service, self.channel, self.peer, now)
            outcome = sasl.begin(request.method, challenge, asking)
        else:
            outcome = bind.begin(request, self._service, self.channel, self.peer, now)
        return outcome if isinstance(outcome, PasswordCheck) else self._bound(message, outcome)

    def _bound(
        self, message: Message, outcome: Identity | BindRefused | sasl.Challenge | sasl.Proven
    ) -> bytes:
        number, last = message.message_id, None
        if isinstance(outcome, sasl.Challenge):
            self._challenge = outcome
            self.audience = NOBODY
            code = ResultCode.saslBindInProgress
            return responses.bind_response(number, code, sasl_credentials=outcome.credentials)
        if isinstance(outcome, sasl.Proven):
            last = outcome.credentials
            outcome = outcome.identity
        if isinstance(outcome, Identity):
            self._become(outcome)
            told = encode_controls(policy_control.response(message.controls))
            return responses.bind_response(number, ResultCode.success, sasl_credentials=last, controls=told)
        if self._service.observer is not None:
            self._service.observer.login_failed(self.peer, outcome.code, outcome.dn)
        told = encode_controls(policy_control.response(message.controls, outcome.policy))
        return responses.bind_response(number, outcome.code, text=outcome.text, controls=told)

    def _stands(self, message: Message, now: float) -> bool:
        """Whether a request may be done as who is bound; whoever is gone may bind anew and leave."""
        if now < self._look_at or type(message.operation) in _OF_ANYBODY or not message.message_id:
            return True
        if not standing.holds(self.identity.standings, self._service.directory):
            return False
        self._look_at = now + LOOK_SECONDS
        return True

    def _unbind(self) -> bytes:
        """A stranger again, a SASL bind under way is over, and so are transactions: the notices that tell so."""
        self._challenge = None
        self._become(Identity("", self.channel.unbound))
        return self.transactions.abort()

    @property
    def sleeping(self) -> int:
        """How many searches wait to be woken."""
        return len(self._sleepers)

    def _become(self, identity: Identity) -> None:
        self._sleepers.end_all()  # RFC 4511 §4.2.1: nothing that somebody asked goes on for somebody else
        self.identity = identity
        self.audience = identity.audience
        known = self._service
        self._framer.limit = known.message_max_anonymous if identity.anonymous else known.message_max

    @property
    def _own_entries(self) -> OwnEntries:
        """The root DSE as this connection reads it, in whosever name it does now."""
        service, channel = self._service, self.channel
        start_tls = service.start_tls and not channel.encrypted
        return service.own_entries.offering(capabilities.mechanisms(channel), start_tls, self.audience)
