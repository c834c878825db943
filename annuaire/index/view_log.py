"""What changed in the view of each audience, so that its replicas can follow: a bounded log beside the recent part.

Kept in the table `views` of a recent part, written by whoever moves the index in the transaction that moves it:

    H audience                  head: the moment of the view's last change, the moment at which the log begins, how
                                many rows there are, the view's mark
    L audience moment number    row: an entry that appeared, changed or disappeared at that moment

# Note [A view moves by itself]
Everything here is an audience's own: the rows that it is told, the moments that cookies name, the length at which old
rows are dropped. A change that an audience does not see writes nothing here, so neither cookies nor messages tell of
it. Moments are microseconds of the clock; two changes of one view never have the same.

The *mark* of a view is the sum of the digests of what it shows. A new base that shows the same has the same mark, and
then the log goes on in it; otherwise the log of that audience begins anew, and its consumers are sent everything once.
"""

import hashlib
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import lmdb

from annuaire.domain.audience import Audience
from annuaire.ldap import responses

# Rows kept for each audience: as many entries as are written before a new base is built.
ROWS_MAX = 20_000

_HEAD = struct.Struct("<QQI16s")
_ROW = struct.Struct("<16s?")
_PLACE = struct.Struct(">QI")
_MARKS = 1 << 128
_AUDIENCES = tuple(map(int, Audience))  # plain numbers: those of a flag are slow
_SHAPE = 4  # the number of a shape, which each part gives by itself, stands before the other details


class Head(NamedTuple):
    """Where the log of one audience stands."""

    moment: int
    begins: int  # a cookie of an earlier moment says nothing
    rows: int
    mark: int


class Row(NamedTuple):
    """An entry whose content changed for one audience."""

    uuid: bytes
    seen: bool  # whether the audience saw it before
    dn: bytes  # its name before


class Changed(NamedTuple):
    """An entry whose content changed for one audience after some moment."""

    uuid: bytes
    seen: bool  # whether the audience saw it at that moment
    names: tuple[bytes, ...]  # under which the audience saw it since, until it was what it is now


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def mark(details: bytes, answer: bytes, passwords: bytes | None) -> int:
    """What tells one content from another, whichever part holds it."""
    digest = hashlib.blake2b(details[_SHAPE:], digest_size=16)
    digest.update(answer)
    if passwords is not None:
        digest.update(b"\0" + passwords)
    return int.from_bytes(digest.digest(), "little")


# ---------------------------------------------------------------- the marks of a base


class Marks:
    """The marks of what a chunk of a base shows to each audience."""

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}  # by all the audiences that see the same entries

    def add(self, audiences: int, details: bytes, answer: bytes, passwords: bytes | None) -> None:
        if audiences:
            found = mark(details, answer, passwords)
            self._sums[audiences] = self._sums.get(audiences, 0) + found

    def row(self, chunk: int) -> tuple[bytes, bytes]:
        """As the base keeps them."""
        sums = [sum([one for seers, one in self._sums.items() if seers & bit]) for bit in Audience]
        return _marks_name(chunk), b"".join([(one % _MARKS).to_bytes(16, "little") for one in sums])


def _marks_name(chunk: int) -> bytes:
    return b"views" + chunk.to_bytes(2, "big")


def marks_of(meta: Callable[[bytes], bytes | None], chunks: int) -> dict[Audience, int]:
    """The marks of a whole base."""
    sums = dict.fromkeys(Audience, 0)
    for chunk in range(chunks):
        raw = meta(_marks_name(chunk)) or bytes(16 * len(sums))
        for i, bit in enumerate(sums):
            sums[bit] = (sums[bit] + int.from_bytes(raw[16 * i : 16 * i + 16], "little")) % _MARKS
    return sums


# ---------------------------------------------------------------- what one transaction does


class _Content(NamedTuple):
    mark: int
    dn: bytes


class Moved:
    """What a transaction takes out of the views and puts into them."""

    def __init__(self) -> None:
        self._before: dict[int, list[tuple[bytes, _Content]]] = {}
        self._after: dict[int, list[tuple[bytes, _Content]]] = {}

    def gone(
        self,
        uuid: bytes,
        audiences: int,
        details: bytes,
        answer: bytes,
        passwords: bytes | None,
    ) -> None:
        content = _Content(mark(details, answer, passwords), responses.name_of(answer))
        self._note(self._before, uuid, audiences, content)

    def come(
        self, uuid: bytes, audiences: int, details: bytes, answer: bytes, passwords: bytes | None
    ) -> None:
        self._note(self._after, uuid, audiences, _Content(mark(details, answer, passwords), b""))

    @staticmethod
    def _note(
        kept: dict[int, list[tuple[bytes, _Content]]], uuid: bytes, audiences: int, content: _Content
    ) -> None:
        for bit in _AUDIENCES:
            if audiences & bit:
                kept.setdefault(bit, []).append((uuid, content))

    def write(self, log: "LogWriter", at: int) -> None:
        for bit in Audience:
            before, after = self._before.get(bit, []), self._after.get(bit, [])
            change = sum(c.mark for _, c in after) - sum(c.mark for _, c in before)
            old, new = dict(before), dict(after)
            rows = []
            for uuid in sorted(old.keys() | new.keys()):
                was, will_be = old.get(uuid), new.get(uuid)
                if was is None:
                    rows.append(Row(uuid, False, b""))
                elif will_be is None or will_be.mark != was.mark:
                    rows.append(Row(uuid, True, was.dn))
            if rows:
                log.add(bit, rows, change, at)


# ---------------------------------------------------------------- writing


class LogWriter:
    """The log in a transaction that writes to the recent part."""

    def __init__(self, transaction: lmdb.Transaction, database: Any) -> None:
        self._transaction: Any = transaction
        self._database = database

    def head(self, audience: Audience) -> Head | None:
        return _head(self._transaction.get(_head_name(audience), db=self._database))

    def begin(self, marks: dict[Audience, int], at: int) -> None:
        """Begin the log of every audience that has none yet."""
        for bit, mark in marks.items():
            if self.head(bit) is None:
                self._put(bit, Head(at, at, 0, mark))

    def add(self, audience: Audience, rows: list[Row], mark: int, at: int) -> None:
        """The view of an audience changed by these rows, and its mark by so much."""
        head = self.head(audience)
        assert head is not None
        moment = max(at, head.moment + 1)
        for number, row in enumerate(rows):
            self._transaction.put(_row_name(audience, moment, number), _pack(row), db=self._database)
        head = Head(moment, head.begins, head.rows + len(rows), (head.mark + mark) % _MARKS)
        self._put(audience, self._shortened(audience, head))

    def go_on(self, former: "LogReader", at: int) -> None:
        """Take over the log of another build where its view shows the same; begin anew where it does not."""
        for bit in Audience:
            was, head = former.head(bit), self.head(bit)
            if head is None or was is None:
                continue
            self._drop(bit, head.rows)
            if was.mark != head.mark:
                moment = max(at, was.moment + 1)
                self._put(bit, Head(moment, moment, 0, head.mark))
                continue
            for key, raw in former.raw(bit):
                self._transaction.put(key, raw, db=self._database)
            self._put(bit, was)

    def _shortened(self, audience: Audience, head: Head) -> Head:
        if head.rows <= ROWS_MAX:
            return head
        dropped, last = self._drop(audience, head.rows - ROWS_MAX)
        return head._replace(begins=last, rows=head.rows - dropped)

    def _drop(self, audience: Audience, count: int) -> tuple[int, int]:
        """Drop at least so many rows, whole moments of them; how many went, and the moment of the last."""
        prefix, dropped, last = _rows_name(audience), 0, 0
        with self._transaction.cursor(db=self._database) as cursor:
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                moment = _place(cursor.key())
                if dropped >= count and moment != last:
                    break
                last = moment
                dropped += 1
                found = cursor.delete()
        return dropped, last

    def _put(self, audience: Audience, head: Head) -> None:
        raw = _HEAD.pack(head.moment, head.begins, head.rows, head.mark.to_bytes(16, "little"))
        self._transaction.put(_head_name(audience), raw, db=self._database)


# ---------------------------------------------------------------- reading


class LogReader:
    """The log through two ways to read a part: one value, and the rows from a key on."""

    def __init__(
        self,
        get: Callable[[bytes], bytes | None],
        scan: Callable[[bytes, bytes], Iterator[tuple[bytes, bytes]]],
    ) -> None:
        self._get = get
        self._scan = scan

    def head(self, audience: Audience) -> Head | None:
        return _head(self._get(_head_name(audience)))

    def raw(self, audience: Audience) -> Iterator[tuple[bytes, bytes]]:
        prefix = _rows_name(audience)
        return self._scan(prefix, prefix)

    def since(self, audience: Audience, moment: int, until: int) -> list[Changed] | None:
        """Each entry that changed after a moment, up to another, once.

        None: nobody knows what was at that moment, or not any more.
        """
        head = self.head(audience)
        if head is None or not head.begins <= moment <= head.moment:
            return None
        if moment not in (head.begins, head.moment) and not self._is_moment(audience, moment):
            return None
        prefix = _rows_name(audience)
        rows: dict[bytes, Changed] = {}
        for key, raw in self._scan(prefix, prefix + _PLACE.pack(moment + 1, 0)):
            if _place(key) > until:
                break
            uuid, seen, name = _unpack(raw)
            before = rows.get(uuid) or Changed(uuid, seen, ())
            if seen and name not in before.names:
                before = before._replace(names=(*before.names, name))
            rows[uuid] = before
        return list(rows.values())

    def _is_moment(self, audience: Audience, moment: int) -> bool:
        key = _row_name(audience, moment, 0)
        return any(True for _ in self._scan(key, key))


def _head(raw: bytes | None) -> Head | None:
    if raw is None:
        return None
    moment, begins, rows, mark = _HEAD.unpack(raw)
    return Head(moment, begins, rows, int.from_bytes(mark, "little"))


def _pack(row: Row) -> bytes:
    return _ROW.pack(row.uuid, row.seen) + row.dn


def _unpack(raw: bytes) -> Row:
    uuid, seen = _ROW.unpack_from(raw)
    return Row(uuid, seen, raw[_ROW.size :])


def _head_name(audience: Audience) -> bytes:
    return b"H" + int(audience).to_bytes(2, "big")


def _rows_name(audience: Audience) -> bytes:
    return b"L" + int(audience).to_bytes(2, "big")


def _row_name(audience: Audience, moment: int, number: int) -> bytes:
    return _rows_name(audience) + _PLACE.pack(moment, number)


def _place(key: bytes) -> int:
    moment, _ = _PLACE.unpack(key[3:])
    return int(moment)


def heads(reader: LogReader) -> dict[int, Head]:
    """Where the log of each audience stands at one moment."""
    found = {int(bit): reader.head(bit) for bit in Audience}
    return {bit: head for bit, head in found.items() if head is not None}
