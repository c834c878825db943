"""What is wrong with a write by itself: types, options, syntaxes and repetitions, before any entry is looked at.

Each complaint names the attribute and counts its values from 0, as slapd does. In slapd's order too: of a request
that is wrong twice both servers then say the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from annuaire.ldap import modification, syntaxes
from annuaire.ldap import options as attribute_options
from annuaire.ldap.dn import Dn
from annuaire.ldap.messages import ADD_VALUES, INCREMENT, REPLACE_VALUES, AddRequest, ModifyRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import AttributeType, Schema
from annuaire.ldap.writing import WriteRefusedError

# What the relax control lets an administrator say of an entry that is added (draft-zeilenga-ldap-relax §3.6).
RELAXED = frozenset({"entryuuid", "createtimestamp", "creatorsname", "modifytimestamp", "modifiersname"})
# An attribute that is named in a text.
_SHOWN_MAX = 60


def of_add(request: AddRequest, schema: Schema, relax: bool = False) -> None:
    """Refuse an Add whose attributes cannot be those of any entry."""
    for written, values in request.attributes:
        _check(written, values, schema)
    for written, _ in request.attributes:
        _writable(written, schema, relax)


def of_modify(request: ModifyRequest, schema: Schema) -> None:
    """Refuse a Modify of which some change can be made to no entry."""
    for operation, written, values in request.changes:
        _check(written, values, schema, operation)
    for _, written, _ in request.changes:
        _writable(written, schema, relax=False)


def of_name(name: Dn, schema: Schema) -> None:
    """Refuse a name that no entry can be given (RFC 4511 §A.2: invalidDNSyntax is about its values as well)."""
    for attribute, text in name.rdn.pairs:
        known = schema.attribute(attribute)
        if known is None:
            raise WriteRefusedError(
                ResultCode.invalidDNSyntax,
                f"the name begins with {_shown(attribute)}, which is not an attribute of the schema",
            )
        if not known.valid(text.encode()):
            raise WriteRefusedError(
                ResultCode.invalidDNSyntax, f"the name says {known.name}: not {_syntax(known)}"
            )


def _check(written: str, values: Sequence[bytes], schema: Schema, operation: int = ADD_VALUES) -> None:
    known, options, description = schema.describe(written)
    if attribute_options.too_much(written):
        bounds = f"{attribute_options.OPTIONS_MAX} options and {attribute_options.DESCRIPTION_MAX} characters"
        raise WriteRefusedError(
            ResultCode.undefinedAttributeType, f"{_shown(written)}: an attribute has {bounds} at most"
        )
    if known is None:
        raise WriteRefusedError(
            ResultCode.undefinedAttributeType, f"{_shown(written)} is not an attribute of the schema"
        )
    if "" in options or ("binary" in options and not known.octets):
        raise WriteRefusedError(
            ResultCode.undefinedAttributeType, f"{_shown(written)}: such an option does not suit {known.name}"
        )
    if not values and operation in (ADD_VALUES, INCREMENT):
        raise WriteRefusedError(ResultCode.protocolError, f"{description}: no value is given")
    for number, value in enumerate(values):
        if not known.valid(value):
            raise WriteRefusedError(
                ResultCode.invalidAttributeSyntax, f"{description}: value #{number} is not {_syntax(known)}"
            )
    if operation == INCREMENT:
        wrong = modification.no_increment(known, description, values)
        if wrong is not None:
            raise WriteRefusedError(wrong.code, wrong.text)
    if operation in (ADD_VALUES, REPLACE_VALUES):
        _several(description, known, values, schema)


def _several(description: str, known: AttributeType, values: Sequence[bytes], schema: Schema) -> None:
    if len(values) < 2:
        return
    if known.single_value:
        raise WriteRefusedError(
            ResultCode.constraintViolation, f"{description} takes one value, {len(values)} are given"
        )
    first: dict[bytes, int] = {}
    for number, form in enumerate(modification.forms(description, values, schema)):
        if first.setdefault(form, number) != number:
            raise WriteRefusedError(
                ResultCode.attributeOrValueExists,
                f"{description}: value #{number} is the same as value #{first[form]}",
            )


def _writable(written: str, schema: Schema, relax: bool) -> None:
    known = schema.attribute(written)
    if known is not None and known.no_user_modification and not (relax and known.key in RELAXED):
        raise WriteRefusedError(ResultCode.constraintViolation, f"{known.name} is kept by the server alone")


def _syntax(known: AttributeType) -> str:
    found = syntaxes.KNOWN.get(known.syntax)
    description = found.description if found else known.syntax
    return f"{'an' if description[:1] in 'AEIO' else 'a'} {description}"


def _shown(written: str) -> str:
    text = written[:_SHOWN_MAX]
    return text if text.isprintable() else ascii(text)


def described(attributes: Iterable[tuple[str, Sequence[bytes]]], schema: Schema) -> dict[str, list[bytes]]:
    """The attributes of an entry to be added under their canonical names; one that comes twice is refused."""
    found: dict[str, list[bytes]] = {}
    for written, values in attributes:
        description = schema.canonical(written)
        if description in found:
            raise WriteRefusedError(
                ResultCode.attributeOrValueExists, f"{description} is given twice: give all its values once"
            )
        found[description] = list(values)
    return found
