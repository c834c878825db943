"""Filters whose answer can be read off: words of any length, classes, values that many share, an empty directory."""

from collections.abc import Iterable
from pathlib import Path

import invented_directory as invented
import pytest
import small_chunks
from invented_directory import SUFFIX, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index import layout, pages
from annuaire.index.folder import IndexFolder
from annuaire.ldap import filters, messages

ROOT = Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]})


def person(uid: str, **attributes: str | list[str]) -> Thing:
    encoded = {"objectClass": [b"inetOrgPerson"], "uid": [uid.encode()]}
    for name, given in attributes.items():
        values = [given] if isinstance(given, str) else given
        encoded[SCHEMA_NAME.get(name, name)] = [value.encode() for value in values]
    return Thing(f"uid={uid},{SUFFIX}", encoded)


SCHEMA_NAME = {"lang": "cn;lang-fr", "phone": "telephoneNumber"}


@pytest.fixture(params=["base", "recent"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param)


def directory(tmp_path: Path, where: str, things: Iterable[Thing]) -> Client:
    """The same entries in a base, or all of them but the root written since."""
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, [ROOT, *(things if where == "base" else [])])
    if where == "recent":
        invented.write(folder, [], things)
    return Client(folder)


def uids(client: Client, text: str | filters.Filter, **more: int) -> str:
    answer = client.ask(text, Audience.PUBLIC, scope=messages.ONE_LEVEL, **more)
    return " ".join(sorted(name.partition(",")[0].removeprefix("uid=") for name in answer.names))


def typed(piece: str) -> str:
    return "(|" + "".join(f"({name}=*{piece}*)" for name in ("cn", "mail", "givenName", "sn")) + ")"


def test_any_part_of_a_very_long_word_is_found(tmp_path: Path, where: str) -> None:
    word = "".join(chr(ord("a") + (i * i + i // 7) % 26) for i in range(130))
    client = directory(tmp_path, where, [person("long", sn=word), person("other", sn=word[:70][::-1])])
    for length in (4, 5, 23, 24, 25, 47, 48, 49, 64, 65, 100):
        for start in range(0, len(word) - length + 1, 3):
            piece = word[start : start + length]
            expected = "long" if piece not in word[:70][::-1] else "long other"
            assert uids(client, typed(piece)) == expected
            assert uids(client, typed(piece), size=5) == expected
            assert uids(client, typed(f"{piece}x{piece}")) == ""
    client.close()


def test_pieces_match_in_one_value_in_order_and_without_overlap(tmp_path: Path, where: str) -> None:
    people = [
        person("a", sn=["abcab", "xyz"]),
        person("b", sn=["ab", "ca"]),
        person("c", cn="ab", sn="ca"),
        person("d", givenName="abc", mail="ab@cab.fr"),
    ]
    client = directory(tmp_path, where, people)
    union = "(|(cn={0})(mail={0})(givenName={0})(sn={0}))"
    for pattern, expected in [
        ("ab*ab", "a"),
        ("ab*cab*", "a d"),
        ("*b*c*", "a d"),
        ("*ab*bc*", ""),
        ("abc*bcab", ""),
        ("abc*ab", "a"),
        ("a*b*@*b*fr", "d"),
        ("*xyz*ab*", ""),
        ("*c*a*b*", "a d"),
        ("*", "a b c d"),
        ("* *", "a b c d"),
        ("-*-", "a b c d"),
        ("ab*", "a b c d"),
        ("*ca", "b c"),
    ]:
        assert uids(client, union.format(pattern)) == expected, pattern
    assert uids(client, "(sn=ab*ca)") == ""
    assert uids(client, "(sn=*-*)") == "a b c"
    assert uids(client, "(!(sn=*-*))") == "d"
    client.close()


def test_an_entry_is_of_its_superclasses_wherever_that_is_asked(tmp_path: Path, where: str) -> None:
    client = directory(tmp_path, where, [person("a", sn="dupontel"), person("b", sn="dupontin")])
    for name in ("inetOrgPerson", "INETORGPERSON", "organizationalPerson", "person", "top", "2.5.6.6"):
        assert uids(client, f"(&(objectClass={name})(uid=*))") == "a b"
        # Beside what is verified entry by entry.
        assert uids(client, f"(&(objectClass={name})(sn=*upont*l))") == "a"
        assert uids(client, f"(&(sn=*upont*)(!(objectClass={name})))") == ""
        assert uids(client, f"(&(sn=*upont*n)(objectClass={name}))", size=1) == "b"
    assert uids(client, "(&(uid=*)(objectClass=groupOfNames))") == ""
    assert uids(client, "(&(uid=*)(!(objectClass=groupOfNames)))") == "a b"
    assert uids(client, "(&(uid=*)(!(objectClass=inconnue)))") == "", "Undefined"
    client.close()


def test_options_are_subtypes_and_a_language_may_be_a_range(tmp_path: Path, where: str) -> None:
    people = [person("a", cn="x"), person("b", lang="x"), person("c", **{"cn;lang-fr-ca": "x"})]
    client = directory(tmp_path, where, people)
    for description, expected in [
        ("cn", "a b c"),
        ("name", "a b c"),
        ("cn;lang-fr", "b"),
        ("CN;LANG-FR-CA", "c"),
        ("cn;lang-fr-", "b c"),
        ("cn;lang-", "b c"),
        ("cn;lang-en", ""),
        ("sn", ""),
    ]:
        for text in ("{}=x", "{}=*", "{}=x*", "{}=*x*", "{}~=x", "{}>=x", "{}:=x"):
            assert uids(client, f"({text.format(description)})") == expected, (text, description)
    client.close()


def test_words_that_are_unfinished_or_one_letter_wrong_sound_alike(tmp_path: Path, where: str) -> None:
    people = [
        person("a", sn="Dupont", cn="Jean-Michel Dupont"),
        person("b", sn="Dupond", cn="Jeanne Dupond"),
        person("c", sn="Dumont"),
        person("d", sn="Du Pont"),
        person("e", sn="Duhpont", mail="pierre.dupont@x.fr"),
    ]
    client = directory(tmp_path, where, people)
    for text, expected in [
        ("sn~=dupont", "a b c e"),
        ("sn~=DUPÔNT", "a b c e"),
        ("sn~=dupon", "a b"),
        ("sn~=pont", "d"),
        ("sn~=du pont", "d"),
        ("sn~=upont", "a d"),
        ("sn~=dpuont", ""),
        ("cn~=jean dupont", "a b"),
        ("cn~=dupont jean-mich", "a"),
        ("mail~=dupond", "e"),
        ("sn~=-", ""),
        ("apicryptVersion~=1", ""),
    ]:
        assert uids(client, f"({text})") == expected, text
    client.close()


def test_a_value_that_many_entries_share_is_counted_in_every_chunk(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks.set_in(monkeypatch)
    monkeypatch.setattr(layout, "LISTED_MAX", 4)
    monkeypatch.setattr(pages, "HEAVY_MIN", 11)  # l0 to l2: ten or eleven in each chunk
    people = [person(f"p{i:03d}", sn="commun", l=f"l{i % 3}", uidNumber=f"{i}") for i in range(200)]
    client = directory(tmp_path, where, people)
    assert uids(client, "(sn=commun)").count("p") == 200
    assert uids(client, "(&(sn=commun)(l=l1))").count("p") == 67
    assert uids(client, "(&(sn=commun)(!(l=l1)))").count("p") == 133
    assert uids(client, "(&(l=l0)(l=l1))") == ""
    assert uids(client, "(uidNumber=150)") == "p150"
    assert uids(client, "(|(uidNumber=3)(uidNumber=199)(uidNumber=64))") == "p003 p064 p199"
    assert uids(client, "(uidNumber>=198)") == "p198 p199"
    assert uids(client, "(&(uidNumber<=10)(l=l0))") == "p000 p003 p006 p009"
    assert len(client.ask("(sn=commun)", size=50).names) == 50
    client.close()


def test_an_empty_directory_answers(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, [])
    client = Client(folder)
    answer = client.ask("(cn=*a*)")
    assert (answer.code, answer.result.matched) == (32, b"")
    invented.write(folder, [], [ROOT, person("a", cn="a")])
    assert uids(client, "(cn=*a*)") == "a"
    assert uids(client, typed("a"), size=1) == "a"
    client.close()


def test_values_longer_than_any_key_are_found(tmp_path: Path, where: str) -> None:
    text = " ".join(f"mot{number}" for number in range(9000))
    client = directory(tmp_path, where, [person("a", description=text), person("b", description="mot1")])
    assert len(text) > 65536
    assert uids(client, filters.Equality("description", text.encode())) == "a"
    assert uids(client, "(description=*mot8999)") == "a"
    assert uids(client, "(description=*mot6000 mot6001*)") == "a"
    assert uids(client, "(description=mot1)") == "b"
    assert uids(client, filters.Substrings("description", None, (text[70:60000].encode(),), None)) == "a"
    client.close()


def test_telephone_numbers_are_found_without_their_spaces(tmp_path: Path, where: str) -> None:
    client = directory(
        tmp_path, where, [person("a", phone="+33 3 53-01 00 02"), person("b", phone="+33 353010003")]
    )
    for text, expected in [
        ("=+33353010002", "a"),
        ("=+33 3 53 01 00 03", "b"),
        ("=*5301*", "a b"),
        ("=*53 01-000*3", "b"),
        ("=+33*2", "a"),
        ("=* *", "a b"),
        ("=*-*", "a b"),
    ]:
        assert uids(client, f"(telephoneNumber{text})") == expected, text
    client.close()
