"""The kinds of options: how a value of TOML, or the text of a variable, becomes what the program uses.

A kind refuses with a sentence that says what would be right; it never shows the value, which may be a secret.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_DESCRIPTION = re.compile(r"\s*[A-Za-z0-9.;-]+\s*=.+", re.DOTALL)


class WrongError(ValueError):
    """One value that cannot be; the text says what would be right."""


class Kind(NamedTuple):
    """How a value is read: from TOML, which has types, or from a variable, which is text."""

    name: str
    parse: Callable[[Any, Path], Any]
    from_text: Callable[[str], Any] = str


def _text(value: Any, _folder: Path) -> str:
    if not isinstance(value, str):
        raise WrongError("must be a text")
    return value


def _boolean(value: Any, _folder: Path) -> bool:
    if not isinstance(value, bool):
        raise WrongError("must be true or false")
    return value


def _duration(value: Any, _folder: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WrongError('must be a number of seconds or a text such as "5m"')
    found = _DURATION.fullmatch(str(value).strip())
    if not found:
        raise WrongError('must be a number of seconds or a text such as "30s", "5m", "2h", "1d"')
    return float(found[1]) * _UNITS[found[2]]


def _path(value: Any, folder: Path) -> Path | None:
    text = _text(value, folder)
    return folder / Path(text).expanduser() if text else None


def _list(value: Any, folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WrongError('must be a list of texts, such as ["a", "b"]')
    return tuple(value)


def _endpoint(value: Any, folder: Path) -> str:
    text = _text(value, folder).strip()
    if text and not re.match(r"[a-z0-9]+:", text):
        raise WrongError('must be a Twisted endpoint such as "tcp:3890:interface=127.0.0.1", or empty')
    return text


def _suffix(value: Any, folder: Path) -> str:
    text = _text(value, folder).strip()
    if not _DESCRIPTION.fullmatch(text):
        raise WrongError('must be a distinguished name such as "o=apicrypt,c=FR"')
    return text


def _suffixes(value: Any, folder: Path) -> tuple[str, ...]:
    texts = [text.strip() for text in _list(value, folder)]
    wrong = [text for text in texts if not _DESCRIPTION.fullmatch(text)]
    if wrong:
        raise WrongError(f'must be distinguished names such as "dc=exemple,dc=fr", not {", ".join(wrong)}')
    return tuple(texts)


def _url(value: Any, folder: Path) -> str:
    text = _text(value, folder).strip()
    if text and ":" not in text:
        raise WrongError('must be a URL such as "postgresql://user@host/annuaire", or empty')
    if text.startswith("sqlite:///") and not text.startswith("sqlite:////"):
        return f"sqlite:///{folder / text.removeprefix('sqlite:///')}"
    return text


def _boolean_text(text: str) -> Any:
    return {"true": True, "false": False, "1": True, "0": False}.get(text.strip().lower(), text)


def _number_text(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def _array_text(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise WrongError('must be a TOML array, such as ["a", "b"]') from None


TEXT = Kind("text", _text)
BOOLEAN = Kind("boolean", _boolean, _boolean_text)
DURATION = Kind("duration", _duration)
PATH = Kind("path", _path)
LIST = Kind("list", _list, _array_text)
PATHS = Kind("list", lambda value, folder: tuple(folder / item for item in _list(value, folder)), _array_text)
ENDPOINT = Kind("endpoint", _endpoint)
SUFFIX = Kind("name", _suffix)
SUFFIXES = Kind("list", _suffixes, _array_text)
URL = Kind("url", _url)


def integer(least: int, most: int = 2**31 - 1) -> Kind:
    def parse(value: Any, _folder: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongError("must be a whole number")
        if not least <= value <= most:
            raise WrongError(f"must be between {least} and {most}")
        return value

    return Kind("integer", parse, _number_text)


def one_of(*words: str) -> Kind:
    def parse(value: Any, _folder: Path) -> str:
        if value not in words:
            raise WrongError("must be one of " + ", ".join(f'"{word}"' for word in words))
        return str(value)

    return Kind("choice", parse)


def some_of(*words: str) -> Kind:
    def parse(value: Any, folder: Path) -> tuple[str, ...]:
        values = _list(value, folder)
        wrong = [value for value in values if value not in words]
        if wrong:
            known = ", ".join(f'"{word}"' for word in words)
            raise WrongError(f"must be a list of {known}, not {', '.join(wrong)}")
        return values

    return Kind("list", parse, _array_text)


def option(kind: Kind, default: Any, says: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"kind": kind, "says": says, "secret": secret})
