"""What becomes of passwords before a write is done: judged, hashed, and those to be deleted found."""

import pytest

from annuaire.actions import write_passwords
from annuaire.actions.write_passwords import Declined, Prepared
from annuaire.domain.access import Grant
from annuaire.domain.audience import Audience
from annuaire.domain.password import Rules
from annuaire.ldap import schema as schemas
from annuaire.ldap.controls import PASSWORD_POLICY
from annuaire.ldap.messages import (
    ADD_VALUES,
    DELETE_VALUES,
    REPLACE_VALUES,
    AddRequest,
    Control,
    DeleteRequest,
    ModifyRequest,
)
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import PasswordChange, WriteJob, WriteOutcome
from annuaire.passwords import hashes

SCHEMA = schemas.standard()
RULES = Rules(12)
NAME = "uid=helene.martin,ou=apicrypt,o=apicrypt,c=FR"
SECRET, OTHER = b"correct cheval pile", b"une autre encore"
# Of `correct cheval pile agrafe é`.
FOREIGN = b"{SSHA}RtjOLgPc2XemTWkqIc3OKaE9lt2L6YKK"
FOREIGN_SECRET = "correct cheval pile agrafe é".encode()
HELD = hashes.made(SECRET)
PERSON = Grant(frozenset({"userpassword", "telephonenumber"}))


def job(request, grant: Grant = Grant(), controls=()) -> WriteJob:  # noqa: B008 (a value)
    return WriteJob(request, tuple(controls), NAME, Audience.ADMIN, grant)


def modify(*changes) -> ModifyRequest:
    return ModifyRequest(NAME.encode(), [(kind, "userPassword", list(values)) for kind, *values in changes])


def prepared(request, held=HELD, grant: Grant = Grant()) -> Prepared:  # noqa: B008
    found = write_passwords.prepare(job(request, grant), held, RULES, SCHEMA)
    assert isinstance(found, Prepared), found
    return found


def declined(request, held=HELD, grant: Grant = Grant()) -> tuple[int, bytes | None, bytes | None]:  # noqa: B008
    """The code, the policy control's value, and what was guessed."""
    sent = [Control(PASSWORD_POLICY, False, None)]
    found = write_passwords.prepare(job(request, grant, sent), held, RULES, SCHEMA)
    assert isinstance(found, Declined), found
    [told] = found.outcome.controls
    return found.outcome.code, told.value, found.guessed


def answers(values, secret: bytes) -> bool:
    """Whether both of the values that are kept of one password are there, and nothing else."""
    return (
        len(values) == 2 and hashes.matching(values, secret) == tuple(values) and not hashes.outdated(values)
    )


@pytest.mark.parametrize(
    ("request_", "concerned"),
    [
        (PasswordChange(NAME), True),
        (AddRequest(b"", [("userPassword", [SECRET])]), True),
        (AddRequest(b"", [("2.5.4.35", [SECRET])]), True),
        (AddRequest(b"", [("cn", [SECRET])]), False),
        (modify((REPLACE_VALUES, SECRET)), True),
        (ModifyRequest(b"", [(ADD_VALUES, "USERPASSWORD", [SECRET])]), True),
        (modify((DELETE_VALUES,)), False),
        (modify((REPLACE_VALUES,)), False),
        (ModifyRequest(b"", [(ADD_VALUES, "userPasswordHint", [SECRET])]), False),
        (DeleteRequest(b""), False),
    ],
)
def test_only_writes_that_give_a_password_are_prepared(request_, concerned):
    assert write_passwords.concerns(job(request_), SCHEMA) is concerned


def test_a_password_in_clear_becomes_what_is_kept_whichever_name_the_attribute_has():
    for name in ("userPassword", "USERPASSWORD", "2.5.4.35"):
        found = prepared(AddRequest(NAME.encode(), [("cn", [b"x"]), (name, [SECRET])]))
        (_, cn), (_, values) = found.job.request.attributes
        assert cn == [b"x"]
        assert answers(values, SECRET)
    for kind in (ADD_VALUES, REPLACE_VALUES):
        [(_, _, values)] = prepared(modify((kind, SECRET))).job.request.changes
        assert answers(values, SECRET)


def test_a_hash_from_an_administrator_is_kept_as_it_is_and_one_from_its_owner_is_refused():
    [(_, _, values)] = prepared(modify((REPLACE_VALUES, FOREIGN))).job.request.changes
    assert values == [FOREIGN]
    assert declined(modify((REPLACE_VALUES, FOREIGN)), grant=PERSON) == (19, b"\x30\x03\x81\x01\x05", None)


@pytest.mark.parametrize("value", [b"{MD4}abcdefghijklmn", b"{CLEARTEXT}abcdefghijkl", b"{SASL}anne@example"])
def test_what_looks_like_a_hash_that_is_not_known_is_refused_and_not_repeated(value):
    code, told, guessed = declined(modify((REPLACE_VALUES, value)))
    assert (code, told, guessed) == (19, b"\x30\x00", None)
    found = write_passwords.prepare(job(modify((REPLACE_VALUES, value))), HELD, RULES, SCHEMA)
    assert value[:5].decode() not in found.outcome.text


@pytest.mark.parametrize(
    ("chosen", "policy"), [(b"court", 6), (b"", 6), (b"a" * 20, 5), (b"helene.martin", 5), (b"x" * 5000, 9)]
)
def test_a_password_that_is_not_taken_is_told_by_the_policy_control(chosen, policy):
    wanted = (ResultCode.constraintViolation, b"\x30\x03\x81\x01%c" % policy, None)
    assert declined(modify((REPLACE_VALUES, chosen))) == wanted
    assert declined(AddRequest(NAME.encode(), [("userPassword", [chosen])])) == wanted
    assert declined(PasswordChange(NAME, None, chosen)) == wanted
    assert declined(PasswordChange(NAME, SECRET, chosen)) == wanted


def test_the_address_of_an_entry_to_be_is_a_name_too():
    attributes = [("mail", [b"jean.dupont@medical59.apicrypt.org"]), ("userPassword", [b"jean.dupont1"])]
    assert declined(AddRequest(b"cn=x,ou=apicrypt,o=apicrypt,c=FR", attributes))[0] == 19


def test_a_password_to_be_deleted_is_found_with_everything_that_is_kept_of_it():
    held = (*HELD, *hashes.made(OTHER), FOREIGN)
    found = prepared(modify((DELETE_VALUES, SECRET)), held)
    assert found.exact
    assert found.job.request.changes == [(DELETE_VALUES, "userPassword", list(HELD))]
    found = prepared(modify((DELETE_VALUES, FOREIGN_SECRET, SECRET)), held)
    assert found.job.request.changes == [(DELETE_VALUES, "userPassword", [FOREIGN, *HELD])]
    # Administrators may have read the hash itself; a person gives the password.
    assert prepared(modify((DELETE_VALUES, FOREIGN)), held).job.request.changes[0][2] == [FOREIGN]
    assert declined(modify((DELETE_VALUES, FOREIGN)), held, PERSON)[0] == ResultCode.noSuchAttribute


def test_one_that_is_no_password_of_the_entry_is_a_guess():
    wanted = (ResultCode.noSuchAttribute, b"\x30\x00", OTHER)
    assert declined(modify((DELETE_VALUES, OTHER)), grant=PERSON) == wanted
    assert declined(PasswordChange(NAME, OTHER, SECRET)) == (
        ResultCode.unwillingToPerform,
        b"\x30\x00",
        OTHER,
    )
    assert declined(PasswordChange(NAME, SECRET, OTHER), ())[0] == ResultCode.unwillingToPerform


@pytest.mark.parametrize(
    ("held", "grant"), [(HELD, Grant()), ((), Grant()), ((), PERSON)], ids=["wrong", "nothing", "own"]
)
def test_what_is_no_guess_is_for_the_write_to_miss(held, grant):
    found = prepared(modify((DELETE_VALUES, OTHER)), held, grant)
    assert found.job.request.changes == [(DELETE_VALUES, "userPassword", [OTHER])]
    assert not found.exact, "nothing is prepared anew for it"
    gone = prepared(modify((DELETE_VALUES,), (DELETE_VALUES, SECRET)), held, grant)
    assert gone.job.request.changes[1] == (DELETE_VALUES, "userPassword", [SECRET])


def test_changes_are_taken_one_after_the_other():
    found = prepared(modify((DELETE_VALUES, SECRET), (ADD_VALUES, OTHER), (DELETE_VALUES, OTHER)))
    (_, _, gone), (_, _, added), (_, _, again) = found.job.request.changes
    assert gone == list(HELD)
    assert answers(added, OTHER)
    assert again == added
    replaced = modify((REPLACE_VALUES, OTHER), (DELETE_VALUES, SECRET))
    assert declined(replaced, grant=PERSON)[0] == ResultCode.noSuchAttribute


def test_a_change_with_the_old_password_replaces_exactly_what_it_was_verified_against():
    held = (*HELD, *hashes.made(OTHER))
    found = prepared(PasswordChange(NAME, SECRET, b"le tout nouveau"), held, PERSON)
    (kind, _, gone), (_, _, added) = found.job.request.changes
    assert (found.exact, kind, gone) == (True, DELETE_VALUES, list(held))
    assert answers(added, b"le tout nouveau")
    assert found.generated is None


def test_a_change_without_one_replaces_whatever_is_there_and_chooses_when_nothing_is_given():
    found = prepared(PasswordChange(NAME))
    [(kind, _, values)] = found.job.request.changes
    assert (found.exact, kind) == (False, REPLACE_VALUES)
    assert found.generated is not None
    assert answers(values, found.generated)
    assert write_passwords.finish(found, WriteOutcome()).value == found.generated
    assert write_passwords.finish(found, WriteOutcome(ResultCode.noSuchObject)).value is None


def test_more_passwords_than_anybody_has_are_refused_before_they_cost_anything():
    many = [b"mot de passe %d" % number for number in range(9)]
    assert declined(modify((ADD_VALUES, *many)))[0] == ResultCode.adminLimitExceeded
    assert declined(modify(*[(DELETE_VALUES, one) for one in many]))[0] == ResultCode.adminLimitExceeded
    assert declined(AddRequest(NAME.encode(), [("userPassword", many)]))[0] == ResultCode.adminLimitExceeded


def test_only_ones_own_old_password_counts_as_a_guess():
    assert write_passwords.proves(job(PasswordChange(NAME, b"x"), PERSON))
    assert write_passwords.proves(job(modify((DELETE_VALUES, b"x")), PERSON))
    assert not write_passwords.proves(job(PasswordChange(NAME, b"x")))
    assert not write_passwords.proves(job(PasswordChange(NAME), PERSON))
    assert not write_passwords.proves(job(modify((REPLACE_VALUES, b"x")), PERSON))


def test_an_upgrade_replaces_the_old_hash_alone_and_is_nobodys_change():
    held = (FOREIGN, *hashes.made(OTHER))
    found = write_passwords.upgrade(NAME, held, FOREIGN_SECRET)
    assert found.quiet
    (kind, _, gone), (_, _, added) = found.request.changes
    assert (kind, gone) == (DELETE_VALUES, [FOREIGN])
    assert answers(added, FOREIGN_SECRET)
    assert write_passwords.upgrade(NAME, held, b"wrong") is None
    # The other one is as it should be, although the entry as a whole is not.
    assert hashes.outdated(held)
    assert write_passwords.upgrade(NAME, held, OTHER) is None


def test_nothing_prepared_or_declined_shows_a_password_or_a_hash():
    shown = repr(
        [
            prepared(modify((REPLACE_VALUES, SECRET))),
            prepared(PasswordChange(NAME)),
            write_passwords.prepare(job(PasswordChange(NAME, OTHER)), HELD, RULES, SCHEMA),
        ]
    )
    for secret in ("cheval", "encore", "ARGON2", "argon2", "SCRAM", "generated=b"):
        assert secret not in shown
