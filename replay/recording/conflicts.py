"""A conflict: an event bears the source and id of another one. Reported is what differs, and what to do.

Values are shown bounded and escaped. A buyer is never shown, neither the name nor the alias.
"""

from typing import Any, Final

import msgspec

from replay.errors import damaged
from replay.parsing.refusals import Reason, Refusal
from replay.store.base.transaction import Known
from replay.store.record import Candidate

EARLIER: Final = 0
"""Stands for the position of an event of the same run, which has none yet."""
DIFFERENCES_SHOWN_MAX: Final = 8
BUYER: Final = "data.buyer"
_STAMPED: Final = frozenset({"causationid", "correlationid"})
"""What gateways stamp anew at each attempt; no rule reads it."""
_Attributes = dict[str, Any]


def recorded_event(known: Known) -> dict[str, Any]:
    """The event of a record. Raises StoreError where the record holds none."""
    try:
        event = msgspec.json.decode(known.record)["event"]
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise damaged(f"the record at position {known.position}")
    return event


def conflict_with_record(item: Candidate, known: Known, *, other_buyer: bool) -> Refusal:
    """The refusal of an event that differs from the recorded one. Raises StoreError where nothing differs."""
    where = "earlier in this run" if known.position == EARLIER else f"at position {known.position}"
    found = _differences(recorded_event(known), item, other_buyer=other_buyer)
    if not found:
        raise damaged(f"the record at position {known.position}, or the hash of its content,")
    return _refusal(where, found)


def conflict_elsewhere(item: Candidate, known: Known, shard: int) -> Refusal:
    """The refusal of an event whose source and id a record of another shard bears: of another subject."""
    where = (
        f"in shard {shard}, {'earlier in this run' if known.position == EARLIER else f'at position {known.position}'}"
    )
    return _refusal(where, _differences(recorded_event(known), item, other_buyer=False))


def conflict_with_earlier(item: Candidate, earlier: Candidate) -> Refusal:
    """The refusal of an event that differs from one of the same batch."""
    event = msgspec.json.decode(earlier.event)
    return _refusal("earlier in this run", _differences(event, item, other_buyer=item.buyer != earlier.buyer))


def _differences(recorded: dict[str, Any], item: Candidate, *, other_buyer: bool) -> dict[str, str]:
    """By attribute, those of the envelope first: what is recorded and what is here."""
    before, here = _attributes(recorded), _attributes(msgspec.json.decode(item.event))
    names = sorted(before.keys() | here.keys(), key=lambda name: (name.startswith("data."), name))
    differing = {name: _told(name, before, here) for name in names if _differs(name, before, here)}
    if other_buyer and BUYER in before and BUYER in here:
        differing[BUYER] = "another buyer"
    return differing


def _attributes(event: dict[str, Any]) -> _Attributes:
    """What counts for being the same event, by name; a buyer stands there as being there, and no more."""
    envelope = {name: value for name, value in event.items() if name not in ("data", "recordedtime")}
    data = {f"data.{name}": value for name, value in event["data"].items()}
    return envelope | data | ({BUYER: "a buyer"} if BUYER in data else {})


def _differs(name: str, before: _Attributes, here: _Attributes) -> bool:
    return (name in before) != (name in here) or before.get(name) != here.get(name)


def _told(name: str, before: _Attributes, here: _Attributes) -> str:
    return f"recorded {_shown(name, before)}, here {_shown(name, here)}"


def _shown(name: str, attributes: _Attributes) -> str:
    from replay.parsing.strict_json import shown

    if name not in attributes:
        return "none"
    return str(attributes[name]) if name == BUYER else shown(attributes[name])


def _refusal(where: str, differing: dict[str, str]) -> Refusal:
    texts = [f"{name}: {text}" for name, text in differing.items()]
    more = len(texts) - DIFFERENCES_SHOWN_MAX
    listed = "; ".join(texts[:DIFFERENCES_SHOWN_MAX]) + (f"; and {more} more" if more > 0 else "")
    advice = "give a new id, and retract the earlier event if it was a mistake"
    if differing.keys() <= _STAMPED:
        advice = (
            "nothing is lost when it is the same event, sent again; have whatever stamps it anew at each attempt"
            " (a gateway) send it as it was. If it is another event, give a new id"
        )
    return Refusal(
        Reason.CONFLICT,
        f"source and id: found an event that is recorded {where} with other content ({listed}); records never change:"
        f" {advice}",
    )
