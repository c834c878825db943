"""The requests of the bench: what real clients send when somebody types, one shape each, and their mix.

Typed texts are chosen so that both servers must answer the same entries although only ours folds accents:
plain letters of an ASCII surname. Where such a text lies in a folded name it lies in the address too, which
is the name without accents; what lies only in an accented profession, or begins an accented name, is left out.
"""

import random
import struct
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from annuaire.ldap import ber, filters

SUFFIX = "o=apicrypt,c=FR"
SORT_OID = b"1.2.840.113556.1.4.473"
SORT_RULE = b"2.5.13.3"  # caseIgnoreOrderingMatch, named: without it slapd answers 18 for cn
OWN_CONNECTION = 1  # flag of a visit, as loadgen.c has it
BASE, SUBTREE = 0, 2

# What the clients ask for by name; nothing means every user attribute (Thunderbird, a reading of one entry).
OUTLOOK = (
    "cn commonName mail roleOccupant display-name displayname sn surname co organizationName o givenName "
    "legacyExchangeDN objectClass uid mailNickname title company physicalDeliveryOfficeName telephoneNumber"
)
ROUNDCUBE = (
    "cn sn givenname title mail homephone telephonenumber mobile pager facsimiletelephonenumber street "
    "postalcode st l c o ou description jpegphoto objectClass"
)
IOS = "givenName sn cn mail telephoneNumber facsimileTelephoneNumber o title ou street l st postalCode c"

ANY_NAME = "(|(cn=*{0}*)(mail=*{0}*)(givenName=*{0}*)(sn=*{0}*))"
ROUNDCUBE_FILTER = "(&(objectClass=inetOrgPerson)(|(cn=*{0}*)(givenname=*{0}*)(sn=*{0}*)(mail=*{0}*)))"
OUTLOOK_FILTER = "(&(mail=*)(|(mail={0}*)(|(cn={0}*)(|(sn={0}*)(givenName={0}*)))))"
IOS_FILTER = (
    "(|(o={0}*)(cn={0}*)(ou={0}*)(sn={0}*)(mail={0}*)(IMHandle={0}*)(givenname={0}*)(postalAddress={0}*)"
    "(telephoneNumber={0}*))"
)
BOOK_FILTER = (
    "(|(cn=*{0}*)(givenName=*{0}*)(sn=*{0}*)(mozillaNickname=*{0}*)(mail=*{0}*)(mozillaSecondEmail=*{0}*)"
    "(&(description=*{0}*))(o=*{0}*)(ou=*{0}*)(title=*{0}*)(mozillaWorkUrl=*{0}*)(mozillaHomeUrl=*{0}*))"
)
MAIL_TABLE_FILTER = "(|(mail={0})(mailAlternateAddress={0}))"

REQUESTS = 20_000  # of each shape, from people drawn without repetition
TYPED_LENGTHS = (1, 2, 3, 4, 6)  # where a typing user pauses, equally often; and after a second word


class Named(Protocol):
    given: str
    surname: str
    mail: str
    rpps: str
    title: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of request: what is asked of a person, and whether each has its own connection."""

    name: str
    about: str
    make: Callable[["Person"], bytes]
    compared: bool = True  # False: slapd has no index for it and would scan; run only when asked for by name


@dataclass(frozen=True, slots=True)
class Person:
    """What the requests need of a person whose name can be typed in plain letters."""

    mail: str
    uid: str
    given: str
    surname: str


def encode_filter(part: filters.Filter) -> bytes:
    """A filter as RFC 4511 §4.5.1.7 encodes it; the choices that the shapes use."""
    match part:
        case filters.And(parts):
            return ber.sequence(map(encode_filter, parts), 0xA0)
        case filters.Or(parts):
            return ber.sequence(map(encode_filter, parts), 0xA1)
        case filters.Equality(attribute, value):
            return ber.sequence([ber.octets(attribute.encode()), ber.octets(value)], 0xA3)
        case filters.Substrings(attribute, initial, middle, final):
            pieces = [] if initial is None else [ber.octets(initial, 0x80)]
            pieces += [ber.octets(piece, 0x81) for piece in middle]
            pieces += [] if final is None else [ber.octets(final, 0x82)]
            return ber.sequence([ber.octets(attribute.encode()), ber.sequence(pieces)], 0xA4)
        case filters.Present(attribute):
            return ber.octets(attribute.encode(), 0x87)
    raise ValueError(f"the shapes do not use {part!r}")


def bind(dn: str = "", password: str = "") -> bytes:
    """One BindRequest with message id 1."""
    request = [ber.integer(3), ber.octets(dn.encode()), ber.octets(password.encode(), 0x80)]
    return ber.sequence([ber.integer(1), ber.sequence(request, 0x60)])


BIND = bind()  # of nobody


def search(
    text: str,
    attributes: str = "",
    size: int = 100,
    time: int = 0,
    base: str = SUFFIX,
    scope: int = SUBTREE,
    controls: bytes = b"",
) -> bytes:
    """One SearchRequest with message id 2."""
    request = [
        ber.octets(base.encode()),
        ber.integer(scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(size),
        ber.integer(time),
        ber.boolean(False),
        encode_filter(filters.parse(text)),
        ber.sequence(ber.octets(name.encode()) for name in attributes.split()),
    ]
    return ber.sequence([ber.integer(2), ber.sequence(request, 0x63), controls])


def sort_control() -> bytes:
    key = ber.sequence([ber.octets(b"cn"), ber.octets(SORT_RULE, 0x80)])
    return ber.sequence([ber.sequence([ber.octets(SORT_OID), ber.octets(ber.sequence([key]))])], 0xA0)


def visit(*messages: bytes, own_connection: bool = False) -> bytes:
    """One visit as loadgen.c reads it."""
    data = b"".join(messages)
    return struct.pack("<IBxxx", len(data), OWN_CONNECTION if own_connection else 0) + data


def typing(
    template: str, length: int, attributes: str = "", controls: bytes = b""
) -> Callable[[Person], bytes]:
    """The visit of somebody who has typed so many letters."""
    return lambda person: visit(
        search(template.format(person.surname[:length]), attributes, controls=controls)
    )


def two_words(person: Person) -> bytes:
    return visit(search(f"(&{ANY_NAME.format(person.given[:4])}{ANY_NAME.format(person.surname[:5])})"))


SHAPES = (
    Shape("mail", "equality, hit", lambda p: visit(search(f"(mail={p.mail})", "mail", 0))),
    Shape("miss", "equality, miss", lambda p: visit(search(f"(mail=x{p.mail})", "mail", 0))),
    Shape("uid", "equality, whole entry", lambda p: visit(search(f"(uid={p.uid})", "", 0))),
    Shape("tb1", "Thunderbird, 1 letter", typing(ANY_NAME, 1)),
    Shape("tb2", "Thunderbird, 2 letters", typing(ANY_NAME, 2)),
    Shape("tb3", "Thunderbird, 3 letters", typing(ANY_NAME, 3)),
    Shape("tb4", "Thunderbird, 4 letters", typing(ANY_NAME, 4)),
    Shape("tb6", "Thunderbird, 6 letters", typing(ANY_NAME, 6)),
    Shape("rc3", "Roundcube, 3 letters", typing(ROUNDCUBE_FILTER, 3, ROUNDCUBE)),
    Shape("ol4", "Outlook, prefix of 4", typing(OUTLOOK_FILTER, 4, OUTLOOK)),
    Shape("two", "Thunderbird, two words", two_words),
    Shape("ios", "iOS, 9 prefixes of 4", typing(IOS_FILTER, 4, IOS), compared=False),
    Shape("book", "Thunderbird's book, 4 letters", typing(BOOK_FILTER, 4), compared=False),
    # Last: slapd 2.5's sssvlv corrupts its own heap now and then, and is restarted when it dies of it.
    Shape("sort3", "sorted, 3 letters", typing(ANY_NAME, 3, controls=sort_control())),
)


def mix_visit(source: random.Random, person: Person) -> bytes:
    """One visit of the mix, shares as a mail directory might see them: an assumption, no public trace exists.

    Left out of what real clients send: searches over attributes that slapd has no index for here (iOS, SOGo,
    Thunderbird's book) and a sorted list of everybody: slapd would scan for seconds and the mix would measure
    nothing else. Outlook's and the mail servers' connections stay open, the others are opened each time.
    """
    place = source.random() * 85
    text = person.surname[: source.choice(TYPED_LENGTHS)]
    if place < 30:
        if source.random() < 1 / (len(TYPED_LENGTHS) + 1):
            return visit(BIND, two_words(person)[8:], own_connection=True)
        return visit(BIND, search(ANY_NAME.format(text)), own_connection=True)
    if place < 40:  # no size limit of its own: both servers stop at their 500
        return visit(search(ROUNDCUBE_FILTER.format(text), ROUNDCUBE, 0), own_connection=True)
    if place < 50:
        return visit(search(OUTLOOK_FILTER.format(person.surname[:4]), OUTLOOK, 100, 60))
    if place < 70:
        table = "(mail={0})" if source.random() < 0.5 else MAIL_TABLE_FILTER
        return visit(search(table.format(person.mail), "mail", 0, 10))
    if place < 83:
        local, domain = person.mail.split("@")
        key = source.choice((f"{local}+news@{domain}", local, f"@{domain}"))
        return visit(search(MAIL_TABLE_FILTER.format(key), "mail", 0, 10))
    if place < 84:
        return visit(search(f"(mail={person.mail})", "userCertificate;binary", 2), own_connection=True)
    if source.random() < 0.5:
        return visit(search("(objectClass=*)", "* +", 0, base="", scope=BASE), own_connection=True)
    schema = search("(objectClass=subschema)", "* +", 0, base="cn=Subschema", scope=BASE)
    return visit(schema, own_connection=True)


def folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()


def typable(people: Iterator[Named]) -> list[Person]:
    """The people whose typed letters find the same entries on a server that does not fold accents."""
    titles: set[str] = set()
    begun_with_accent: set[str] = set()
    candidates = []
    for person in people:
        titles.add(person.title)
        surname, given = person.surname.lower(), person.given.lower()
        for name in (given, surname):
            if not name[:4].isascii():
                begun_with_accent.add(folded(name)[:4])
        if len(surname) >= 4 and all(text.isascii() and text.isalpha() for text in (surname, given[:4])):
            candidates.append(Person(person.mail, f"8{person.rpps}", given, surname))
    accented_titles = [title for title in titles if not title.isascii()]

    @cache
    def alike(text: str) -> bool:
        # One and two letters find more than any size limit on both servers, in accented professions or not.
        pieces = [text[:length] for length in range(3, len(text) + 1)]
        only_folded = (
            piece in folded(title) and piece not in title.lower()
            for title in accented_titles
            for piece in pieces
        )
        return text[:4] not in begun_with_accent and not any(only_folded)

    return [person for person in candidates if alike(person.surname[:6]) and alike(person.given[:4])]


def write_requests(people: Iterator[Named], seed: int, folder: Path) -> None:
    """The file of visits of every shape, `<name>.visits`, and of the mix."""
    source = random.Random(seed)
    chosen = typable(people)
    chosen = source.sample(chosen, min(REQUESTS, len(chosen)))
    folder.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES:
        (folder / f"{shape.name}.visits").write_bytes(b"".join(map(shape.make, chosen)))
    (folder / "mix.visits").write_bytes(b"".join(mix_visit(source, person) for person in chosen))


def read_visits(path: Path) -> list[bytes]:
    """The last message of each visit: what a check sends by itself."""
    data, at, requests = path.read_bytes(), 0, []
    while at < len(data):
        end = at + 8 + struct.unpack_from("<I", data, at)[0]
        at += 8
        while at < end:
            _, _, stop = ber.read(data, at, end)
            message, at = data[at:stop], stop
        requests.append(message)
    return requests
