"""The fast reader: a line in one of the usual forms → a candidate.

A line is decoded at once into a class made for its type, in which a text may be any, and written again. By what is
written, one regular expression tells whether all its texts are as they should be, and the number of its quotes whether
the line has a key twice: what is written has each once, and every text of such a line.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, inspect

from domain.events import CATALOGUE, Data, Envelope
from domain.limits import LINE_BYTES_MAX
from replay.parsing.checked import checked
from replay.parsing.envelope import RECEIVED, own_and_extensions
from replay.parsing.refusals import RefusalError
from replay.store.reading.row import encode_json
from replay.store.record import Candidate

_EXTERNAL: Final = {name.encode(): row.data for name, row in CATALOGUE.items() if not row.internal}
_TYPE: Final = re.compile(rb'"type"\s*:\s*"([a-z._]+)"')
_QUOTE: Final = b'"'
_PLAIN: Final = r"!#-\[\]-~"
"""Of characters in a regular expression: printable ones of ASCII that JSON does not escape, but for the blank."""
_DATA: Final = "<data>"


def read_fast(line: bytes) -> Candidate | None:
    """The candidate in a line of plain ASCII without escapes, or None: then nothing is known yet."""
    if not line.isascii() or b"\\" in line or b"\x7f" in line or len(line) > LINE_BYTES_MAX:
        return None
    found = _TYPE.search(line)
    if found is None or found[1] not in _EXTERNAL:
        return None
    try:
        return _reader_of(found[1]).read(line)
    except (msgspec.MsgspecError, RefusalError, RecursionError):
        return None


class _TypeReader:
    """Reads events of one type."""

    def __init__(self, name: str, kind: type[Data]) -> None:
        data = _like(kind, _with_any_text(kind))
        needed = any(field.required for field in msgspec.structs.fields(kind))
        default = [] if needed else [msgspec.field(default_factory=data)]
        of_type = {"type": ("type", Literal[name])}
        event = _like(Envelope, _with_any_text(Envelope) | {"data": ("data", data, *default)} | of_type)
        received = _like(RECEIVED, {"data": ("data", data if needed else data | None, *default)} | of_type)
        self._event = event
        self._decode = msgspec.json.Decoder(event).decode
        self._decode_received = msgspec.json.Decoder(received).decode
        self._is_well_formed = re.compile(_form_of(Envelope).replace(_DATA, _form_of(kind)).encode()).fullmatch
        self._may_be_left_out = [*_written_of_itself(kind)] if needed else [(_is_there("data"), 2)]

    def read(self, line: bytes) -> Candidate | None:
        try:
            event = self._decode(line)
        except msgspec.ValidationError:
            return self._read_received(line)
        written = encode_json(event)
        if self._is_well_formed(written) is None or self._has_other_quotes(line, written):
            return None
        return checked(event, {}, event.data)

    def _read_received(self, line: bytes) -> Candidate | None:
        """The same of a line that has nulls, or another media type, or the extension attributes that are documented."""
        received = self._decode_received(line)
        own, extensions = own_and_extensions(msgspec.structs.asdict(received))
        event = self._event(**own)
        if self._is_well_formed(encode_json(event)) is None or self._has_other_quotes(line, encode_json(received)):
            return None
        return checked(event, extensions, event.data)

    def _has_other_quotes(self, line: bytes, written: bytes) -> bool:
        """Whether a line has not as many quotes as what is written of it, but for what the line left out."""
        quotes = written.count(_QUOTE)
        for is_there, more in self._may_be_left_out:
            if is_there(line) is None:
                quotes -= more
        return line.count(_QUOTE) != quotes


@cache
def _reader_of(name: bytes) -> _TypeReader:
    return _TypeReader(name.decode(), _EXTERNAL[name])


Field = tuple[Any, ...]
"""Of a class: a name, a type and, where it may be left out, what it is then."""


def _like(kind: type[msgspec.Struct], fields: dict[str, Field]) -> Any:
    """A class like another, some of whose fields, by name, are others."""
    return msgspec.defstruct(kind.__name__, fields.values(), bases=(kind,), kw_only=True)


def _with_any_text(kind: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields of a class, in which a text may be any."""
    return {
        field.name: (field.name, _any_text(field.type), *([] if field.required else [field.default]))
        for field in msgspec.structs.fields(kind)
    }


def _any_text(hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return str if get_args(hint)[0] is str else hint
    if get_origin(hint) in (Union, UnionType):
        return reduce(or_, map(_any_text, get_args(hint)))
    return hint


Finder = Callable[[bytes], re.Match[bytes] | None]


def _is_there(key: str) -> Finder:
    """Looks for a key in a line without escapes, where nothing but a key has a colon behind it."""
    return re.compile(rf'"{key}"\s*:'.encode()).search


def _written_of_itself(kind: type[msgspec.Struct]) -> Iterator[tuple[Finder, int]]:
    """What looks for the keys that are written although a line left them out, and their quotes with their values'."""
    for field in msgspec.structs.fields(kind):
        if not field.required and field.default is not UNSET:
            written = encode_json({field.name: field.default})
            yield _is_there(field.name), written.count(_QUOTE)


def _form_of(kind: type[msgspec.Struct]) -> str:
    """A regular expression that tells whether what is written of a class is right in all its texts."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    fields = [f'(?:,?"{field.name}":{_form_of_value(field.type)})' for field in info.fields]
    needed = ["" if field.required else "?" for field in info.fields]
    return r"\{" + "".join(map("".join, zip(fields, needed, strict=True))) + r"\}"


def _form_of_value(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return _form_of_value(kind.type)
    if isinstance(kind, inspect.UnionType):
        return f"(?:{'|'.join(map(_form_of_value, kind.types))})"
    if isinstance(kind, inspect.RawType):
        return _DATA
    if isinstance(kind, inspect.StrType):
        return f'"(?:{_form_of_text(kind)})"'
    return '"[^"]*"' if isinstance(kind, inspect.LiteralType) else "[-0-9a-z]+"


def _form_of_text(kind: inspect.StrType) -> str:
    """Those texts that a field takes, of those that JSON writes as they are: none goes on beyond its quotes."""
    if kind.pattern is None:
        return rf"[ {_PLAIN}]{{{kind.min_length or 0},{kind.max_length or ''}}}"
    return kind.pattern.removeprefix("^").removesuffix(r"\Z").replace("!-~", _PLAIN)
