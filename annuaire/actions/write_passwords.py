"""Passwords in writes: judged and hashed before anything is locked, for a hash takes tens of milliseconds.

A password in clear becomes the values that are kept (passwords/hashes.py). One that is to be deleted, or replaced by
its owner, is verified against what the entry held when the work began, and the write then deletes exactly what was
found: had somebody else changed the password meanwhile, nothing is found to delete, and the work begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from annuaire.domain import password
from annuaire.domain.access import Grant
from annuaire.domain.audience import Audience
from annuaire.domain.password import Fault, Rules
from annuaire.errors import Malformed
from annuaire.ldap import dn, policy_control
from annuaire.ldap.messages import ADD_VALUES, DELETE_VALUES, REPLACE_VALUES, AddRequest, ModifyRequest
from annuaire.ldap.policy_control import PolicyError
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import Schema
from annuaire.ldap.writing import PasswordChange, WriteJob, WriteOutcome
from annuaire.passwords import hashes

PASSWORD = "userPassword"  # noqa: S105 (an attribute's name)
_PASSWORD = PASSWORD.lower()
# Passwords of one request: each takes a thread for a while.
PASSWORDS_MAX = hashes.HASHES_MAX
_MAIL = ("mail", "apicryptinteropmail", "uid", "cn")
_UNKNOWN_SCHEME = (
    "this looks like a hash of a scheme that is not known here: {ARGON2}, {SCRYPT}, {PBKDF2-SHA256}, {SSHA512}, {SSHA},"
    " {CRYPT} are; a password in clear does not begin so"
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A write that can be done without hashing anything."""

    job: WriteJob
    exact: bool = False  # it deletes what was found: noSuchAttribute may mean that it was changed meanwhile
    generated: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Declined:
    """Why a write is not done; `guessed`: what was given as the old password, and is not."""

    outcome: WriteOutcome
    guessed: bytes | None = field(default=None, repr=False)


class _DeclinedError(Exception):
    def __init__(self, code: ResultCode, text: str, policy: PolicyError | None = None) -> None:
        super().__init__()
        self.code, self.text, self.policy = code, text, policy


class _WrongError(Exception):
    """An old password that is none."""

    def __init__(self, given: bytes) -> None:
        super().__init__()
        self.given = given


def concerns(job: WriteJob, schema: Schema) -> bool:
    """Whether a write gives a password, and so must be prepared."""
    request = job.request
    if isinstance(request, PasswordChange):
        return True
    if isinstance(request, AddRequest):
        return any(_is_password(name, schema) for name, _ in request.attributes)
    if isinstance(request, ModifyRequest):
        return any(_is_password(name, schema) and values for _, name, values in request.changes)
    return False


def proves(job: WriteJob) -> bool:
    """Whether somebody gives their own old password with a write: wrong ones are counted like those of binds."""
    if job.grant.attributes is None:
        return False
    request = job.request
    if isinstance(request, PasswordChange):
        return request.old is not None
    return isinstance(request, ModifyRequest) and any(
        kind == DELETE_VALUES and values for kind, _, values in request.changes
    )


def name_of(job: WriteJob) -> str:
    """The DN of the entry whose password is at stake; empty when it is no text."""
    named = job.request.dn
    return named if isinstance(named, str) else named.decode("utf-8", "ignore")


def wrong(job: WriteJob) -> WriteOutcome:
    """The answer to an old password that is none, and to one that may not be tried yet."""
    if isinstance(job.request, PasswordChange):
        told = policy_control.response(job.controls)
        # As slapd: libraries take invalidCredentials for the end of their own bind.
        return WriteOutcome(ResultCode.unwillingToPerform, "this is not the old password", controls=told)
    return WriteOutcome(
        ResultCode.noSuchAttribute,
        f"{PASSWORD}: the entry has no such value",
        controls=policy_control.response(job.controls),
    )


def prepare(
    job: WriteJob, held: Sequence[bytes], rules: Rules, schema: Schema, salt: bytes | None = None
) -> Prepared | Declined:
    """Judge and hash; `held` is what the entry has as its password now, `salt` that of its SCRAM keys, which its name
    decides. Work for a thread."""
    request = job.request
    try:
        if isinstance(request, PasswordChange):
            return _change(job, request, held, rules, salt)
        if isinstance(request, AddRequest):
            return _add(job, request, rules, schema, salt)
        assert isinstance(request, ModifyRequest)
        return _modify(job, request, held, rules, schema, salt)
    except _WrongError as error:
        return Declined(wrong(job), error.given)
    except _DeclinedError as declined:
        told = policy_control.response(job.controls, declined.policy)
        return Declined(WriteOutcome(declined.code, declined.text, controls=told))


def finish(prepared: Prepared, outcome: WriteOutcome) -> WriteOutcome:
    """The answer to whoever asked for what was prepared."""
    told = (*outcome.controls, *policy_control.response(prepared.job.controls))
    done = outcome.code == ResultCode.success
    return replace(outcome, controls=told, value=prepared.generated if done else None)


def upgrade(name: str, held: Sequence[bytes], secret: bytes, salt: bytes | None = None) -> WriteJob | None:
    """Keep a password that was just typed as we keep them, if it is still the one; nobody's change of the entry."""
    found = hashes.matching(held, secret)
    # Another password of the entry may be kept otherwise: it is not the one that is known now.
    if not found or not hashes.outdated(found, salt):
        return None
    changes = [
        (DELETE_VALUES, PASSWORD, list(found)),
        (ADD_VALUES, PASSWORD, list(hashes.made(secret, salt))),
    ]
    own = Grant(frozenset([_PASSWORD]))
    return WriteJob(ModifyRequest(name.encode(), changes), (), name, Audience.ADMIN, own, quiet=True)


def _change(
    job: WriteJob, request: PasswordChange, held: Sequence[bytes], rules: Rules, salt: bytes | None
) -> Prepared | Declined:
    if request.old is not None and not hashes.verify(held, request.old):
        raise _WrongError(request.old)
    new, generated = request.new, None
    if new is None:
        new = generated = password.generated(rules)
    else:
        _judge(new, _names(request.dn), rules)
    kept = list(hashes.made(new, salt))
    if request.old is None:
        changes = [(REPLACE_VALUES, PASSWORD, kept)]
    else:
        changes = [(DELETE_VALUES, PASSWORD, list(held)), (ADD_VALUES, PASSWORD, kept)]
    modify = ModifyRequest(request.dn.encode(), changes)
    return Prepared(replace(job, request=modify), request.old is not None, generated)


def _add(job: WriteJob, request: AddRequest, rules: Rules, schema: Schema, salt: bytes | None) -> Prepared:
    names = [*_names(request.dn.decode("utf-8", "ignore"))]
    for name, values in request.attributes:
        if schema.canonical(name).lower() in _MAIL:
            names += [value.decode("utf-8", "ignore").partition("@")[0] for value in values[:PASSWORDS_MAX]]
    _bounded(values for name, values in request.attributes if _is_password(name, schema))
    attributes = [
        (name, _kept(values, job, names, rules, salt) if _is_password(name, schema) else values)
        for name, values in request.attributes
    ]
    return Prepared(replace(job, request=AddRequest(request.dn, attributes)))


def _modify(
    job: WriteJob,
    request: ModifyRequest,
    held: Sequence[bytes],
    rules: Rules,
    schema: Schema,
    salt: bytes | None,
) -> Prepared:
    names = _names(request.dn.decode("utf-8", "ignore"))
    _bounded(values for _, name, values in request.changes if _is_password(name, schema))
    now, changes, exact = list(held), [], False
    for kind, name, given in request.changes:
        values = given
        if _is_password(name, schema):
            if kind == DELETE_VALUES and given:
                values = [value for one in given for value in _found(one, job, now)]
                exact = exact or not set(values).isdisjoint(now)
                now = [value for value in now if value not in values]
            elif kind in (ADD_VALUES, REPLACE_VALUES):
                values = _kept(given, job, names, rules, salt)
                now = values if kind == REPLACE_VALUES else [*now, *values]
            else:
                now = []
        changes.append((kind, name, values))
    return Prepared(replace(job, request=ModifyRequest(request.dn, changes)), exact)


def _bounded(every: Iterable[Sequence[bytes]]) -> None:
    if sum(map(len, every)) > PASSWORDS_MAX:
        raise _DeclinedError(ResultCode.adminLimitExceeded, f"more than {PASSWORDS_MAX} passwords at once")


def _kept(
    values: Sequence[bytes], job: WriteJob, names: Sequence[str], rules: Rules, salt: bytes | None
) -> list[bytes]:
    """What is kept of the values that somebody gives."""
    kept: list[bytes] = []
    for value in values:
        scheme = hashes.scheme(value)
        if scheme is None:
            _judge(value, names, rules)
            kept += hashes.made(value, salt)
        elif job.grant.attributes is not None:
            raise _DeclinedError(
                ResultCode.constraintViolation,
                "give the password, not a hash of it: a hash tells nothing of how good it is",
                PolicyError.insufficientPasswordQuality,
            )
        elif scheme not in hashes.SCHEMES:
            raise _DeclinedError(ResultCode.constraintViolation, _UNKNOWN_SCHEME)
        else:
            kept.append(value)
    return kept


def _found(given: bytes, job: WriteJob, held: Sequence[bytes]) -> Sequence[bytes]:
    """The values that are meant by one to be deleted: itself, if it is a hash that administrators have read.

    One that is nothing of the entry is handed on as it is where it is no guess of its owner's: whether there is no such
    value or no such entry is for the write to find out.
    """
    if job.grant.attributes is None and given in held:
        return (given,)
    found = hashes.matching(held, given)
    if not found and held and job.grant.attributes is not None:
        raise _WrongError(given)
    return found or (given,)


def _judge(chosen: bytes, names: Sequence[str], rules: Rules) -> None:
    fault = password.judge(chosen, names, rules)
    if fault is not None:
        raise _DeclinedError(
            ResultCode.constraintViolation, password.said(Fault(fault), rules), PolicyError(fault)
        )


def _names(name: str) -> list[str]:
    """What somebody is called, as far as a DN tells."""
    try:
        return [value for _, value in dn.parse(name).rdn.pairs]
    except (Malformed, IndexError):
        return []


def _is_password(name: str, schema: Schema) -> bool:
    return schema.canonical(name).partition(";")[0].lower() == _PASSWORD
