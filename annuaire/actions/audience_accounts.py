"""Accounts that are an audience and nothing else: mail servers, partners, administrators, `uid=NAME,ou=comptes,…`."""

from __future__ import annotations

import re
import uuid
from typing import NamedTuple

from annuaire.actions import preparing, recording
from annuaire.actions.source import StoreSource
from annuaire.domain import audience, password
from annuaire.domain.audience import Audience
from annuaire.domain.password import Fault, Rules
from annuaire.domain.scram import Salts
from annuaire.errors import Malformed, NotFound, Refused
from annuaire.index.folder import IndexFolder
from annuaire.ldap import dn, tree
from annuaire.ldap.dn import Dn, Rdn
from annuaire.passwords import hashes
from annuaire.store.entries import NewEntry

STRUCTURAL = "account"
CLASSES = [b"top", STRUCTURAL.encode(), b"annuaireCompte"]
AUDIENCE = "annuaireAudience"
# TRUE: whoever binds as this account is given password hashes too when it copies the directory.
REPLICATES = "annuaireReplication"

# Nothing that a DN, a shell or a log would have to quote.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = (
    "1 à 64 lettres sans accent, chiffres, points, tirets et soulignés, le premier une lettre ou un chiffre"
)


class AudienceAccount(NamedTuple):
    name: str
    dn: str
    audience: str
    replicates_passwords: bool
    created_at: str


def add(
    source: StoreSource,
    folder: IndexFolder,
    name: str,
    seer: Audience,
    secret: bytes,
    *,
    replicates_passwords: bool = False,
    rules: Rules = Rules(),  # noqa: B008 (a value)
    salts: Salts | None = None,
    actor: str = "",
) -> str:
    """Make an account; its DN. Visible, and able to bind on this machine, on return."""
    if not _NAME.fullmatch(name):
        raise Malformed(f"nom de compte : {NAME_RULE}")
    _judge(name, secret, rules)
    own, key = _place(source, name)
    attributes = {
        "objectClass": list(CLASSES),
        "uid": [name.encode()],
        AUDIENCE: [audience.format(seer).encode()],
        preparing.PASSWORD: list(hashes.made(secret, salts(key) if salts else None)),
    }
    if replicates_passwords:
        attributes[REPLICATES] = [b"TRUE"]
    violations = source.schema().check(own, attributes)
    if violations:
        raise Refused("; ".join(violation.text for violation in violations))
    encoded, passwords = preparing.encode(attributes)
    with recording.recording(source, folder, actor) as begun:
        if begun.writer.entry(key) is not None:
            raise Refused(f"le compte {name} existe déjà : {dn.format(own)}")
        begun.writer.add(
            NewEntry(
                key, dn.parent_key(key), dn.format(own), uuid.uuid4().bytes, encoded, passwords, STRUCTURAL
            )
        )
    return dn.format(own)


def set_password(
    source: StoreSource,
    folder: IndexFolder,
    name: str,
    secret: bytes,
    *,
    rules: Rules = Rules(),  # noqa: B008 (a value)
    salts: Salts | None = None,
    actor: str = "",
) -> str:
    """Give an account another password; its DN. Who is bound as it stays so until the connection ends."""
    _judge(name, secret, rules)
    _own, key = _place(source, name)
    kept = list(hashes.made(secret, salts(key) if salts else None))
    _, passwords = preparing.encode({preparing.PASSWORD: kept})
    with recording.recording(source, folder, actor) as begun:
        row = begun.writer.entry(key)
        if row is None or AUDIENCE not in preparing.decode(row.attributes, None):
            raise NotFound(f"il n'y a pas de compte {name}")
        begun.writer.replace(row, row.attributes, passwords, row.structural, row.person, row.account)
    return row.dn


def remove(source: StoreSource, folder: IndexFolder, name: str, *, actor: str = "") -> str:
    """Remove an account; its DN. Who is bound as it stays so until the connection ends."""
    own, key = _place(source, name)
    with recording.recording(source, folder, actor) as begun:
        row = begun.writer.entry(key)
        if row is None or AUDIENCE not in preparing.decode(row.attributes, None):
            raise NotFound(f"il n'y a pas de compte {name}")
        if begun.writer.has_children(key):
            raise Refused(f"des entrées se trouvent sous {dn.format(own)}")
        begun.writer.delete(row)
    return row.dn


def every(source: StoreSource) -> list[AudienceAccount]:
    """All of them, by name."""
    branch = tree.plant(source.suffix, (), source.schema()).managed[tree.ACCOUNTS]
    found = []
    with source.store().reading() as reader:
        for row in reader.subtree(branch):
            attributes = preparing.decode(row.attributes, None)
            if AUDIENCE not in attributes:
                continue
            found.append(
                AudienceAccount(
                    attributes.get("uid", [b""])[0].decode("utf-8", "replace"),
                    row.dn,
                    attributes[AUDIENCE][0].decode("utf-8", "replace"),
                    attributes.get(REPLICATES) == [b"TRUE"],
                    row.created_at,
                )
            )
    return sorted(found)


def _judge(name: str, secret: bytes, rules: Rules) -> None:
    if not secret:
        raise Malformed("le mot de passe est vide")
    fault = password.judge(secret, [name], rules)
    if fault is not None:
        raise Malformed(_refusal(fault, rules))


def _refusal(fault: Fault, rules: Rules) -> str:
    if fault is Fault.SHORT:
        return f"le mot de passe a moins de {rules.min_length} caractères"
    if fault is Fault.LONG:
        return f"le mot de passe dépasse {password.PASSWORD_MAX} octets"
    return "le mot de passe est de ceux qu'on devine : un nom, ou trop peu de caractères différents"


def _place(source: StoreSource, name: str) -> tuple[Dn, bytes]:
    schema = source.schema()
    branch = tree.plant(source.suffix, (), schema).branch(tree.ACCOUNTS)
    own = Dn((Rdn((("uid", name),)), *branch.rdns))
    return own, dn.key(own, schema)
