"""SASL binds (RFC 4513 §5.2): PLAIN (RFC 4616), EXTERNAL (RFC 4422 App. A), SCRAM-SHA-256 and -PLUS (RFC 7677, 5802).

One step in, its outcome out; a Challenge waits for the next bind of the same mechanism, any other one drops it.
Security: a name that nobody has, or has without the keys of SCRAM, gets an exchange that looks like anybody's and
fails. Wrong proofs are counted as wrong passwords are (ldap/guessing.py). Who is to be acted for (authzid) is looked at
once it is known who asks; only administrators act for others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from annuaire.domain import scram
from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import capabilities, guessing
from annuaire.ldap.channel import Channel
from annuaire.ldap.guessing import Attempt
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import Sasl
from annuaire.ldap.operations import bind, identities
from annuaire.ldap.operations.bind import BindRefused, PasswordCheck
from annuaire.ldap.operations.identities import NAME_MAX
from annuaire.ldap.policy_control import PolicyError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service

# Two names and a password at their longest.
CREDENTIALS_MAX = 2 * NAME_MAX + 4096 + 2


@dataclass(frozen=True, slots=True)
class Asking:
    """What a step needs to know of the connection and of the directory."""

    service: Service
    channel: Channel
    peer: str
    now: float


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server says before the last step (saslBindInProgress), and what takes the next one."""

    mechanism: str
    credentials: bytes | None = field(repr=False)
    take: Callable[[bytes, Asking], Outcome] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """Who the client is, and the server's own proof."""

    identity: Identity
    credentials: bytes | None = field(default=None, repr=False)


Outcome = Challenge | Proven | BindRefused | PasswordCheck


def begin(request: Sasl, under_way: Challenge | None, asking: Asking) -> Outcome:
    """One bind request; `under_way` is the challenge that was sent last, if the bind before left one."""
    mechanism, credentials = request.mechanism, request.credentials
    if mechanism not in capabilities.mechanisms(asking.channel):
        return _unavailable(mechanism, asking.channel)
    if credentials is not None and len(credentials) > CREDENTIALS_MAX:
        return BindRefused(ResultCode.invalidCredentials, "credentials too long")
    first = _FIRST[mechanism]
    goes_on = under_way is not None and under_way.mechanism == mechanism
    if not goes_on and credentials is None and mechanism != EXTERNAL:
        # RFC 4422 §3.3: in all of these the client speaks first, if it likes in a step of its own. ldap3 means with
        # EXTERNAL that it has nothing to say, and waits for no challenge.
        return Challenge(mechanism, None, first)
    take = under_way.take if goes_on and under_way is not None else first
    try:
        return take(credentials or b"", asking)
    except Malformed as error:
        return BindRefused(ResultCode.invalidCredentials, error.public)


def _unavailable(mechanism: str, channel: Channel) -> BindRefused:
    if mechanism == "PLAIN":
        return BindRefused(ResultCode.confidentialityRequired, "a password in clear needs TLS")
    if mechanism == EXTERNAL and (channel.certificate or channel.process):
        return _stands_for_nobody(channel)
    if mechanism == EXTERNAL and channel.encrypted:
        return BindRefused(ResultCode.inappropriateAuthentication, "no client certificate was shown")
    return BindRefused(ResultCode.authMethodNotSupported, "this mechanism is not available here")


# --- PLAIN -------------------------------------------------------------------------------------------------


def _plain(credentials: bytes, asking: Asking) -> Outcome:
    parts = credentials.split(b"\0")
    if len(parts) != 3 or not parts[1]:
        raise Malformed("not a message of PLAIN")
    authzid, authcid, password = parts
    if not password:
        return BindRefused(ResultCode.unwillingToPerform, "a name without a password is not accepted")
    service = asking.service
    # What is no name of ours is verified, and counted, as it was sent.
    name = identities.login_name(authcid, service).encode() or authcid
    outcome = bind.named(name, password, service, asking.peer, asking.now)
    if isinstance(outcome, Identity):
        return _as(outcome, authzid, service)
    return replace(outcome, authzid=authzid) if isinstance(outcome, PasswordCheck) else outcome


# --- EXTERNAL ----------------------------------------------------------------------------------------------


def _external(credentials: bytes, asking: Asking) -> Outcome:
    service, channel = asking.service, asking.channel
    target = channel.target
    identity = None
    if target is not None and target.audience is not None:
        identity = Identity(channel.external, target.audience)
    elif target is not None:
        identity = identities.named(target.account, service)
    if identity is None:
        return _stands_for_nobody(channel)
    return _as(identity, credentials, service)


def _stands_for_nobody(channel: Channel) -> BindRefused:
    """A subject or a user's number is no secret, and who runs this server must learn which line is missing."""
    text = "this certificate stands for nobody here"
    if not channel.certificate:
        text = f"this process stands for nobody here: {channel.process}"
    return BindRefused(ResultCode.invalidCredentials, text, channel.certificate or channel.process)


# --- SCRAM -------------------------------------------------------------------------------------------------


def _scram(credentials: bytes, asking: Asking) -> Outcome:
    first = scram.client_first(credentials)
    if first.binding:
        # libsasl2 binds the channel under this name as well.
        return _exchange(SCRAM, first, _bound_to(first.binding, asking.channel), asking)
    if first.binding is not None and asking.channel.encrypted:
        # RFC 5802 §6: the client could bind the channel and believes that we cannot: somebody told it so.
        return BindRefused(ResultCode.invalidCredentials, "the channel can be bound here")
    return _exchange(SCRAM, first, b"", asking)


def _scram_plus(credentials: bytes, asking: Asking) -> Outcome:
    first = scram.client_first(credentials)
    if not first.binding:
        raise Malformed("this mechanism binds the channel")
    return _exchange(SCRAM_PLUS, first, _bound_to(first.binding, asking.channel), asking)


def _bound_to(name: str, channel: Channel) -> bytes:
    data = channel.binding(name)
    if data is None:
        raise Malformed("this channel binding is not available here")
    return data


def _exchange(mechanism: str, first: scram.ClientFirst, binding: bytes, asking: Asking) -> Outcome:
    service = asking.service
    name = identities.login_name(first.name, service)
    spelled = (name.encode() or first.name)[:NAME_MAX]
    key = identities.key(name, service)
    salted = key or guessing.spelling(spelled, service.schema)
    exchange = scram.Exchange(first, scram.nobodys(salted, service.secret))

    def finish(credentials: bytes, asking: Asking) -> Outcome:
        attempt = Attempt(service.guesses, service.schema, spelled, asking.peer)
        if attempt.waits(asking.now):
            return BindRefused(ResultCode.invalidCredentials, policy=PolicyError.accountLocked)
        identity, known = None, None

        def look_up() -> scram.ScramKeys | None:
            nonlocal identity, known
            identity, known = _keys(name, key, service)
            return known

        # Not before there is a proof, which is counted: as often as anybody likes, the time that it takes to find
        # somebody would tell that there is somebody.
        proof = exchange.finish(credentials, binding, look_up)
        matched = proof is not None and known is not None
        # No two proofs are alike: the same wrong password again is a guess more, unlike in a simple bind.
        if not attempt.ended(matched, credentials, asking.now) or identity is None:
            return BindRefused(ResultCode.invalidCredentials, dn=identity.dn if identity else None)
        proven = _as(replace(identity, proved=True), first.authzid, service)
        return Proven(proven.identity, proof) if isinstance(proven, Proven) else proven

    return Challenge(mechanism, exchange.server_first, finish)


def _keys(name: str, key: bytes, service: Service) -> tuple[Identity | None, scram.ScramKeys | None]:
    """Who has a name, and the keys of their password as everybody's look; Note [A salt tells nothing]."""
    administrator = service.administrator
    if administrator is not None and key == administrator.key:
        return Identity(administrator.dn, Audience.ADMIN, key), administrator.scram(service.secret)
    account = service.directory.account(name) if key else None
    if account is None:
        return None, None
    identity = identities.of_account(account, service)
    known = scram.keys(account.hashes)
    # By its DN alone.
    fits = identity.key == key and scram.usable(known, scram.salt(key, service.secret))
    return identity, known if fits else None


def _as(identity: Identity, authzid: bytes, service: Service) -> Proven | BindRefused:
    taken = identities.assume(identity, authzid, service)
    if taken is None:
        return BindRefused(ResultCode.invalidCredentials, dn=identity.dn)
    return Proven(taken)


EXTERNAL = "EXTERNAL"
SCRAM = "SCRAM-SHA-256"
SCRAM_PLUS = "SCRAM-SHA-256-PLUS"
_FIRST: dict[str, Callable[[bytes, Asking], Outcome]] = {
    "PLAIN": _plain,
    EXTERNAL: _external,
    SCRAM: _scram,
    SCRAM_PLUS: _scram_plus,
}
