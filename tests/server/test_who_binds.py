"""Who a name and a password are to a real server: accounts of ours under every name they have, and nobody else."""

import socket

import asking
import invented_accounts
import ldap3
import pytest
import serving
from ldap3.core.exceptions import LDAPInvalidCredentialsResult

from annuaire.ldap import ber, capabilities
from annuaire.passwords import argon2, hashes

APICRYPT = f"ou=apicrypt,{serving.SUFFIX}"
COMPTES = f"ou=comptes,{serving.SUFFIX}"
PERSONNES = f"ou=personnes,{serving.SUFFIX}"
SECRET = "un-mot-de-passe"
UUID_OF_NOBODY = "a-" + "0" * 32


def entry(uid: str, number: int, *more: str, password_hash: str = "") -> str:
    return "\n".join(
        [
            f"dn: uid={uid},{APICRYPT}",
            "objectClass: inetOrgPerson",
            "objectClass: apicryptUtilisateur",
            f"uid: {uid}",
            f"cn: {uid}",
            f"sn: {uid}",
            f"mail: {uid}@medical59.apicrypt.org",
            "apicryptVersion: 2",
            "profession: 10",
            *([f"IdentifiantPP: 9990000{number:04d}", "TypeIdentifiantPP: 8"] if number else []),
            *([f"userPassword: {password_hash}"] if password_hash else []),
            *more,
            "",
        ]
    )


@pytest.fixture(scope="module")
def binding(tmp_path_factory: pytest.TempPathFactory) -> serving.Server:
    state = tmp_path_factory.mktemp("binds") / "var"
    kept = hashes.own(SECRET.encode()).decode()
    ldif = state.parent / "people.ldif"
    interop = "apicryptInteropMail: marie.actif@interop-mssante.apicrypt.org"
    ldif.write_text(
        "\n".join(
            [
                entry("actif", 1, interop, "apicryptInterop: TRUE", password_hash=kept),
                entry("sans-etat", 2, password_hash=kept),
                entry("rouge", 3, "apicryptInterop: TRUE", "listeRouge: TRUE", password_hash=kept),
                entry("suspendu", 4, "apicryptEtat: suspendu", password_hash=kept),
                entry("resilie", 5, "apicryptEtat: resilie", password_hash=kept),
                entry("sans-mot", 6),
                entry("anonyme", 0, "mail: autre@medical59.apicrypt.org", password_hash=kept),
                entry("double1", 7, password_hash=kept),
                entry("double2", 7, password_hash=kept),
                entry("jadis", 8, "apicryptEtat: resilie", password_hash=kept),
                entry("jadis2", 8, password_hash=kept),
                (
                    f"dn: uid=ordinaire,{APICRYPT}\nobjectClass: inetOrgPerson\nuid: ordinaire\ncn: o\nsn: o\n"
                    f"mail: ordinaire@medical59.apicrypt.org\nuserPassword: {kept}\n"
                ),
                (
                    f"dn: uid=relais,{COMPTES}\nobjectClass: account\nobjectClass: annuaireCompte\nuid: relais\n"
                    f"annuaireAudience: routage\nuserPassword: {kept}\n"
                ),
                (
                    f"dn: uid=agent,{APICRYPT}\nobjectClass: inetOrgPerson\nobjectClass: annuaireCompte\nuid: agent\n"
                    f"cn: a\nsn: a\nannuaireAudience: mssante\nuserPassword: {kept}\n"
                ),
            ]
        )
    )
    serving.fill(state, ldif)
    with serving.serving(state, ANNUAIRE_LISTENERS_LDAPI_ENDPOINT=f"unix:{state.parent}/ldapi") as running:
        yield running


def who(server: serving.Server, name: str, secret: str = SECRET) -> str | None:
    """The identity that the server gives, None when it refuses."""
    place = ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE)
    connection = ldap3.Connection(place, name, secret, raise_exceptions=True)
    try:
        connection.bind()
        return str(connection.extend.standard.who_am_i())
    except LDAPInvalidCredentialsResult:
        return None
    finally:
        connection.unbind()


def dn(uid: str) -> str:
    return f"dn:uid={uid},{APICRYPT}"


NAMES = [
    f"uid=actif,{APICRYPT}",
    f"UID = Actif , {APICRYPT.upper()}",
    f"uid=899900000001,{PERSONNES}",
    f"UID=899900000001, OU=Personnes,{serving.SUFFIX}",
    "actif@medical59.apicrypt.org",
    "ACTIF@Medical59.apicrypt.org",
    "marie.actif@interop-mssante.apicrypt.org",
]


@pytest.mark.parametrize("name", NAMES)
def test_an_account_binds_under_each_of_its_names(binding: serving.Server, name: str) -> None:
    assert who(binding, name) == dn("actif")
    assert who(binding, name, "un-autre") is None


def test_each_of_these_names_means_oneself_and_no_other_does(binding: serving.Server) -> None:
    others = [
        f"uid=rouge,{APICRYPT}",
        f"uid=899900000003,{PERSONNES}",
        "rouge@medical59.apicrypt.org",
        f"uid=relais,{COMPTES}",
        serving.ADMIN,
        f"uid=899900009999,{PERSONNES}",
        "actif@medical60.apicrypt.org",
        f"cn=899900000001,{PERSONNES}",
        f"uid=899900000001+cn=actif,{PERSONNES}",
        "uid=",
    ]
    with binding.connect() as connection:
        connection.sendall(asking.bind(1, NAMES[0], SECRET))
        assert asking.codes(serving.receive(connection)) == [(1, 0)]
        told = set()
        for name, code in [*((one, 19) for one in NAMES), *((one, 50) for one in others)]:
            # Too short: nothing is changed.
            value = ber.sequence([ber.octets(name.encode(), 0x80), ber.octets(b"court", 0x82)])
            connection.sendall(asking.extended(2, capabilities.PASSWORD_MODIFY, value))
            [answer] = asking.read(serving.receive(connection))
            assert answer.operation.code == code, name
            told.add((code, answer.operation.text))
        assert len(told) == 2
    with socket.socket(socket.AF_UNIX) as connection:  # PLAIN, to act for somebody
        connection.settimeout(serving.PATIENCE_SECONDS)
        connection.connect(str(binding.state.parent / "ldapi"))
        for name in [*NAMES, *others]:
            authzid = f"{'dn' if '=' in name else 'u'}:{name}"
            credentials = b"\0".join(one.encode() for one in (authzid, NAMES[0], SECRET))
            connection.sendall(asking.sasl(3, "PLAIN", credentials))
            assert asking.codes(serving.receive(connection)) == [(3, 0 if name in NAMES else 49)], name


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("sans-etat@medical59.apicrypt.org", "sans-etat"),
        (f"uid=899900000003,{PERSONNES}", "rouge"),
        # Of two subscriptions of one person, one is closed.
        (f"uid=899900000008,{PERSONNES}", "jadis2"),
        ("double1@medical59.apicrypt.org", "double1"),
    ],
)
def test_what_a_person_chose_or_once_had_does_not_keep_them_out(
    binding: serving.Server, name: str, uid: str
) -> None:
    assert who(binding, name) == dn(uid)


def test_who_has_no_identification_binds_as_the_entry_that_shows_them(binding: serving.Server) -> None:
    place = ldap3.Server("127.0.0.1", binding.port(), get_info=ldap3.NONE)
    with ldap3.Connection(place, serving.ADMIN, serving.PASSWORD, raise_exceptions=True) as connection:
        connection.search(APICRYPT, "(uid=anonyme)", attributes=["entryUUID"])
        uuid = str(connection.entries[0].entryUUID)
    assert who(binding, f"uid=a-{uuid.replace('-', '')},{PERSONNES}") == dn("anonyme")


@pytest.mark.parametrize(
    "name",
    [
        "suspendu@medical59.apicrypt.org",
        f"uid=suspendu,{APICRYPT}",
        f"uid=899900000004,{PERSONNES}",
        "resilie@medical59.apicrypt.org",
        "sans-mot@medical59.apicrypt.org",
        # Another address of an account is not its name.
        "autre@medical59.apicrypt.org",
        # Two people cannot be told apart.
        f"uid=899900000007,{PERSONNES}",
        f"uid=ordinaire,{APICRYPT}",
        "ordinaire@medical59.apicrypt.org",
        f"uid=inconnu,{COMPTES}",
        f"uid=99900000001,{PERSONNES}",
        f"uid=actif,{PERSONNES}",
        f"uid=899900000001,ou=structures,{serving.SUFFIX}",
        f"cn=899900000001,{PERSONNES}",
        f"uid={UUID_OF_NOBODY},{PERSONNES}",
        f"uid=nobody,{APICRYPT}",
        "nobody@nowhere.example",
        "actif",
        "=",
        "x=\\zz",
    ],
)
def test_all_others_are_nobody(binding: serving.Server, name: str) -> None:
    assert who(binding, name) is None


def test_an_account_of_an_audience_binds_by_its_name_wherever_it_lies(binding: serving.Server) -> None:
    assert who(binding, f"uid=relais,{COMPTES}") == f"dn:uid=relais,{COMPTES}"
    assert who(binding, f"uid=agent,{APICRYPT}") == dn("agent")


def test_who_is_refused_costs_as_much_as_who_is_unknown(
    binding: serving.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash takes tens of milliseconds, a look-up none: nobody may be told apart by one that was left out."""
    asked = invented_accounts.directory(binding.state)
    computed = []
    derive = argon2._derive
    assert argon2.available()

    def counted(*arguments: object) -> bytes:
        computed.append(arguments[4:])
        return derive(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(argon2, "_derive", counted)
    for name in (
        f"uid=nobody,{APICRYPT}",
        f"uid=actif,{APICRYPT}",
        f"uid=899900000001,{PERSONNES}",
        f"uid=899900000004,{PERSONNES}",
        f"uid=899900000009,{PERSONNES}",
        "suspendu@medical59.apicrypt.org",
        "sans-mot@medical59.apicrypt.org",
        "ordinaire@medical59.apicrypt.org",
        "nobody@medical59.apicrypt.org",
    ):
        computed.clear()
        found = asked.account(name)
        assert not hashes.verify(() if found is None else found.hashes, b"faux")
        assert computed == [(argon2.MEMORY, argon2.PASSES, argon2.LANES)], name
