"""The password policy response control (draft-behera-ldap-password-policy-11 §6.2), sent where it was asked for.

Warnings are never sent: nothing expires here. What is told is a function of what was sent and of counts that are the
same for names that nobody has: it says nothing of who exists.
"""

# The names are the draft's.
# ruff: noqa: N815

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from annuaire.ldap import ber, controls
from annuaire.ldap.messages import Control


class PolicyError(IntEnum):
    """§6.2, and passwordTooLong as OpenLDAP has it; those that happen here."""

    accountLocked = 1
    passwordModNotAllowed = 3
    mustSupplyOldPassword = 4
    insufficientPasswordQuality = 5
    passwordTooShort = 6
    passwordTooLong = 9


_ERROR = 0x81


def response(asked: Iterable[Control], error: int | None = None) -> tuple[Control, ...]:
    """The control, when the request had one; without an error it says that there is nothing to say."""
    if all(control.oid != controls.PASSWORD_POLICY for control in asked):
        return ()
    told = b"" if error is None else ber.integer(error, _ERROR)
    return (Control(controls.PASSWORD_POLICY, False, ber.sequence([told])),)
