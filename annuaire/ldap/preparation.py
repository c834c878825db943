"""String preparation before values are compared (RFC 4518): map, normalise, prohibit, insignificant spaces.

Two deviations, on purpose: RFC 4518 prohibits what Unicode 3.2 had not assigned, we what the running Python's
Unicode has not, so that a name with a newer character can be found; and a blank counts as one even before a
combining mark. Every function is idempotent and linear.
"""

import re
import unicodedata

# RFC 4518 §2.2: soft hyphen, joiners, variation selectors and control codes are mapped to nothing …
_TO_NOTHING = (
    *range(0x09),
    *range(0x0E, 0x20),
    *range(0x7F, 0x85),
    *range(0x86, 0xA0),
    0xAD,
    0x034F,
    0x06DD,
    0x070F,
    0x1806,
    *range(0x180B, 0x180F),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2064),
    *range(0x206A, 0x2070),
    *range(0xFE00, 0xFE10),
    0xFEFF,
    *range(0xFFF9, 0xFFFD),
    *range(0x1D173, 0x1D17B),
    0xE0001,
    *range(0xE0020, 0xE0080),
)
# … and every kind of blank to SPACE.
_TO_SPACE = (
    *range(0x09, 0x0E),
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
)
_IS_MAPPED = re.compile(f"[{''.join(re.escape(chr(code)) for code in (*_TO_NOTHING, *_TO_SPACE))}]")
_MAP: dict[int, str | None] = {**dict.fromkeys(_TO_NOTHING), **dict.fromkeys(_TO_SPACE, " ")}

# RFC 4518 §2.4: unassigned, private use, surrogates and the replacement character may not take part.
_PROHIBITED = frozenset(("Cn", "Co", "Cs"))
# Blocks without any prohibited character, so that ordinary European text is not examined one by one.
_CERTAINLY_ALLOWED = re.compile("[\u0000-\u036f\u0400-\u052f\u1e00-\u1eff\u2010-\u2027\u2030-\u205f]*")

# Western European text that mapping and normalisation leave alone and that case folding keeps normalised: the
# usual non-ASCII value, ten times faster so (a test compares the two ways).
_SIMPLE = re.compile(
    "[ -~\u00c0-\u012f\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u2013\u2018\u2019\u201c\u201d]*"
)

# Case folding may undo a compatibility normalisation and the reverse (U+03D3, U+1D2C …): done until nothing
# moves. Unicode promises that twice is enough; the third turn sees that nothing moves.
_FOLDING_TURNS = 4


def case_ignore(text: str) -> str | None:
    """Without case and insignificant blanks; None when a prohibited character makes it Undefined."""
    if text.isascii() and text.isprintable():
        return _squeezed(text.lower())
    if _SIMPLE.fullmatch(text):
        return _squeezed(text.casefold())
    return in_full(text)


def in_full(text: str) -> str | None:
    """case_ignore without its short ways."""
    text = _mapped(text)
    for _ in range(_FOLDING_TURNS):
        folded = unicodedata.normalize("NFKC", text.casefold())
        if folded == text:
            break
        text = folded
    return None if _is_prohibited(text) else _squeezed(text)


def case_exact(text: str) -> str | None:
    if (text.isascii() and text.isprintable()) or _SIMPLE.fullmatch(text):
        return _squeezed(text)
    text = unicodedata.normalize("NFKC", _mapped(text))
    return None if _is_prohibited(text) else _squeezed(text)


# Numbers are ASCII by their syntaxes (RFC 4517 §3.3.23, §3.3.31): the other hyphens of RFC 4518 cannot occur.


def numeric(text: str) -> str | None:
    prepared = case_exact(text) if text.isascii() else None
    return None if prepared is None else prepared.replace(" ", "")


def telephone(text: str) -> str | None:
    prepared = case_ignore(text) if text.isascii() else None
    return None if prepared is None else prepared.replace(" ", "").replace("-", "")


def _mapped(text: str) -> str:
    return text.translate(_MAP) if _IS_MAPPED.search(text) else text


def _is_prohibited(text: str) -> bool:
    rest = _CERTAINLY_ALLOWED.sub("", text)
    return bool(rest) and any(unicodedata.category(c) in _PROHIBITED or c == "\ufffd" for c in set(rest))


def _squeezed(text: str) -> str:
    if "  " in text or text[:1] == " " or text[-1:] == " ":
        return " ".join([word for word in text.split(" ") if word])
    return text


# --- Substrings (RFC 4518 §2.6.1) ------------------------------------------------------------------------
# Inside a value every blank counts double and both ends have one, so that two parts may each hold the blank
# between two words, and a part that ends in a blank does not match the middle of a word.


def spaced_value(prepared: str) -> str:
    """The form of an already prepared value in which parts are looked for."""
    return f" {prepared.replace(' ', '  ')} " if prepared.strip(" ") else "  "


def spaced_part(original: str, prepared: str, initial: bool, final: bool) -> str:
    if not prepared.strip(" "):
        return " "
    mapped = _mapped(original)
    before = " " if initial or mapped.startswith(" ") else ""
    after = " " if final or mapped.endswith(" ") else ""
    return f"{before}{prepared.replace(' ', '  ')}{after}"
