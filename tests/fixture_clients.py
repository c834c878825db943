"""Reads fixtures/clients: what real clients send and what they must get (see the README there). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "fixtures" / "clients"

SCOPES = {"base": 0, "one": 1, "sub": 2}
DEREFS = {"never": 0, "searching": 1, "finding": 2, "always": 3}
BINDS = ("none", "anonymous", "anonymous v2", "admin")

SORT = "1.2.840.113556.1.4.473"
SORT_RESPONSE = "1.2.840.113556.1.4.474"
PAGED = "1.2.840.113556.1.4.319"
VLV = "2.16.840.1.113730.3.4.9"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"


@dataclass(frozen=True)
class Control:
    """As it stands in the message; `page_size` says that the value carries a cookie, to be replaced."""

    oid: str
    critical: bool
    value: bytes | None
    page_size: int = 0


@dataclass(frozen=True)
class Request:
    name: str
    filter: str
    bind: str = "none"
    base: str = "o=apicrypt,c=FR"
    scope: int = 2
    deref: int = 0
    size: int = 0
    time: int = 0
    types_only: bool = False
    attributes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    sort: tuple[str, bool] | None = None  # key, reverse: what a sort control asks, in words
    window: tuple[int, int, int | str] | None = None  # before, after, and an offset or a value


@dataclass
class Answer:
    name: str
    result: int
    matched: str = ""
    # DNs, and addresses for people that are computed; None: only their number is said.
    dns: list[str] | None = field(default_factory=list)
    count: int = 0
    surely: list[str] = field(default_factory=list)
    perhaps: list[str] = field(default_factory=list)
    order: str | None = None
    attributes: set[str] | None = None  # in lower case; None: not said
    at_least: set[str] = field(default_factory=set)
    sort_result: int | None = None
    window: tuple[int, int] | None = None  # position and length
    paged: bool = False
    pages: list[int] = field(default_factory=list)


def load(path: Path) -> list[tuple[Request, Answer]]:
    """Read the requests of one client with their answers, from NAME.in and NAME.ref beside it."""
    requests = load_requests(path.with_suffix(".in"))
    answers = [_answer(fields) for fields in _paragraphs(path.with_suffix(".ref"))]
    if [request.name for request in requests] != [answer.name for answer in answers]:
        raise ValueError(f"{path}: the requests and the answers do not have the same names in the same order")
    return list(zip(requests, answers, strict=True))


def load_requests(path: Path) -> list[Request]:
    paragraphs = _paragraphs(path)
    common = paragraphs.pop(0) if "request" not in dict(paragraphs[0]) else []
    return [_request(common, fields) for fields in paragraphs]


def clients() -> list[Path]:
    return sorted(FOLDER.glob("*.in"))


def _paragraphs(path: Path) -> list[list[tuple[str, str]]]:
    """Read paragraphs of `name: value` lines; those of comments alone are left out."""
    paragraphs = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if lines:
            paragraphs.append(
                [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
            )
    return paragraphs


def _request(common: list[tuple[str, str]], own: list[tuple[str, str]]) -> Request:
    named = {name for name, _ in own}
    fields = [pair for pair in common if pair[0] not in named] + own
    single = dict(fields)
    unknown = set(single) - {
        "request", "bind", "base", "scope", "deref", "size", "time", "types only", "filter", "attributes",
        "control",
    }  # fmt: skip
    if unknown or single.get("bind", "none") not in BINDS:
        raise ValueError(f"{single['request']}: {unknown or single['bind']}")
    wanted = [value for name, value in fields if name == "control"]
    sorts = [value.split()[1:] for value in wanted if value.startswith("sort ")]
    return Request(
        name=single["request"],
        filter=single["filter"],
        bind=single.get("bind", "none"),
        base=single.get("base", Request.base),
        scope=SCOPES[single.get("scope", "sub")],
        deref=DEREFS[single.get("deref", "never")],
        size=int(single.get("size", 0)),
        time=int(single.get("time", 0)),
        types_only=single.get("types only") == "yes",
        attributes=tuple(single.get("attributes", "").split()),
        controls=tuple(_control(value) for value in wanted),
        window=next((_window(value.split()[1])[:3] for value in wanted if value.startswith("vlv ")), None),
        sort=(sorts[0][0].split(":")[0], "reverse" in sorts[0]) if sorts else None,
    )


def _control(text: str) -> Control:
    kind, *words = text.split()
    critical = "critical" in words
    if kind == "manage-dsait":
        return Control(MANAGE_DSA_IT, critical, None)
    if kind == "paged":
        return Control(PAGED, critical, paged_value(int(words[0]), b""), page_size=int(words[0]))
    if kind == "sort":
        key, _, rule = words[0].partition(":")
        inner = _tlv(0x04, key.encode())
        if rule:
            inner += _tlv(0x80, rule.encode())
        if "reverse" in words:
            inner += _tlv(0x81, b"\xff")
        return Control(SORT, critical, _tlv(0x30, _tlv(0x30, inner)))
    if kind == "vlv":
        before, after, target, content = _window(words[0])
        if isinstance(target, str):
            inner = _tlv(0x81, target.encode())
        else:
            inner = _tlv(0xA0, _integer(target) + _integer(content))
        return Control(VLV, critical, _tlv(0x30, _integer(before) + _integer(after) + inner))
    raise ValueError(f"control: {text}")


def _window(text: str) -> tuple[int, int, int | str, int]:
    """Read BEFORE/AFTER:VALUE or BEFORE/AFTER/OFFSET/COUNT, as ldapsearch writes them."""
    numbers, colon, value = text.partition(":")
    before, after, *rest = map(int, numbers.split("/"))
    return (before, after, value, 0) if colon else (before, after, rest[0], rest[1])


def _integer(number: int) -> bytes:
    return _tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def paged_value(size: int, cookie: bytes) -> bytes:
    """Encode the value of a paged results control (RFC 2696)."""
    number = size.to_bytes(size.bit_length() // 8 + 1, "big")
    return _tlv(0x30, _tlv(0x02, number) + _tlv(0x04, cookie))


def _tlv(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _answer(fields: list[tuple[str, str]]) -> Answer:
    single = dict(fields)
    answer = Answer(single["request"], int(single["result"]), single.get("matched", ""))
    every = {name: [value for other, value in fields if other == name] for name in single}
    answer.dns = every.get("dn", [])
    answer.count = len(answer.dns)
    if "count" in single:
        answer.dns = None
        answer.count = int(single["count"])
    answer.surely = every.get("surely", [])
    answer.perhaps = every.get("perhaps", [])
    answer.order = single.get("order", "").removeprefix("sort ") or None
    if "attributes" in single:
        answer.attributes = set(single["attributes"].lower().split()) - {"none"}
    answer.at_least = set(single.get("at least", "").lower().split())
    for control in every.get("control", []):
        answer.paged = answer.paged or control == "paged"
        if control.startswith("sort "):
            answer.sort_result = int(control.split()[1])
        if control.startswith("vlv "):
            position, length = control.split()[1:]
            answer.window = int(position), int(length)
    answer.pages = [int(size) for size in single.get("pages", "").split()]
    return answer
