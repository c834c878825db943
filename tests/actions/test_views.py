"""What each audience is shown of people and structures that several sources know, from real stores."""

import time
from collections.abc import Iterator
from pathlib import Path

import both_directories as both
import pytest
import store_places
import told_sources as told
from told_sources import INTEROP, NATIVE, account, activity, addresses, person, rpps, shown, structure

from annuaire.actions import refresh
from annuaire.actions.source import StoreSource
from annuaire.actions.views import ViewSettings
from annuaire.domain.audience import NAMES, Audience
from annuaire.domain.visibility import STRANGERS
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import filters, messages
from annuaire.ldap.messages import Message, SearchRequest
from annuaire.store import engine

ANNE, LUC = rpps(11), rpps(29)
ANNE_DN = f"uid={ANNE},{both.PERSONNES}"
BEST, OTHER = "anne.dupont@ch-exemple.mssante.fr", "a.dupont@medecin.mssante.fr"
NATIVE_ANNE, INTEROP_ANNE = f"anne@{NATIVE}", f"anne@{INTEROP}"
PUBLIC, MSSANTE, APICRYPT = Audience.PUBLIC, Audience.MSSANTE, Audience.APICRYPT
DGS, ROUTAGE, ADMIN = Audience.DGS, Audience.ROUTAGE, Audience.ADMIN
READERS = (PUBLIC, MSSANTE, APICRYPT, DGS, ADMIN)


def made(url: str, state: Path, **settings: object) -> StoreSource:
    engine.migrate(url, state)
    source = StoreSource(url, state, both.SUFFIX, settings=ViewSettings(**settings))  # type: ignore[arg-type]
    both.begun(source)
    return source


@pytest.fixture(params=store_places.PLACES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSource]:
    with store_places.url(request.param) as url:
        source = made(url, tmp_path / "var")
        yield source
        source.store().close()


def anne(**others: str | bytes | None) -> told.Attributes:
    """The account of somebody whose national identification is ANNE."""
    return account("anne", IdentifiantPP=ANNE[1:], **others)


def two_mailboxes() -> tuple[str, str]:
    """Hers in two hospitals; the second one takes documents without paper."""
    return (
        person(ANNE, OTHER, raison_sociale="CABINET DU PORT", l6="59140 DUNKERQUE", code_postal="59140"),
        person(
            ANNE,
            BEST,
            dematerialisation="O",
            raison_sociale="CH EXEMPLE",
            service="CARDIOLOGIE",
            l6="59000 LILLE",
        ),
    )


def answer(folder: IndexFolder, audience: Audience) -> bytes:
    """Everything that an audience finds, as octets of LDAP."""
    numbering = Numbering(told.SCHEMA)
    reader = Reader(folder, numbering)
    directory = Directory(reader, numbering, Settings(both.SUFFIX, SizeLimits({}, {}), 0.0), bytes(32))
    request = SearchRequest(
        both.SUFFIX.encode(), messages.SUBTREE, 0, 0, 0, False, filters.parse("(objectClass=*)"), (b"*", b"+")
    )
    found = directory.search(Message(1, request, ()), audience, time.monotonic())
    octets = found if isinstance(found, bytes) else b"".join(found)
    reader.close()
    return octets


# ------------------------------------------------------------------ one person


def test_an_account_and_two_mailboxes_are_one_person(source: StoreSource) -> None:
    told.write(source.store(), "anne", anne())
    told.publish(source.store(), *two_mailboxes())
    for audience in READERS:
        assert list(shown(source, audience)) == [ANNE_DN]
    assert list(shown(source, ROUTAGE)) == [f"uid=a-{told.identity('anne').hex()},{both.PERSONNES}"]


def test_two_accounts_of_one_identification_are_one_person(source: StoreSource) -> None:
    told.write(source.store(), "anne", anne())
    told.write(
        source.store(), "annex", account("annex", IdentifiantPP=ANNE[1:], apicryptVersion="1", l="LENS")
    )
    assert addresses(source, APICRYPT, ANNE) == [NATIVE_ANNE, f"annex@{NATIVE}"]
    assert addresses(source, PUBLIC, ANNE) == [INTEROP_ANNE], "the second account is of version 1"
    assert shown(source, APICRYPT)[ANNE_DN]["l"] == ["LILLE", "LENS"]
    assert shown(source, PUBLIC)[ANNE_DN]["l"] == ["LILLE"]
    assert len(shown(source, ROUTAGE)) == 2, "mail servers are told of each account"


def test_names_join_nobody(source: StoreSource) -> None:
    told.write(source.store(), "anne", account("anne", IdentifiantPP=None, TypeIdentifiantPP=None))
    told.publish(source.store(), person(ANNE, BEST, nom="DUPONT", prenom="Anne"))
    alone = f"uid=a-{told.identity('anne').hex()},{both.PERSONNES}"
    assert set(shown(source, APICRYPT)) == {ANNE_DN, alone}
    assert shown(source, APICRYPT)[alone]["mail"] == [NATIVE_ANNE]


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (PUBLIC, [BEST, OTHER, INTEROP_ANNE]),
        (MSSANTE, [BEST, OTHER, INTEROP_ANNE]),
        (DGS, [BEST, OTHER, INTEROP_ANNE]),
        (APICRYPT, [NATIVE_ANNE, BEST, OTHER]),
        (ADMIN, [NATIVE_ANNE, INTEROP_ANNE, BEST, OTHER]),
    ],
)
def test_the_best_address_comes_first(source: StoreSource, audience: Audience, expected: list[str]) -> None:
    told.write(source.store(), "anne", anne())
    told.publish(source.store(), *two_mailboxes())
    assert addresses(source, audience, ANNE) == expected


COMMON = {
    "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson", "annuairePersonne"],
    "uid": [ANNE],
    "cn": ["Anne DUPONT", "DUPONT Anne", "DUPONT Anne (Médecin, LILLE)"],
    "sn": ["DUPONT"],
    "givenName": ["Anne"],
    "displayName": ["DUPONT Anne (Médecin, LILLE)"],
    "title": ["Médecin"],
    "profession": ["10"],
    "l": ["LILLE"],
    "IdentifiantPP": [ANNE[1:]],
    "TypeIdentifiantPP": ["8"],
}
BY_ITSELF = {
    PUBLIC: COMMON | {"mail": [INTEROP_ANNE]},
    MSSANTE: COMMON | {"mail": [INTEROP_ANNE]},
    DGS: COMMON | {"mail": [INTEROP_ANNE]},
    APICRYPT: COMMON | {"mail": [NATIVE_ANNE], "userCertificate;binary": [told.CERTIFICATE.decode()]},
    ADMIN: COMMON
    | {"mail": [NATIVE_ANNE, INTEROP_ANNE], "userCertificate;binary": [told.CERTIFICATE.decode()]},
}
OPERATIONAL = {
    *("structuralObjectClass", "entryUUID", "createTimestamp", "modifyTimestamp", "entryDN"),
    *("subschemaSubentry", "annuaireSource"),
}


@pytest.mark.parametrize("audience", READERS, ids=lambda audience: audience.name)
def test_each_audience_is_shown_its_attributes_and_no_others(source: StoreSource, audience: Audience) -> None:
    told.write(source.store(), "anne", anne())
    (found,) = shown(source, audience).values()
    assert {name: values for name, values in found.items() if name not in OPERATIONAL} == BY_ITSELF[audience]
    assert set(found) - set(BY_ITSELF[audience]) == OPERATIONAL
    assert found["entryDN"] == [ANNE_DN]


def test_mail_servers_are_told_where_each_address_leads(source: StoreSource) -> None:
    told.write(source.store(), "anne", anne())
    told.write(source.store(), "luc", account("luc", apicryptInterop="FALSE"))
    told.publish(source.store(), *two_mailboxes())
    found = {one["mailRoutingAddress"][0]: one for one in shown(source, ROUTAGE).values()}
    assert found[NATIVE_ANNE]["mailLocalAddress"] == [NATIVE_ANNE, INTEROP_ANNE]
    assert found[f"luc@{NATIVE}"]["mailLocalAddress"] == [f"luc@{NATIVE}"], "his exchanges are not open"
    assert len(found) == 2
    assert set(found[NATIVE_ANNE]) == OPERATIONAL | {
        *("objectClass", "uid", "cn", "sn", "mailLocalAddress", "mailRoutingAddress")
    }


# Who is shown an account by itself.
NOBODY_ELSE: dict[Audience, list[str]] = {ADMIN: [NATIVE_ANNE, INTEROP_ANNE]}
THE_SPHERE = {ADMIN: [NATIVE_ANNE, INTEROP_ANNE], APICRYPT: [NATIVE_ANNE]}
OPEN = THE_SPHERE | {PUBLIC: [INTEROP_ANNE], MSSANTE: [INTEROP_ANNE], DGS: [INTEROP_ANNE]}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, OPEN),
        ({"apicryptEtat": None}, OPEN),
        ({"apicryptVersion": "1"}, THE_SPHERE),
        ({"apicryptInterop": "FALSE"}, THE_SPHERE),
        ({"apicryptInterop": None}, THE_SPHERE),
        ({"profession": "71"}, THE_SPHERE),
        ({"profession": None}, THE_SPHERE),
        ({"apicryptInteropMail": None}, {ADMIN: [NATIVE_ANNE], APICRYPT: [NATIVE_ANNE]}),
        ({"listeRouge": "TRUE"}, THE_SPHERE | {DGS: [INTEROP_ANNE]}),
        ({"apicryptEtat": "suspendu"}, NOBODY_ELSE),
        ({"apicryptEtat": "resilie"}, NOBODY_ELSE),
        ({"apicryptFinValidite": "20190131230000Z"}, OPEN),
    ],
    ids=str,
)
def test_who_is_shown_an_account(
    source: StoreSource, others: dict[str, str | None], expected: dict[Audience, list[str]]
) -> None:
    told.write(source.store(), "anne", anne(**others))
    assert {seer: addresses(source, seer, ANNE) for seer in READERS} == dict.fromkeys(READERS) | expected
    assert bool(shown(source, ROUTAGE)) == (APICRYPT in expected)


def test_the_dgs_is_not_shown_liste_rouge_when_the_operator_says_so(tmp_path: Path) -> None:
    source = made("", tmp_path / "var", dgs_sees_liste_rouge=False)
    told.write(source.store(), "anne", anne(listeRouge="TRUE"))
    assert shown(source, DGS) == {}
    told.write(source.store(), "anne", anne())
    assert addresses(source, DGS, ANNE) == [INTEROP_ANNE]
    source.store().close()


def test_cn_has_three_values_and_the_last_one_tells_homonyms_apart(source: StoreSource) -> None:
    told.write(source.store(), "anne", anne(l="DUNKERQUE"))
    told.publish(source.store(), person(LUC, BEST, l6="75002 PARIS"))
    found = shown(source, APICRYPT)
    luc = found[f"uid={LUC},{both.PERSONNES}"]
    assert luc["cn"] == ["Anne DUPONT", "DUPONT Anne", "DUPONT Anne (Médecin, PARIS)"]
    assert luc["displayName"] == luc["cn"][2:]
    assert found[ANNE_DN]["displayName"] == ["DUPONT Anne (Médecin, DUNKERQUE)"]


def test_cn_has_two_values_when_the_operator_wants_no_detail(tmp_path: Path) -> None:
    source = made("", tmp_path / "var", cn_detail=False)
    told.write(source.store(), "anne", anne())
    (found,) = shown(source, APICRYPT).values()
    assert (found["cn"], found["displayName"]) == (["Anne DUPONT", "DUPONT Anne"], ["DUPONT Anne"])
    source.store().close()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Anne DUPONT (née MARTIN)", True),
        ("DUPONT Anne (née MARTIN)", True),
        ("Cabinet DUPONT (Lille)", True),
        ("Anne (Annette)", True),
        ("DUPONT Anne ()", True),
        (")", True),
        # What a view makes, of these or of former words; exports have it, and each view makes its own.
        ("DUPONT Anne (Médecin, LILLE)", False),
        ("Dupont anne (médecin, Lille)", False),
        ("DUPONT Anne (Médecin)", False),
        ("DUPONT Anne (LILLE)", False),
        ("DUPONT Anne (Interne, LILLE)", False),
        ("DUPONT Anne (Médecin, LENS)", False),
    ],
)
def test_a_name_that_ends_with_a_parenthesis_is_kept_unless_it_is_a_detail(
    source: StoreSource, name: str, kept: bool
) -> None:
    told.write(source.store(), "anne", {**anne(), "cn": [b"Anne DUPONT", name.encode()]})
    told.publish(source.store(), person(ANNE, BEST, nom="DUPONT", prenom="Anne", l6="59140 DUNKERQUE"))
    for audience in READERS:
        found = shown(source, audience)[ANNE_DN]
        details = [one for one in found["cn"] if one.startswith("DUPONT Anne (M")]
        assert (name in found["cn"]) == (kept or name in found["displayName"])
        assert details == found["displayName"], "one, and its own"


def test_where_each_value_comes_from_is_told(source: StoreSource) -> None:
    told.write(source.store(), "anne", anne())
    told.publish(source.store(), person(ANNE, BEST))
    told.work(source.store(), activity(ANNE, commune="Dunkerque", raison_sociale="CABINET DU PORT"))
    sources = shown(source, ADMIN)[ANNE_DN]["annuaireSource"]
    assert {
        f"apicrypt mail={NATIVE_ANNE}",
        f"apicrypt mail={INTEROP_ANNE}",
        f"mssante mail={BEST}",
        "apicrypt l=LILLE",
        "rpps l=Dunkerque",
        "rpps o=CABINET DU PORT",
    } <= set(sources)
    # Others are told of what they are shown, and of nothing else.
    assert not any(NATIVE_ANNE in line for line in shown(source, PUBLIC)[ANNE_DN]["annuaireSource"])
    told.write(source.store(), "anne", anne(listeRouge="TRUE"))
    assert not any("apicrypt" in line for line in shown(source, PUBLIC)[ANNE_DN]["annuaireSource"])


def test_activities_add_places_to_people_who_are_shown_and_make_nobody_visible(source: StoreSource) -> None:
    told.write(source.store(), "anne", anne(listeRouge="TRUE", o=None))
    told.publish(source.store(), person(LUC, OTHER, nom="MARTIN", prenom="Luc"))
    told.work(
        source.store(),
        activity(ANNE, commune="Dunkerque", raison_sociale="CABINET DU PORT"),
        activity(LUC, commune="Arras", savoir_faire_libelle="Psychiatrie"),
    )
    assert shown(source, APICRYPT)[ANNE_DN]["o"] == ["CABINET DU PORT"]
    assert list(shown(source, PUBLIC)) == [f"uid={LUC},{both.PERSONNES}"]
    (luc,) = shown(source, PUBLIC).values()
    assert (luc["l"], luc["savoirFaire"]) == (["Arras"], ["Psychiatrie"])


# ------------------------------------------------------------------ structures


def test_a_mailbox_of_a_structure_is_one_entry_under_its_address(source: StoreSource) -> None:
    told.publish(
        source.store(),
        structure(
            "Imagerie@CH-Exemple.mssante.fr", service="SCANNER", type_structure="1", structure="1990000010"
        ),
        structure("imagerie@ch-exemple.mssante.fr", service="RADIOLOGIE", l6="59000 LILLE"),
    )
    for audience in READERS:
        ((name, found),) = shown(source, audience).items()
        assert name == f"uid=imagerie@ch-exemple.mssante.fr,{both.STRUCTURES}"
        assert "annuaireStructure" in found["objectClass"]
        assert set(found["ou"]) == set(found["sn"]) == {"SCANNER", "RADIOLOGIE"}
        assert found["IdentifiantPM"] == ["990000010"]
    assert shown(source, ROUTAGE) == {}


# ------------------------------------------------------------------ what is hidden leaves no trace


HIDDEN = {
    "liste rouge": {"listeRouge": "TRUE"},
    "version 1": {"apicryptVersion": "1"},
    "exchanges closed": {"apicryptInterop": "FALSE"},
    "not eligible": {"profession": "71"},
    "suspended": {"apicryptEtat": "suspendu"},
}


@pytest.mark.parametrize("others", HIDDEN.values(), ids=HIDDEN)
def test_of_a_hidden_account_the_hospital_mailbox_alone_is_shown_as_if_there_was_no_account(
    source: StoreSource, others: dict[str, str]
) -> None:
    store = source.store()
    told.publish(store, *two_mailboxes(), person(LUC, "luc@medecin.mssante.fr", nom="MARTIN"))
    told.work(store, activity(ANNE, commune="Dunkerque"))
    before = told.seen_by(told.computed(source), STRANGERS)
    assert addresses(source, PUBLIC, ANNE) == [BEST, OTHER]
    told.write(store, "anne", anne(**others), at="20190101000000Z")
    assert told.seen_by(told.computed(source), STRANGERS) == before
    told.write(store, "anne", anne(telephoneNumber="+33 3 53 01 00 99", **others), at="20991231000000Z")
    assert told.seen_by(told.computed(source), STRANGERS) == before
    told.delete(store, "anne")
    assert told.seen_by(told.computed(source), STRANGERS) == before


def test_strangers_are_answered_the_same_octets_with_and_without_a_hidden_account(
    source: StoreSource, tmp_path: Path
) -> None:
    store, folder = source.store(), IndexFolder(tmp_path / "index")
    told.write(store, "luc", account("luc", IdentifiantPP=LUC[1:]))
    told.publish(store, *two_mailboxes(), structure("imagerie@ch-exemple.mssante.fr"))
    refresh.refresh(source, folder)
    without = {seer: answer(folder, seer) for seer in (PUBLIC, MSSANTE)}
    assert INTEROP.encode() in without[PUBLIC]
    steps = (
        anne(),  # for a moment she is seen
        anne(listeRouge="TRUE"),
        anne(listeRouge="TRUE", sn="DURAND", givenName="Zoé", l="NICE", telephoneNumber="+33 3 53 01 00 99"),
    )
    for number, attributes in enumerate(steps):
        told.write(store, "anne", attributes)
        refresh.refresh(source, folder)
        hidden = {seer: answer(folder, seer) == without[seer] for seer in without}
        assert set(hidden.values()) == {number > 0}
    assert NATIVE_ANNE.encode() in answer(folder, APICRYPT)
    refresh.rebuild(source, folder)
    assert {seer: answer(folder, seer) for seer in without} == without


def test_the_entry_uuid_of_a_person_says_nothing_but_the_name(source: StoreSource, tmp_path: Path) -> None:
    told.write(source.store(), "anne", anne())
    kept = {seer: shown(source, seer)[ANNE_DN]["entryUUID"] for seer in READERS}
    other = made("", tmp_path / "other")
    told.publish(other.store(), person(ANNE, BEST, nom="AUTREMENT"))
    elsewhere = {seer: shown(other, seer)[ANNE_DN]["entryUUID"] for seer in READERS}
    assert kept == elsewhere
    assert len({tuple(values) for values in kept.values()}) == 1
    other.store().close()


# ------------------------------------------------------------------ what never enters


@pytest.mark.parametrize(
    "address", [INTEROP_ANNE, "anne@mssante.apicrypt.org", NATIVE_ANNE, "x@medical.apicrypt.org"]
)
def test_a_row_of_the_national_list_in_our_own_domains_enters_no_view(
    source: StoreSource, address: str
) -> None:
    told.publish(source.store(), person(ANNE, address), structure(f"boite.{address}"))
    assert told.computed(source) == []
    told.write(source.store(), "anne", anne(listeRouge="TRUE"))
    for audience in (PUBLIC, MSSANTE):
        assert shown(source, audience) == {}, "liste rouge acts at once, whatever is still published"
    told.publish(source.store(), person(ANNE, address), person(ANNE, BEST))
    assert addresses(source, PUBLIC, ANNE) == [BEST]
    assert addresses(source, APICRYPT, ANNE) == [NATIVE_ANNE, BEST]


def test_what_is_not_reliable_is_shown_to_nobody(source: StoreSource) -> None:
    told.list_domains(source.store(), "ch-exemple.mssante.fr")
    told.publish(
        source.store(),
        person(ANNE, "a@hors-liste.mssante.fr"),
        person(LUC, "1@patient.mssante.fr"),
        person(rpps(37), "x@ch-exemple.mssante.fr", nom=""),
        person("8123", "y@ch-exemple.mssante.fr"),
        structure("z@hors-liste.mssante.fr"),
        person(rpps(45), "kept@CH-Exemple.mssante.fr"),
    )
    for audience in READERS:
        assert list(shown(source, audience)) == [f"uid={rpps(45)},{both.PERSONNES}"]


def test_an_address_that_two_people_claim_is_shown_of_neither(source: StoreSource) -> None:
    shared = "garde@ch-exemple.mssante.fr"
    told.publish(
        source.store(),
        person(ANNE, shared.upper()),
        person(ANNE, OTHER),
        person(LUC, shared, nom="MARTIN"),
    )
    for audience in READERS:
        assert addresses(source, audience, ANNE) == [OTHER]
        assert addresses(source, audience, LUC) is None
    told.publish(source.store(), person(ANNE, OTHER), person(LUC, shared, nom="MARTIN"))
    assert addresses(source, PUBLIC, LUC) == [shared]


def test_a_liste_blanche_decides_as_soon_as_it_is_loaded(source: StoreSource, tmp_path: Path) -> None:
    store, folder = source.store(), IndexFolder(tmp_path / "index")
    told.publish(store, person(ANNE, BEST), person(ANNE, OTHER), structure("s@medecin.mssante.fr"))
    refresh.refresh(source, folder)
    for domains, expected in (
        (None, [BEST, OTHER]),
        (["ch-exemple.mssante.fr"], [BEST]),
        (["medecin.mssante.fr"], [OTHER]),
        (["ch-exemple.mssante.fr", "medecin.mssante.fr"], [BEST, OTHER]),
        (["autre.mssante.fr"], None),
    ):
        if domains is not None:
            told.list_domains(store, *domains)
        assert sorted(addresses(source, PUBLIC, ANNE) or []) == sorted(expected or [])
        refresh.refresh(source, folder)
        octets = answer(folder, PUBLIC)
        assert {one for one in (BEST, OTHER) if one.encode() in octets} == set(expected or [])


# ------------------------------------------------------------------ the fixtures


def test_the_invented_people_of_both_networks_are_one_directory(tmp_path: Path) -> None:
    source = StoreSource("", tmp_path / "var", both.SUFFIX)
    both.filled(source)
    views = {name: shown(source, audience) for name, audience in NAMES.items()}

    def mail(audience: str, holder: str) -> list[str] | None:
        found = views[audience].get(f"uid={holder},{both.PERSONNES}")
        return None if found is None else found["mail"]

    hospital = "jeanne.dupont@ch-exemple.mssante.fr"
    assert mail("public", "899900010051") == mail("mssante", "899900010051") == [hospital]
    assert mail("apicrypt", "899900010051") == ["jeanne.DUPONT@medical59.apicrypt.org", hospital]
    assert mail("public", "899900010077") == ["paul.martin@medecin.mssante.fr"], "his account is suspended"
    assert mail("apicrypt", "899900010077") == ["paul.martin@medecin.mssante.fr"]
    assert mail("apicrypt", "899900019003") == [
        "olivier.FAURE2@medical59.apicrypt.org",
        "olivier.FAURE@medical62.apicrypt.org",
        "olivier.faure@ch-exemple.mssante.fr",
    ]
    assert mail("apicrypt", "0999399991") == [
        "camille.DURAND@medical59.apicrypt.org",
        "camille.durand.psy@ch-exemple.mssante.fr",
    ]
    assert mail("apicrypt", "899900020423") == ["lucas.lefevre@medecin.mssante.fr"], "names join nobody"
    assert len([name for name in views["public"] if name.endswith(both.STRUCTURES)]) == 12
    every = [address for view in views.values() for one in view.values() for address in one.get("mail", ())]
    for never in ("hors-liste", "patient.mssante.fr", "garde@", "ancien.mssante.fr", "egare.publie"):
        assert not [address for address in every if never in address.lower()]
    strangers = {address for one in views["public"].values() for address in one["mail"]}
    assert not any("@medical" in address for address in strangers)
    source.store().close()
