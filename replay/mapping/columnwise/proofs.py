"""Whether the intake's reader takes what a mapping makes of columns, told without reading each line.

A proof may leave rows in doubt that the reader would take; it never proves one that it would refuse.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, get_args, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.events import CATALOGUE, Envelope
from domain.fields import Id, Key, Text
from domain.limits import ID_CHARS_MAX, KEY_CHARS_MAX, TEXT_CHARS_MAX
from replay.mapping.columnwise.composed import Composed
from replay.mapping.columnwise.values import CodedColumn, Doubts, Piece, TextColumn, of_values
from replay.parsing.refusals import RefusalError
from replay.parsing.strict_json import parse_object
from replay.store.record import OWN_SOURCE

UNPROVEN: Final = frozenset({"level.announced"})
"""Types of whose data more is asked than what its fields may hold."""
Accepts = Callable[[Any], bool]


def _bytes_of(pattern: bytes) -> NDArray[np.bool_]:
    return np.array([re.fullmatch(pattern, bytes([byte]), re.DOTALL) is not None for byte in range(256)])


class _Charset(NamedTuple):
    """Texts of these bytes alone are taken, up to a length."""

    name: str
    inner: NDArray[np.bool_]
    first: NDArray[np.bool_]
    bytes_max: int


_ID: Final = _Charset("of an id", _bytes_of(rb"[A-Za-z0-9._-]"), _bytes_of(rb"[A-Za-z0-9]"), ID_CHARS_MAX)
_KEY: Final = _Charset("of a key", _bytes_of(rb"[!-~]"), _bytes_of(rb"[!-~]"), KEY_CHARS_MAX)
_TEXT: Final = _Charset("of a text", _bytes_of(rb"[ -~]"), _bytes_of(rb"[ -~]"), TEXT_CHARS_MAX)
_CHARSETS: Final[list[tuple[Any, _Charset]]] = [(Id, _ID), (Key, _KEY), (Text, _TEXT)]


class FieldProof:
    """Of one field: which values of it are taken."""

    def __init__(self, accepts: Accepts, charset: _Charset | None = None, before: tuple[str, ...] = ()) -> None:
        self._accepts = accepts
        self._charset = charset
        self._before = before
        """One of these has to stand before what the charset is about, where there are any."""

    def of_texts(self, found: Composed, doubts: Doubts) -> None:
        """Leave rows in doubt whose texts are not taken; of rows that are empty nothing is said."""
        fixed = found.fixed
        if fixed is not None:
            if not self.of_one(fixed):
                doubts.add_all()
        elif not self._all_within(found):
            taken = of_values(found.whole(), self.of_one, doubts)
            doubts.add(~taken if found.empty is None else ~taken & ~found.empty)

    def of_numbers(self, found: TextColumn, doubts: Doubts) -> None:
        """The same of whole numbers: where the least and the greatest are taken, so are those between them."""
        numbers = None if doubts.found is not None or isinstance(found, CodedColumn) else found.numbers
        if numbers is None or not (self._accepts(int(numbers.min())) and self._accepts(int(numbers.max()))):
            doubts.add(~of_values(found, lambda text: text != "" and self._accepts(int(text)), doubts))

    def of_one(self, value: Any) -> bool:
        """Of a value as a mapping says it, or as a row has it."""
        if isinstance(value, str):
            try:
                parse_object(msgspec.json.encode({"value": value}))
            except RefusalError:
                return False
        return self._accepts(value)

    def _all_within(self, found: Composed) -> bool:
        if self._charset is None or any(
            isinstance(piece, TextColumn) and piece.empty is not None for piece in found.pieces
        ):
            return False
        first, *rest = found.pieces
        if not self._before:
            return _are_within(self._charset, found.pieces)
        kind = next((kind for kind in self._before if isinstance(first, str) and first.startswith(kind)), None)
        if kind is None or not isinstance(first, str):
            return False
        return _are_within(self._charset, [first[len(kind) :], *rest] if len(first) > len(kind) else rest)


def proof_of_attribute(name: str, event_type: str) -> FieldProof:
    """Of an attribute that is no instant."""
    if name == "subject":
        kinds = tuple(f"{kind}/" for kind in CATALOGUE[event_type].kinds)
        fits = _fits(get_type_hints(Envelope, include_extras=True)[name])
        return FieldProof(lambda text: text.startswith(kinds) and fits(text), _ID, kinds)
    hint = get_type_hints(Envelope, include_extras=True)[name]
    if name == "source":
        fits = _fits(hint)
        return FieldProof(lambda text: text[: len(OWN_SOURCE)].lower() != OWN_SOURCE and fits(text))
    return _proof_of(hint)


def proof_of_field(name: str, event_type: str) -> FieldProof:
    """Of a field of the data of a type."""
    return _proof_of(get_type_hints(CATALOGUE[event_type].data, include_extras=True)[name])


def _proof_of(hint: Any) -> FieldProof:
    members = (hint, *get_args(hint))
    charset = next((charset for kind, charset in _CHARSETS if any(member == kind for member in members)), None)
    return FieldProof(_fits(hint), charset)


def _fits(hint: Any) -> Accepts:
    def fits(value: Any) -> bool:
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError:
            return False
        return True

    return fits


def _are_within(charset: _Charset, pieces: list[Piece]) -> bool:
    """Whether the texts that pieces make, none of which is empty, are of the bytes of a charset."""
    if not pieces or not all(_is_within(charset, piece) for piece in pieces):
        return False
    first = pieces[0]
    begin = first.encode()[:1] if isinstance(first, str) else first.data[first.starts[:-1]].tobytes()
    if not charset.first[np.frombuffer(begin, np.uint8)].all():
        return False
    return sum(len(p.encode()) if isinstance(p, str) else int(p.lengths.max()) for p in pieces) <= charset.bytes_max


def _is_within(charset: _Charset, piece: Piece) -> bool:
    if isinstance(piece, str):
        return bool(charset.inner[np.frombuffer(piece.encode(), np.uint8)].all())
    return piece.known(charset.name, lambda: bool(charset.inner[piece.data].all()))
