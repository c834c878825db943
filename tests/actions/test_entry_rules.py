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


@pytest.mark.parametrize("name", ["apicryptEtat", "mail", "profession", "IdentifiantPP", "listeRouge"])
def test_what_decides_about_an_account_has_no_language(name):
    subscriber = {"objectClass": [b"inetOrgPerson", b"apicryptUtilisateur"]}
    code, text = entry_rules.judge(None, {**subscriber, f"{name};lang-fr": [b"x"]}).refusal
    assert (code, text) == (17, f"{name};lang-fr: {name} has no options here, leave them out")
    assert entry_rules.judge(None, {**subscriber, "title;lang-fr": [b"x"]}) == entry_rules.FINE
    # Of other entries it decides nothing.
    assert (
        entry_rules.judge(None, {"objectClass": [b"person"], f"{name};lang-fr": [b"x"]}) == entry_rules.FINE
    )


def test_the_audience_of_a_login_has_no_language_wherever_it_lies():
    new = {"objectClass": [b"account", b"annuaireCompte"], "annuaireAudience;lang-fr": [b"admin"]}
    assert entry_rules.judge(None, new).refusal[0] == 17


def test_a_referral_leads_somewhere():
    assert entry_rules.judge(None, {"ref": [b"ldap://a/o=x", b"https://b/ ici"]}) == entry_rules.FINE
    code, text = entry_rules.judge(None, {"ref": [b"ldap://a/o=x", b"nulle part"]}).refusal
    assert (code, text) == (21, "ref: no URI such as ldap://host/name")
