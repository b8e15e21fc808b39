"""From stored rows to columns: records are decoded by type, names become numbers, many rows at a time.

Two steps: `named_of` gives the rows of records with their names still as text; `number` numbers these within a bucket
of subjects, going on from the names that are known. Numbers depend on the order of the ledger alone, so that however
it is cut into stretches, they come out the same.
"""

from array import array
from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.creator_level.facts import hundredths
from domain.events import CATALOGUE
from domain.merchant_reputation.facts import KINDS
from replay.columnar.columns import CHANNELS, GOOD_GOODS, SCORES, WHATS, WORRY_FREE
from replay.errors import LevelbookError, damaged
from replay.store.base.store import Store
from replay.store.base.transaction import Known
from replay.store.decode import read_record
from replay.store.queries import place_at
from replay.store.record import DATA_SINCE_V, RECORD_V

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_NO_ROW: Final = 0


class Named(NamedTuple):
    """Records in the order of the ledger, their names still as text; all arrays of one length."""

    stream: "NDArray[np.int32]"
    """Index into `streams`."""
    at: "NDArray[np.int64]"
    position: "NDArray[np.int64]"
    what: "NDArray[np.int8]"
    amount: "NDArray[np.int64]"
    detail: "NDArray[np.int16]"
    extra: "NDArray[np.int8]"
    name: "pa.Array"
    """The order, violation, task, redemption, creator or category that the record names, or null."""
    buyer: "pa.Array"
    """The alias of the buyer of a payment, else null."""
    streams: list[str]
    """Every stream of the stretch as it is first met, those too of which no record has a row."""


class Unread(NamedTuple):
    """A record that cannot be read, and why."""

    stream: str
    position: int
    has_row: bool
    """Whether readable it would have a row, as far as its type is known."""
    error: LevelbookError


def chosen(named: Named, rows: "NDArray[np.int64]") -> Named:
    """Some of the rows."""
    import pyarrow as pa

    indices = pa.array(rows)
    integers, texts = (column[rows] for column in named[:7]), (text.take(indices) for text in named[7:9])
    return Named._make([*integers, *texts, named.streams])


class Numbers(dict[str, int]):
    """Gives each text that it has not met yet the next number."""

    def __missing__(self, text: str) -> int:
        self[text] = number = len(self)
        return number


def named_of(rows: Sequence[tuple[Any, ...]], store: Store | None, unread: list[Unread]) -> Named:
    """The rows of records as `sealed_rows` gives them; those that cannot be read are added to `unread`."""
    import numpy as np

    count, numbers = len(rows), Numbers()
    positions, streams, types, ats = (list(map(itemgetter(place), rows)) for place in range(4))
    stream = np.fromiter(map(numbers.__getitem__, streams), np.int32, count)
    what = np.fromiter(map(_WHATS.__getitem__, types), np.int8, count)
    values = (np.zeros(count, np.int64), np.zeros(count, np.int16), np.zeros(count, np.int8))
    texts = _Texts(count), _Texts(count)
    for event_type, chosen in _by_type(what, types).items():
        form = _FORMS.get(event_type, _UNKNOWN)
        try:
            picked, data = chosen, form.data(list(map(rows.__getitem__, chosen)))
            _fill(form, picked, data, values, texts)
        except (LevelbookError, *_UNREADABLE):
            found = [form.read(rows[row]) for row in chosen]
            bad = [isinstance(item, Unread) for item in found]
            unread += compress(found, bad)
            what[list(compress(chosen, bad))] = _NO_ROW
            sound = [not item for item in bad]
            picked, data = list(compress(chosen, sound)), list(compress(found, sound))
            _fill(form, picked, data, values, texts)
        if event_type == "event.retracted" and store is not None:
            where = [(positions[row], streams[row]) for row in picked]
            values[0][picked] = _retracted(store, where, [(item.source, item.event) for item in data])
    kept = np.flatnonzero(what != _NO_ROW)
    at, position = np.array(ats, np.int64), np.array(positions, np.int64)
    integers = (stream, at, position, what, *values)
    return Named._make([*(column[kept] for column in integers), *(text.at(kept) for text in texts), list(numbers)])


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, ValueError, OverflowError)
"""What decoding a record raises that does not hold what it must."""


class _Whats(dict[str, int]):
    """Numbers of types; of those without one that of no row."""

    def __missing__(self, _: str) -> int:
        return _NO_ROW


_WHATS: Final = _Whats(WHATS)


def _by_type(what: "NDArray[np.int8]", types: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each type."""
    import numpy as np

    found = {event_type: np.flatnonzero(what == number).tolist() for event_type, number in WHATS.items()}
    for row in np.flatnonzero(what == _NO_ROW).tolist():
        found.setdefault(types[row], []).append(row)
    return {event_type: rows for event_type, rows in found.items() if rows}


def _fill(
    form: "_Form", rows: list[int], data: list[Any], values: "tuple[NDArray[Any], ...]", texts: "tuple[_Texts, ...]"
) -> None:
    """Write what the data of some rows say into columns."""
    for column, value in zip(values, (form.amount, form.detail, form.extra), strict=True):
        _put(column, rows, value, data)
    for text, name in zip(texts, (form.name, form.buyer), strict=True):
        text.put(rows, name, data)


def _put(column: "NDArray[Any]", rows: list[int], value: Callable[[Any], int] | None, data: list[Any]) -> None:
    import numpy as np

    if value is not None:
        column[rows] = np.fromiter(map(value, data), column.dtype, len(data))


class _Texts:
    """Texts of some of so many rows."""

    def __init__(self, count: int) -> None:
        import numpy as np

        self._places = np.full(count, -1, np.int64)
        self._parts: list[pa.Array] = []
        self._filled = 0

    def put(self, rows: list[int], text: Callable[[Any], str] | None, data: list[Any]) -> None:
        import numpy as np
        import pyarrow as pa

        if text is None:
            return
        self._places[rows] = np.arange(self._filled, self._filled + len(data))
        self._parts.append(pa.array(list(map(text, data)), pa.string()))
        self._filled += len(data)

    def at(self, rows: "NDArray[np.int64]") -> "pa.Array":
        """The texts of these rows, null where there is none."""
        import pyarrow as pa

        if not self._parts:
            return pa.nulls(len(rows), pa.string())
        places = self._places[rows]
        return pa.concat_arrays([pa.array([], pa.string()), *self._parts]).take(pa.array(places, mask=places < 0))


class _Who(msgspec.Struct):
    type: str


class _Whose(msgspec.Struct):
    stream: str
    event: _Who


_whose: Final = msgspec.json.Decoder(_Whose)


def _retracted(store: Store, where: list[tuple[int, str]], keys: list[tuple[str, str]]) -> list[int]:
    """The position that each retraction names, 0 where it names no earlier record of its subject that can be."""
    known = store.reader().find(list(dict.fromkeys(keys)))
    found = []
    for (position, stream), key in zip(where, keys, strict=True):
        named = known.get(key)
        if named is None or named.position >= position:
            found.append(0)
            continue
        whose, event_type = _whose_is(store, named)
        found.append(named.position if whose == stream and event_type != "level.decided" else 0)
    return found


def _whose_is(store: Store, named: Known) -> tuple[str, str]:
    """The stream and type of a record; of one that cannot be read those that its columns say."""
    try:
        whose = _whose.decode(named.record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return place_at(store, named.position)
    return whose.stream, whose.event.type


class _Form(NamedTuple):
    """What of a type's data goes into which column; `decode` reads a JSON array of records."""

    decode: Callable[[bytes], list[Any]]
    name: Callable[[Any], str] | None = None
    buyer: Callable[[Any], str] | None = None
    amount: Callable[[Any], int] | None = None
    detail: Callable[[Any], int] | None = None
    extra: Callable[[Any], int] | None = None

    def data(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The needed data of many records of one type: decoded as one array, which is twice as fast as one by one."""
        outers = self.decode(b"[" + b",".join(map(_record, rows)) + b"]")
        if len(outers) != len(rows):
            raise msgspec.DecodeError
        if _PRESENT_V.issuperset(map(_version, outers)):
            return list(map(_data, outers))
        return [
            outer.event.data if outer.v in _PRESENT_V else read_record(row[2], row[4]).data
            for outer, row in zip(outers, rows, strict=True)
        ]

    def read(self, row: tuple[Any, ...]) -> Any:
        """The needed data of one record; or that it is unread, where they are not what its columns can hold."""
        position, stream, event_type, *_ = row
        try:
            (data,) = self.data([row])
            kinds = ((self.amount, "q"), (self.detail, "h"), (self.extra, "b"))
            for value, kind in kinds:
                array(kind, [] if value is None else [value(data)])
            for text in (self.name, self.buyer):
                if text is not None:
                    text(data).encode()
        except LevelbookError as error:
            return Unread(stream, position, _has_row(event_type), error)
        except _UNREADABLE:
            return Unread(stream, position, _has_row(event_type), damaged(f"the record at position {position}"))
        return data


def _has_row(event_type: str) -> bool:
    return event_type in WHATS or event_type not in CATALOGUE


_PRESENT_V: Final = frozenset(range(DATA_SINCE_V, RECORD_V + 1))
"""The forms of a record whose data need no lifting."""
_record: Final = itemgetter(4)
_version: Final = attrgetter("v")
_data: Final = attrgetter("event.data")


def _decoder(event_type: str, *names: str) -> Callable[[bytes], list[Any]]:
    """Decodes the named fields of a type's data, as the catalogue has them but for their bounds."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(CATALOGUE[event_type].data):
        if field.name in names:
            kind = _PLAIN.get(field.name, str)
            optional = not field.required
            fields.append((field.name, kind, _DEFAULTS[field.name]) if optional else (field.name, kind))
    return _decoder_of(msgspec.defstruct("Data", fields, kw_only=True, gc=False))


def _decoder_of(data: type) -> Callable[[bytes], list[Any]]:
    body = msgspec.defstruct("Body", [("data", data)], gc=False)
    outer = msgspec.defstruct("Outer", [("event", body), ("v", int)], gc=False)
    return msgspec.json.Decoder(list[outer]).decode  # type: ignore[valid-type]


_PLAIN: Final[dict[str, type]] = {
    "amount": int,
    "good_goods": bool,
    "minutes": int,
    "points": int,
    "quality": int,
    "service": int,
    "worry_free": bool,
}
"""By field, its type in JSON where that is not text."""
_DEFAULTS: Final[dict[str, Any]] = {"kind": "normal", "service": 0, "worry_free": False}
_KINDS: Final = {kind: number for number, kind in enumerate(KINDS)}
_CHANNELS: Final = {channel: number for number, channel in enumerate(CHANNELS)}
_SCORES: Final = {score: number for number, score in enumerate(SCORES)}
_order: Final = attrgetter("order")
_violation: Final = attrgetter("violation")
_redemption: Final = attrgetter("redemption")
_creator: Final = attrgetter("creator")
_amount: Final = attrgetter("amount")
_points: Final = attrgetter("points")


def _sale_marks(data: Any) -> int:
    return GOOD_GOODS * bool(data.good_goods) | WORRY_FREE * bool(data.worry_free)


_FORMS: Final = {
    **{name: _Form(_decoder_of(row.data)) for name, row in CATALOGUE.items()},
    "merchant.onboarded": _Form(_decoder("merchant.onboarded", "category"), attrgetter("category")),
    "merchant.tier_set": _Form(_decoder("merchant.tier_set", "level"), detail=lambda data: int(data.level[2:])),
    "order.paid": _Form(
        _decoder("order.paid", "order", "buyer", "amount", "kind"),
        _order,
        buyer=attrgetter("buyer"),
        amount=_amount,
        detail=lambda data: _KINDS[data.kind],
    ),
    **{
        name: _Form(_decoder(name, "order"), _order)
        for name in ("order.received", "order.flagged", "order.cleared", "order.complained", "complaint.dismissed")
    },
    "review.posted": _Form(
        _decoder("review.posted", "order", "quality", "service"),
        _order,
        detail=attrgetter("quality"),
        extra=lambda data: data.service or 0,
    ),
    "creator.scored": _Form(
        _decoder("creator.scored", "score", "value"),
        amount=lambda data: hundredths(data.value),
        detail=lambda data: _SCORES[data.score],
    ),
    "credit.deducted": _Form(_decoder("credit.deducted", "points", "violation"), _violation, amount=_points),
    "credit.restored": _Form(_decoder("credit.restored", "violation"), _violation),
    "credit.granted": _Form(_decoder("credit.granted", "points"), amount=_points),
    "sale.settled": _Form(
        _decoder("sale.settled", "order", "amount", "channel", "good_goods", "worry_free"),
        _order,
        amount=_amount,
        detail=lambda data: _CHANNELS[data.channel],
        extra=_sale_marks,
    ),
    "sale.refunded": _Form(_decoder("sale.refunded", "order", "amount"), _order, amount=_amount),
    "points.earned": _Form(_decoder("points.earned", "points", "task"), attrgetter("task"), amount=_points),
    "points.redeemed": _Form(_decoder("points.redeemed", "points", "redemption"), _redemption, amount=_points),
    "redemption.cancelled": _Form(_decoder("redemption.cancelled", "redemption"), _redemption),
    "live.held": _Form(_decoder("live.held", "minutes"), amount=attrgetter("minutes")),
    "creator.bound": _Form(_decoder("creator.bound", "creator"), _creator),
    "creator.unbound": _Form(_decoder("creator.unbound", "creator"), _creator),
    "event.retracted": _Form(_decoder("event.retracted", "source", "event")),
}
"""By type; nothing of the others is needed, but that they can be read."""


def _no_decode(_: bytes) -> list[Any]:
    raise KeyError


_UNKNOWN: Final = _Form(_no_decode)
"""Of types that there are not."""
