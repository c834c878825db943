"""Turns found ids into SearchResultEntry messages (RFC 4511 §4.5.2), reusing what was encoded at write.

The whole user answer is sent as it is stored. Any other selection is decided once for a *shape* (the list of
attribute descriptions that thousands of entries share) and then only cuts slices out of the stored octets.
"""

from collections.abc import Callable
from typing import NamedTuple

from annuaire.index import entry as entries
from annuaire.index import layout
from annuaire.index.matched_values import ValuesFilter
from annuaire.index.sight import Sight
from annuaire.ldap import ber, responses
from annuaire.ldap.selection import Selection

# Headers of messages up to this many octets are made once.
_HEADS_MAX = 8192
_HEAD_MAX = 4  # octets of one of them
HEADS = tuple(b"\x30" + ber.length(size) for size in range(_HEADS_MAX))
_ENTRY_HEADS = tuple(b"\x64" + ber.length(size) for size in range(_HEADS_MAX))

# Cut answers kept in all by a worker, about half a KiB each: everybody who types the same letters gets the same
# best entries.
HOT_MAX = 100_000
HOT_SIZE_MAX = 1024

HAS_SUBORDINATES = "hasSubordinates"
NUM_SUBORDINATES = "numSubordinates"


class _Cut(NamedTuple):
    """What a selection keeps of a shape."""

    runs: tuple[tuple[int, int], ...]  # of user attributes, to be copied as they are: from, to (excluded)
    offsets: Callable[[bytes, int], tuple[int, ...]]
    renamed: tuple[tuple[int, str], ...]  # user attributes to be answered under another description
    operational: tuple[tuple[int, str], ...]


class Answerer:
    """Encodes entries for one selection; made once for a list of attributes and kept while the index stands."""

    def __init__(
        self,
        selection: Selection,
        types_only: bool,
        hot: dict[int, bytes],
        number: int,
        values: ValuesFilter | None = None,
    ) -> None:
        self._selection = selection
        self._types_only = types_only
        # Which values are answered (RFC 3876); typesOnly asks for none.
        self._values = None if types_only else values
        self.ready = selection.user_only_all and not types_only and self._values is None
        self._children = selection.wanted(HAS_SUBORDINATES, True)
        # Counted when it is named only: `+` is asked of thousands of entries at once.
        counted = any(asked.type_name == NUM_SUBORDINATES.lower() for asked in selection.asked)
        self._count = NUM_SUBORDINATES if counted else None
        self._plain = not (selection.wants_operational or types_only or self._values is not None)
        self._cuts: dict[tuple[int, int], _Cut] = {}
        # Shared by all selections of one state of the index; the keys of each begin with its number.
        self._hot = hot
        self._number = number << 40

    def messages(self, message_id: bytes, sight: Sight, ids: list[int], audience: int) -> list[bytes]:
        """The pieces of the messages for these entries, to be joined. message_id: the encoded INTEGER."""
        extra = len(message_id)
        pieces: list[bytes] = []
        if self.ready:
            answers = sight.part.answers(ids)
            try:
                for answer in answers:
                    pieces += (HEADS[len(answer) + extra], message_id, answer)
            except IndexError:  # one is larger
                pieces = []
                for answer in answers:
                    pieces += (b"\x30" + ber.length(len(answer) + extra), message_id, answer)
            return pieces
        part = sight.part
        if self._plain:
            hot = self._hot
            if len(hot) > HOT_MAX:
                hot.clear()
            first = self._number
            for identifier in ids:
                # An answer that began before a change may hold what was cut before it.
                lasting = part.is_lasting(identifier)
                answer = hot.get(first + identifier, b"") if lasting else b""
                if not answer:
                    answer = self._cut_answer(sight, part.record(identifier))
                    if lasting and len(answer) < _HEADS_MAX:  # no photos
                        hot[first + identifier] = answer
                size = len(answer) + extra
                head = HEADS[size] if size < _HEADS_MAX else b"\x30" + ber.length(size)
                pieces += (head, message_id, answer)
            return pieces
        for identifier in ids:
            answer = self._whole_answer(sight, part.record(identifier), audience)
            pieces += (b"\x30" + ber.length(len(answer) + extra), message_id, answer)
        return pieces

    def _cut_answer(self, sight: Sight, record: bytes) -> bytes:
        """Some of the user attributes: the common case after the ready answer, so without detours."""
        shape = int.from_bytes(record[4:8], "little")
        cut = self._cuts.get((id(sight.part), shape))
        if cut is None:
            cut = self._decide(sight, shape, int.from_bytes(record[8:10], "little"))
        offsets = cut.offsets(record, entries.OFFSETS)
        answer = entries.answer_of(record)
        attributes = b"".join([answer[offsets[start] : offsets[end]] for start, end in cut.runs])
        for i, description in cut.renamed:
            attributes += _rename(answer[offsets[i] : offsets[i + 1]], description)
        # The name lies between the entry's header and its list of attributes.
        first = answer[1]
        name = 2 if first < 0x80 else first - 0x80 + 2
        size = answer[name + 1]
        end = name + 2 + size if size < 0x80 else ber.read(answer, name, len(answer))[2]
        size = len(attributes)
        if end - name + size + _HEAD_MAX >= _HEADS_MAX:
            _, start, end = ber.read(answer, name, len(answer))
            return responses.entry(answer[start:end], attributes)
        head = HEADS[size]
        return b"".join((_ENTRY_HEADS[end - name + len(head) + size], answer[name:end], head, attributes))

    def _decide(self, sight: Sight, shape: int, user: int) -> _Cut:
        wanted = self._selection.wanted
        runs: list[tuple[int, int]] = []
        renamed: list[tuple[int, str]] = []
        operational: list[tuple[int, str]] = []
        for i, description in enumerate(sight.part.shape(shape)):
            answered = wanted(description, i >= user)
            if answered is None:
                continue
            if i >= user:
                operational.append((i - user, answered))
            elif answered != description:
                renamed.append((i, answered))
            elif runs and runs[-1][1] == i:
                runs[-1] = (runs[-1][0], i + 1)
            else:
                runs.append((i, i + 1))
        offsets = entries.offsets_reader(user).unpack_from
        cut = _Cut(tuple(runs), offsets, tuple(renamed), tuple(operational))
        if len(self._cuts) < 4096:
            self._cuts[(id(sight.part), shape)] = cut
        return cut

    def _whole_answer(self, sight: Sight, record: bytes, audience: int) -> bytes:
        """The general case: operational attributes, computed ones, types only."""
        answer, known = entries.answer_of(record), entries.decode_details(entries.details_of(record))
        cut = self._cuts.get((id(sight.part), known.shape)) or self._decide(sight, known.shape, known.user)
        pieces = [(None, answer[known.offsets[start] : known.offsets[end]]) for start, end in cut.runs]
        pieces += [(d, answer[known.offsets[i] : known.offsets[i + 1]]) for i, d in cut.renamed]  # type: ignore[misc]
        block, places = known.operational, known.operational_offsets
        pieces += [(d, block[places[i] : places[i + 1]]) for i, d in cut.operational]  # type: ignore[misc]
        attributes = b"".join([piece if d is None else _rename(piece, d) for d, piece in pieces])
        computed: dict[str, list[bytes]] = {}
        if self._children is not None or self._count is not None:
            below = subordinates(sight, known.key, audience)
            if self._children is not None:
                computed[self._children] = [b"TRUE" if below else b"FALSE"]
            if self._count is not None:
                computed[self._count] = [str(below).encode()]
        attributes += ber.encode_attributes(computed)
        if self._values is not None:
            attributes = self._values.kept(attributes)
        if self._types_only:
            attributes = ber.encode_attributes({name: [] for name in ber.decode_attributes(attributes)})
        _, name, _ = ber.read(answer, 0, len(answer))
        _, start, end = ber.read(answer, name, len(answer))
        return responses.entry(answer[start:end], attributes)


def _rename(attribute: bytes, description: str) -> bytes:
    _, start, end = ber.read(attribute, 0, len(attribute))
    _, _, name_end = ber.read(attribute, start, end)
    return ber.sequence((ber.octets(description.encode()), attribute[name_end:end]))


def subordinates(sight: Sight, key: bytes, audience: int) -> int:
    """How many entries an audience sees right below an entry."""
    digest = layout.digest(layout.DN_KEY, key)
    count = 0
    for neighbour in sight.together:
        for chunk, seen in neighbour.everything(audience).items():
            # Not kept: it is asked of thousands of entries, nearly all of which have nothing below them.
            children = neighbour.part.posting(layout.posting_key(chunk, layout.CHILDREN, 0, digest))
            if children is not None:
                count += children.intersection_cardinality(seen)
    return count
