"""Schema definitions as text: RFC 4512 §4.1 descriptions, and the `.schema` files of OpenLDAP that hold them.

Knows the grammar only: what a definition inherits and whether its names exist is settled in `schema`. Linear,
without recursion; every complaint names the file and the line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from annuaire.errors import Misconfigured
from annuaire.ldap import schema_ldif

# The largest schema file seen is under 100 kB: anything much larger is not a schema.
FILE_MAX = 4 * 1024 * 1024

ATTRIBUTE_TYPE = "attributetype"
OBJECT_CLASS = "objectclass"
SYNTAX = "ldapsyntax"
_MACRO = "objectidentifier"
_DIRECTIVES = {
    "attributetype": ATTRIBUTE_TYPE,
    "attributetypes": ATTRIBUTE_TYPE,
    "attribute": ATTRIBUTE_TYPE,
    "objectclass": OBJECT_CLASS,
    "objectclasses": OBJECT_CLASS,
    "ldapsyntax": SYNTAX,
    "ldapsyntaxes": SYNTAX,
    _MACRO: _MACRO,
}

_FLAGS = frozenset(
    ("OBSOLETE", "SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION", "ABSTRACT", "STRUCTURAL", "AUXILIARY")
)
_LISTS = frozenset(("NAME", "SUP", "MUST", "MAY"))
_SINGLES = frozenset(("DESC", "EQUALITY", "ORDERING", "SUBSTR", "SYNTAX", "USAGE"))
_QUOTED_FIELDS = frozenset(("NAME", "DESC"))
_KINDS = frozenset(("ABSTRACT", "STRUCTURAL", "AUXILIARY"))

# In the order of the grammar, which is the order of writing.
_FIELDS: dict[str, tuple[str, ...]] = {
    ATTRIBUTE_TYPE: (
        *("NAME", "DESC", "OBSOLETE", "SUP", "EQUALITY", "ORDERING", "SUBSTR", "SYNTAX"),
        *("SINGLE-VALUE", "COLLECTIVE", "NO-USER-MODIFICATION", "USAGE"),
    ),
    OBJECT_CLASS: ("NAME", "DESC", "OBSOLETE", "SUP", "ABSTRACT", "STRUCTURAL", "AUXILIARY", "MUST", "MAY"),
    SYNTAX: ("NAME", "DESC"),  # OpenLDAP accepts a name, RFC 4512 has none
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One description as written, macros expanded: field name in capitals to its values (none for a flag)."""

    directive: str
    oid: str
    fields: Mapping[str, tuple[str, ...]]
    where: str

    def names(self) -> tuple[str, ...]:
        return self.fields.get("NAME", ())

    def one(self, field: str) -> str | None:
        values = self.fields.get(field)
        return values[0] if values else None

    def complaint(self, text: str) -> Misconfigured:
        return Misconfigured(f"{self.where}: {text}")


def read(path: Path, macros: dict[str, str]) -> Iterator[Definition]:
    """Definitions of one file; the objectidentifier names found are added to `macros`."""
    try:
        data = path.read_bytes()
    except OSError as trouble:
        raise Misconfigured(f"{path}: cannot be read: {trouble.strerror}") from None
    if len(data) > FILE_MAX:
        raise Misconfigured(f"{path}: larger than {FILE_MAX} bytes, not a schema file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = data.count(b"\n", 0, trouble.start) + 1
        raise Misconfigured(f"{path}:{line}: not UTF-8 text") from None
    logical_lines = schema_ldif.lines(text, path) if schema_ldif.is_one(text) else _logical_lines(text)
    for line, logical in logical_lines:
        where = f"{path}:{line}"
        word, _, rest = logical.partition(" ")
        directive = _DIRECTIVES.get(word.lower())
        if directive is None:
            raise Misconfigured(
                f"{where}: directive {word[:40]!r} not understood; a schema file holds objectidentifier, "
                "attributetype, objectclass and ldapsyntax directives"
            )
        if directive is _MACRO:
            _define_macro(rest.split(), macros, where)
        else:
            yield parse(rest, directive, where, macros)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Directives with their continuation lines joined; a comment is a directive that begins with `#`."""
    pieces: list[str] = []
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if line[:1] in (" ", "\t") and pieces:
            pieces.append(line.strip())
            continue
        if pieces and not pieces[0].startswith("#"):
            yield first, " ".join(pieces)
        pieces, first = ([line.replace("\t", " ").strip()], number) if line.strip() else ([], number)
    if pieces and not pieces[0].startswith("#"):
        yield first, " ".join(pieces)


def _define_macro(words: list[str], macros: dict[str, str], where: str) -> None:
    if len(words) != 2:
        raise Misconfigured(f"{where}: objectidentifier takes a name and an object identifier")
    macros[words[0].lower()] = _expanded(words[1], macros, where)


_OID = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def _expanded(text: str, macros: Mapping[str, str], where: str) -> str:
    """An OID in digits, from digits, `macro` or `macro:1.2`."""
    if _OID.fullmatch(text):
        return text
    name, colon, suffix = text.partition(":")
    base = macros.get(name.lower())
    if base is None or (colon and not _OID.fullmatch(suffix)):
        raise Misconfigured(
            f"{where}: object identifier {text[:60]!r} is neither digits nor a macro defined above"
        )
    return f"{base}.{suffix}" if colon else base


# A quoted string, a parenthesis or dollar sign, or a bare word. The words of a quoted string may be anything
# but a quotation mark, which is written \27 (RFC 4512 §4.1).
_TOKEN = re.compile(r"\s*(?:'([^']*)'|([()$])|([^\s()$']+))")
_ESCAPE = re.compile(r"\\(27|5[cC])")


def _tokens(text: str, where: str) -> list[tuple[str, bool]]:
    """Tokens and whether each was quoted."""
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise Misconfigured(f"{where}: quotation mark not closed")
        quoted, sign, word = found.groups()
        if quoted is not None:
            quoted = _ESCAPE.sub(lambda escape: "'" if escape[1] == "27" else "\\", quoted)
            tokens.append((quoted, True))
        else:
            tokens.append((sign or word, False))
        position = found.end()
    return tokens


_SIGNS = frozenset("()$")


def parse(text: str, directive: str, where: str, macros: Mapping[str, str]) -> Definition:
    """One description in parentheses."""
    tokens = _tokens(text, where)
    if len(tokens) < 3 or tokens[0] != ("(", False) or tokens[-1] != (")", False):
        raise Misconfigured(f"{where}: a {directive} stands between parentheses")
    oid = _expanded(tokens[1][0], macros, where)
    fields: dict[str, tuple[str, ...]] = {}
    position, end = 2, len(tokens) - 1
    while position < end:
        keyword, quoted = tokens[position]
        position += 1
        field = keyword.upper()
        if quoted or not (field in _FLAGS or field in _LISTS or field in _SINGLES or field.startswith("X-")):
            raise Misconfigured(f"{where}: {keyword[:40]!r} not understood in a {directive}")
        if field in fields:
            raise Misconfigured(f"{where}: {field} given twice")
        if not field.startswith("X-") and field not in _FIELDS[directive]:
            raise Misconfigured(f"{where}: {field} does not belong in a {directive}")
        if field in _FLAGS:
            fields[field] = ()
            continue
        values, position = _values(tokens, position, end)
        if not values or (field in _SINGLES and len(values) != 1):
            raise Misconfigured(f"{where}: {field} takes {'one value' if field in _SINGLES else 'a value'}")
        if field == "SYNTAX":
            oid_text, brace, bound = values[0].partition("{")
            values = (_expanded(oid_text, macros, where) + brace + bound,)
        fields[field] = values
    if len(_KINDS & fields.keys()) > 1:
        raise Misconfigured(f"{where}: a class is one of ABSTRACT, STRUCTURAL and AUXILIARY")
    return Definition(directive, oid, fields, where)


def _values(tokens: list[tuple[str, bool]], position: int, end: int) -> tuple[tuple[str, ...], int]:
    if position >= end:
        return (), position
    word, quoted = tokens[position]
    position += 1
    if quoted or word != "(":
        return ((word,) if quoted or word not in _SIGNS else ()), position
    values: list[str] = []
    while position < end:
        word, quoted = tokens[position]
        position += 1
        if not quoted and word == ")":
            return tuple(values), position
        if quoted or word not in _SIGNS:
            values.append(word)
    return (), position


def format(definition: Definition) -> str:  # noqa: A001 - read as schema_text.format(definition)
    """RFC 4512 text, fields in the order of its grammar."""
    pieces = ["(", definition.oid]
    extensions = [field for field in definition.fields if field.startswith("X-")]
    for field in (*_FIELDS[definition.directive], *extensions):
        values = definition.fields.get(field)
        if values is None:
            continue
        pieces.append(field)
        if field in _QUOTED_FIELDS or field.startswith("X-"):
            pieces.append(group([quote(value) for value in values], " "))
        elif values:
            pieces.append(group(values, " $ "))
    pieces.append(")")
    return " ".join(pieces)


def group(values: "list[str] | tuple[str, ...]", separator: str) -> str:
    return values[0] if len(values) == 1 else f"( {separator.join(values)} )"


def quote(value: str) -> str:
    return "'" + value.replace("\\", "\\5C").replace("'", "\\27") + "'"
