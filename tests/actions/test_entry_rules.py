import pytest

from annuaire.actions import entry_rules

KEPT = b"{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA"


@pytest.mark.parametrize(
    "value", [b"secret", b"", b"{", b"{SSHA", b"{}x", b"{CLEARTEXT}secret", b"{cleartext}secret"]
)
def test_a_password_in_clear_is_kept_by_nobody(value):
    verdict = entry_rules.judge(None, {"userPassword": [KEPT, value]})
    assert verdict.refusal is not None
    assert verdict.refusal[0] == 19
    assert "secret" not in verdict.refusal[1]


@pytest.mark.parametrize("value", [KEPT, b"{SSHA}x", b"{ssha512}x", b"{CRYPT}$6$a$b", b"{WHATEVER}x"])
def test_a_hash_is_kept_whether_it_can_be_verified_or_not(value):
    assert entry_rules.judge(None, {"userPassword": [value]}) == entry_rules.FINE
