"""What a client sends and reads, for tests: requests as bytes (RFC 4511 §4), answers as values."""

from collections.abc import Iterable, Sequence

from annuaire.ldap import ber, controls, filters, responses
from annuaire.ldap.framing import Framer
from annuaire.ldap.messages import Control

SUFFIX = "o=apicrypt,c=FR"


def message(number: int, operation: bytes, sent: Iterable[Control] = ()) -> bytes:
    return ber.sequence([ber.integer(number), operation, controls.encode_controls(sent)])


def bind(
    number: int = 1,
    name: str = "",
    password: bytes | str = b"",
    version: int = 3,
    sent: Sequence[Control] = (),
) -> bytes:
    secret = password.encode() if isinstance(password, str) else password
    body = ber.integer(version) + ber.octets(name.encode()) + ber.octets(secret, 0x80)
    return message(number, ber.tlv(0x60, body), sent)


def sasl(number: int, mechanism: str, credentials: bytes | None = None) -> bytes:
    method = ber.octets(mechanism.encode()) + (b"" if credentials is None else ber.octets(credentials))
    body = ber.integer(3) + ber.octets(b"") + ber.tlv(0xA3, method)
    return message(number, ber.tlv(0x60, body))


def unbind(number: int = 99) -> bytes:
    return message(number, ber.tlv(0x42, b""))


def abandon(number: int, abandoned: int) -> bytes:
    return message(number, ber.integer(abandoned, 0x50))


def search(
    number: int = 1,
    filter: str = "(objectClass=*)",  # noqa: A002
    base: str = SUFFIX,
    scope: int = 2,
    attributes: Sequence[str] = (),
    size_limit: int = 0,
    time_limit: int = 0,
    types_only: bool = False,
    deref: int = 0,
    sent: Sequence[Control] = (),
) -> bytes:
    body = b"".join(
        (
            ber.octets(base.encode()),
            ber.integer(scope, ber.ENUMERATED),
            ber.integer(deref, ber.ENUMERATED),
            ber.integer(size_limit),
            ber.integer(time_limit),
            ber.boolean(types_only),
            encoded(filters.parse(filter, depth_max=1000)),
            ber.sequence([ber.octets(attribute.encode()) for attribute in attributes]),
        )
    )
    return message(number, ber.tlv(0x63, body), sent)


def compare(number: int, dn: str, attribute: str, value: bytes, sent: Sequence[Control] = ()) -> bytes:
    assertion = ber.sequence([ber.octets(attribute.encode()), ber.octets(value)])
    return message(number, ber.tlv(0x6E, ber.octets(dn.encode()) + assertion), sent)


def delete(number: int, dn: str, sent: Sequence[Control] = ()) -> bytes:
    return message(number, ber.octets(dn.encode(), 0x4A), sent)


def add(number: int, dn: str, attributes: dict[str, list[bytes]], sent: Sequence[Control] = ()) -> bytes:
    body = ber.octets(dn.encode()) + ber.sequence([ber.encode_attributes(attributes)])
    return message(number, ber.tlv(0x68, body), sent)


def modify(
    number: int,
    dn: str,
    attribute: str,
    values: list[bytes],
    operation: int = 2,
    sent: Sequence[Control] = (),
) -> bytes:
    """One change of one attribute; operation 0 adds, 1 deletes, 2 replaces, 3 increments."""
    return changes(number, dn, [(operation, attribute, values)], sent)


def changes(
    number: int, dn: str, wanted: Sequence[tuple[int, str, list[bytes]]], sent: Sequence[Control] = ()
) -> bytes:
    """A modify of several changes."""
    parts = [
        ber.sequence([ber.integer(operation, ber.ENUMERATED), ber.encode_attributes({attribute: values})])
        for operation, attribute, values in wanted
    ]
    return message(number, ber.tlv(0x66, ber.octets(dn.encode()) + ber.sequence(parts)), sent)


def modify_dn(
    number: int,
    dn: str,
    new_rdn: str,
    new_superior: str | None = None,
    delete_old: bool = True,
    sent: Sequence[Control] = (),
) -> bytes:
    body = ber.octets(dn.encode()) + ber.octets(new_rdn.encode()) + ber.boolean(delete_old)
    if new_superior is not None:
        body += ber.octets(new_superior.encode(), 0x80)
    return message(number, ber.tlv(0x6C, body), sent)


def extended(number: int, oid: str, value: bytes | None = None, sent: Sequence[Control] = ()) -> bytes:
    body = ber.octets(oid.encode(), 0x80) + (b"" if value is None else ber.octets(value, 0x81))
    return message(number, ber.tlv(0x77, body), sent)


def asserting(filter: str, critical: bool = True) -> Control:  # noqa: A002
    """The control of RFC 4528."""
    return Control(controls.ASSERTION, critical, encoded(filters.parse(filter)))


def encoded(part: filters.Filter) -> bytes:
    if isinstance(part, filters.And | filters.Or):
        tag = 0xA0 if isinstance(part, filters.And) else 0xA1
        return ber.tlv(tag, b"".join(encoded(one) for one in part.parts))
    if isinstance(part, filters.Not):
        return ber.tlv(0xA2, encoded(part.part))
    if isinstance(part, filters.Present):
        return ber.octets(part.attribute.encode(), 0x87)
    if isinstance(part, filters.Substrings):
        pieces = []
        if part.initial is not None:
            pieces.append(ber.octets(part.initial, 0x80))
        pieces += [ber.octets(piece, 0x81) for piece in part.any]
        if part.final is not None:
            pieces.append(ber.octets(part.final, 0x82))
        return ber.tlv(0xA4, ber.octets(part.attribute.encode()) + ber.sequence(pieces))
    if isinstance(part, filters.Extensible):
        body = b"" if part.rule is None else ber.octets(part.rule.encode(), 0x81)
        body += b"" if part.attribute is None else ber.octets(part.attribute.encode(), 0x82)
        body += ber.octets(part.value, 0x83)
        return ber.tlv(0xA9, body + (ber.boolean(True, 0x84) if part.dn_attributes else b""))
    tags = {
        filters.Equality: 0xA3,
        filters.GreaterOrEqual: 0xA5,
        filters.LessOrEqual: 0xA6,
        filters.Approximate: 0xA8,
    }
    return ber.tlv(tags[type(part)], ber.octets(part.attribute.encode()) + ber.octets(part.value))


def read(data: bytes) -> list[responses.Response]:
    """All the answers in some bytes, which must end with the last of them."""
    framer = Framer(1 << 30)
    answers = [responses.decode_response(frame) for frame in framer.feed(data)]
    assert framer.pending == 0, "the answer ends in the middle of a message"
    return answers


def codes(data: bytes) -> list[tuple[int, int]]:
    """Message id and result code of each answer that ends an operation."""
    return [
        (answer.message_id, answer.operation.code)
        for answer in read(data)
        if isinstance(answer.operation, responses.Result)
    ]


def entries(data: bytes) -> list[responses.Entry]:
    return [answer.operation for answer in read(data) if isinstance(answer.operation, responses.Entry)]
