"""Times of tables → instants with an offset: what bears none is in the zone that the mapping says."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

OFFSET: Final = re.compile(r"[+-](?:0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]")
TIME: Final = re.compile(
    r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})(?:[Tt]|\x20+)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?"
    r"(?:\.([0-9]{1,9}))?\x20?([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_MINUTE: Final = len("2022-11-01T10:02")
FORM: Final = "YYYY-MM-DD HH:MM[:SS[.fraction]] (or with / and T), with or without an offset"


class Zone(NamedTuple):
    """Where clocks show what times without an offset say: an offset, or a zone of the IANA database."""

    name: str
    zone: ZoneInfo | None


def zone_of(name: str) -> Zone:
    """The zone of a name such as "Asia/Shanghai" or "+08:00". Raises ValueError for another."""
    if name in ("Z", "UTC"):
        return Zone("Z", None)
    if OFFSET.fullmatch(name):
        return Zone(name, None)
    try:
        return Zone(name, ZoneInfo(name))
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f'found {name}, which is no zone known here; write for example "Asia/Shanghai" or "+08:00"'
        ) from None


def with_offset(text: str, zone: Zone) -> str:
    """A time of a table as RFC 3339 has it. Raises ValueError, which says why, for what is none.

    Whether the day exists is left to whoever reads the instant, but where a zone has to be asked.
    """
    found = TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"is not of the form {FORM}")
    year, _, month, day, hour, minute, second, fraction, offset = found.groups()
    decimals = (fraction or "").rstrip("0")
    plain = f"{year}-{month:>02}-{day:>02}T{hour:>02}:{minute}:{second or '00'}"
    if offset is None:
        offset = zone.name if zone.zone is None else _offset_at(plain, zone.zone)
    elif ":" not in offset and len(offset) > 1:
        offset = f"{offset[:3]}:{offset[3:]}"
    return f"{plain}{'.' * bool(decimals)}{decimals}{offset}"


def _offset_at(plain: str, zone: ZoneInfo) -> str:
    return offset_in(plain[:_MINUTE], zone)


@lru_cache(65_536)
def offset_in(minute: str, zone: ZoneInfo) -> str:
    """The offset in a minute, within which no clock is changed."""
    try:
        moment = datetime.fromisoformat(minute).replace(tzinfo=zone)
    except ValueError as error:
        raise ValueError(f"does not exist in the calendar ({error})") from None
    first = moment.utcoffset()
    if first != moment.replace(fold=1).utcoffset():
        raise ValueError(f"exists twice or not at all in {zone.key}, where clocks are changed; give it an offset")
    return moment.isoformat()[len("2022-11-01T10:02:00") :]
