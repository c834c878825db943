"""Bind (RFC 4511 §4.2, RFC 4513 §5): simple with a name and a password, or anonymous.

Version 2 is accepted because Postfix's upstream default asks it. Everything that fails leaves the connection
anonymous. An unknown name, an account without a password and a wrong password are one answer at one price, and so is
a name that must wait (ldap/guessing.py), at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from annuaire.domain.audience import NOBODY, Audience
from annuaire.ldap.channel import Channel
from annuaire.ldap.directory import Account
from annuaire.ldap.guessing import Attempt
from annuaire.ldap.identity import Identity
from annuaire.ldap.messages import BindRequest, Simple
from annuaire.ldap.operations import identities
from annuaire.ldap.operations.identities import NAME_MAX
from annuaire.ldap.policy_control import PolicyError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.service import Service


@dataclass(frozen=True, slots=True)
class BindRefused:
    """The answer to a bind that failed, and the account it named, if any, for the log."""

    code: ResultCode
    text: str = ""
    dn: str | None = None
    # What the password policy control says of it.
    policy: PolicyError | None = None


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Work for outside the session, tens of milliseconds: does the password answer one of the hashes?"""

    hashes: tuple[bytes, ...] = field(repr=False)
    password: bytes = field(repr=False)
    account: Account | None
    attempt: Attempt
    authzid: bytes = b""  # SASL: whom to act for


def begin(
    request: BindRequest, service: Service, channel: Channel, peer: str, now: float
) -> Identity | BindRefused | PasswordCheck:
    """Decide at once what can be; a PasswordCheck otherwise, whose outcome goes to `conclude`."""
    method = request.method
    if request.version not in (2, 3):
        return BindRefused(ResultCode.protocolError, "LDAP version 3 or 2 only")
    if not isinstance(method, Simple):
        if request.version == 2:
            return BindRefused(ResultCode.protocolError, "LDAPv2 knows simple binds only")
        return BindRefused(ResultCode.authMethodNotSupported, "simple or SASL binds only")
    if not request.name:
        return _anonymous(method.password, channel)
    if not method.password:
        # RFC 4513 §5.1.2: a program that forgot to refuse an empty password would take success for a proof.
        return BindRefused(ResultCode.unwillingToPerform, "a name without a password is not accepted")
    if service.require_tls and not channel.confidential:
        return BindRefused(ResultCode.confidentialityRequired, "a password in clear needs TLS")
    return named(request.name, method.password, service, peer, now)


def conclude(check: PasswordCheck, matched: bool, service: Service, now: float) -> Identity | BindRefused:
    """What the outcome of a password check means."""
    account = check.account
    if check.attempt.ended(matched and account is not None, check.password, now) and account is not None:
        service.remembered.remember(check.hashes, check.password, now)
        identity = replace(identities.of_account(account, service), proved=True)
        taken = identities.assume(identity, check.authzid, service)
        if taken is not None:
            return taken
    return BindRefused(ResultCode.invalidCredentials, dn=account.dn if account else None)


def _anonymous(password: bytes, channel: Channel) -> Identity | BindRefused:
    if password:
        return BindRefused(ResultCode.invalidCredentials, "a password without a name")
    if channel.unbound == NOBODY:
        return BindRefused(ResultCode.inappropriateAuthentication, "anonymous access is not allowed here")
    return Identity("", channel.unbound)


def named(
    name: bytes, password: bytes, service: Service, peer: str, now: float
) -> Identity | BindRefused | PasswordCheck:
    """A name, as DN or address, and the password given for it, whichever mechanism brought them."""
    account = None
    attempt = Attempt(service.guesses, service.schema, name[:NAME_MAX], peer)
    if attempt.waits(now):
        return BindRefused(ResultCode.invalidCredentials, policy=PolicyError.accountLocked)
    barred = attempt.barred(now)
    if len(name) <= NAME_MAX:
        try:
            text = name.decode()
        except UnicodeDecodeError:
            text = ""
        administrator, key = service.administrator, identities.key(text, service)
        if administrator is not None and not barred and administrator.accepts(key, password):
            attempt.ended(True, password, now)
            return Identity(administrator.dn, Audience.ADMIN, administrator.key)
        account = service.directory.account(text) if text else None
    hashes = account.hashes if account is not None else ()
    if account is not None and not barred and service.remembered.knows(hashes, password, now):
        attempt.ended(True, password, now)
        return replace(identities.of_account(account, service), proved=True)
    return PasswordCheck(hashes, password, account, attempt)
