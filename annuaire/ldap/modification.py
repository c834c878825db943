"""Changes of one entry's attributes: what a Modify does (RFC 4511 §4.6), and what two states differ by.

Attributes are a mapping from canonical description to values; values are the same when the schema's equality
rule says so. Whether the result agrees with the schema is asked afterwards, of the whole (schema.check).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from annuaire.ldap import syntaxes
from annuaire.ldap.results import ResultCode
from annuaire.ldap.schema import AttributeType, Schema, Violation

Attributes = dict[str, list[bytes]]

# Bounded: Python takes long over numbers of many thousand digits.
_WHOLE_NUMBER = re.compile(rb"-?[0-9]{1,100}")

ADD, DELETE, REPLACE, INCREMENT = "add", "delete", "replace", "increment"


class ModificationError(Exception):
    """The first change that cannot be done; nothing of the others is."""

    def __init__(self, code: int, attribute: str, text: str) -> None:
        super().__init__(text)
        self.violation = Violation(code, attribute, text)


def forms(description: str, values: Iterable[bytes], schema: Schema) -> list[bytes]:
    """What identifies each value: its normal form, or itself when no rule applies."""
    known = schema.attribute(description)
    rule = known.equality_rule if known else None
    if rule is None:
        return list(values)
    return [value if (form := rule.normalise(value)) is None else form for value in values]


def difference(
    old: Mapping[str, Sequence[bytes]], new: Mapping[str, Sequence[bytes]], schema: Schema
) -> Attributes | None:
    """Bring old to new by the fewest values: those that match stay as they are. None: nothing to do."""
    result: Attributes = {}
    changed = False
    for description, values in old.items():
        wanted = new.get(description)
        if wanted is None:
            changed = True
            continue
        if wanted == values:
            result[description] = list(values)
            continue
        old_forms = forms(description, values, schema)
        new_forms = forms(description, wanted, schema)
        # Sets: a group may have a hundred thousand members.
        old_set, new_set = set(old_forms), set(new_forms)
        kept = [value for value, form in zip(values, old_forms, strict=True) if form in new_set]
        added = [value for value, form in zip(wanted, new_forms, strict=True) if form not in old_set]
        result[description] = kept + added
        changed = changed or bool(added) or len(kept) != len(values)
    for description, values in new.items():
        if description not in old:
            result[description] = list(values)
            changed = True
    return result if changed else None


def apply(
    attributes: Mapping[str, Sequence[bytes]],
    changes: Iterable[tuple[str, str, Sequence[bytes]]],
    schema: Schema,
) -> Attributes:
    """The attributes after all the changes, in order; ModificationError leaves the given ones as they are."""
    result = {description: list(values) for description, values in attributes.items()}
    for operation, written, values in changes:
        known = schema.attribute(written)
        if known is None:
            raise ModificationError(
                ResultCode.undefinedAttributeType, written, f"{written} is not an attribute of the schema"
            )
        description = schema.canonical(written)
        if known.no_user_modification:
            raise ModificationError(
                ResultCode.constraintViolation, description, f"{description} is kept by the server alone"
            )
        wrong = no_increment(known, description, values) if operation == INCREMENT else None
        if wrong is not None:
            raise ModificationError(*wrong)
        _apply_one(result, operation, description, list(values), schema)
    return result


def no_increment(known: AttributeType, description: str, values: Sequence[bytes]) -> Violation | None:
    """Why values increment nothing, whatever an entry has (RFC 4525 §3)."""
    if known.syntax != syntaxes.INTEGER:
        text = f"{description} is no whole number: nothing increments it"
        return Violation(ResultCode.constraintViolation, description, text)
    if len(values) != 1:
        return Violation(ResultCode.protocolError, description, f"{description}: an increment is one value")
    return None


def _apply_one(
    result: Attributes, operation: str, description: str, values: list[bytes], schema: Schema
) -> None:
    present = list(result.get(description, []))
    if operation == ADD:
        present_forms = set(forms(description, present, schema))
        for value, form in zip(values, forms(description, values, schema), strict=True):
            if form in present_forms:
                raise ModificationError(
                    ResultCode.attributeOrValueExists, description, f"{description}: a value is already there"
                )
            present_forms.add(form)
            present.append(value)
    elif operation == REPLACE:
        present = values
    elif operation == DELETE:
        present = _without(description, present, values, schema)
    elif operation == INCREMENT:
        present = _incremented(description, present, values)
    else:
        raise ModificationError(ResultCode.protocolError, description, f"unknown change: {operation}")
    if present:
        result[description] = present
    else:
        result.pop(description, None)


def _without(description: str, present: list[bytes], values: list[bytes], schema: Schema) -> list[bytes]:
    if not present:
        raise ModificationError(
            ResultCode.noSuchAttribute, description, f"{description}: the entry has no such attribute"
        )
    if not values:
        return []
    gone = set(forms(description, values, schema))
    present_forms = forms(description, present, schema)
    if not gone <= set(present_forms):
        raise ModificationError(
            ResultCode.noSuchAttribute, description, f"{description}: the entry has no such value"
        )
    return [value for value, form in zip(present, present_forms, strict=True) if form not in gone]


def _incremented(description: str, present: list[bytes], values: list[bytes]) -> list[bytes]:
    """RFC 4525: every value grows by the one given."""
    if not present:
        raise ModificationError(
            ResultCode.noSuchAttribute, description, f"{description}: the entry has no such attribute"
        )
    if not all(_WHOLE_NUMBER.fullmatch(value) for value in (*values, *present)):
        raise ModificationError(
            ResultCode.constraintViolation,
            description,
            f"{description}: only a whole number increments others",
        )
    return [b"%d" % (int(value) + int(values[0])) for value in present]
