"""Example events of every type, and what is none."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from domain.events import CATALOGUE
from domain.extensions import DOCUMENTED_EXTENSIONS

VALUES: dict[str, Any] = {
    "category": "fresh",
    "level": "LV3",
    "order": "o-1",
    "buyer": "b-1",
    "amount": 12_900,
    "kind": "gift",
    "payment": "cod",
    "reason": "fake_trade",
    "case": "case-7",
    "quality": 5,
    "service": 4,
    "source": "urn:test",
    "event": "e-0",
    "scheme": "creator-level",
    "period": "2022-11",
    "score": "reputation",
    "value": "4.85",
    "violation": "v-1",
    "points": 3,
    "channel": "live",
    "good_goods": True,
    "worry_free": True,
    "content": "c-1",
    "good": False,
    "minutes": 60,
    "creator": "c-9",
    "task": "t-1",
    "redemption": "r-1",
}


EXTERNAL = {name: row for name, row in CATALOGUE.items() if not row.internal}


def example(event_type: str, *, full: bool) -> dict[str, Any]:
    """A well-formed event of a type, with all its fields or with those that are required."""
    row = EXTERNAL[event_type]
    fields = msgspec.structs.fields(row.data)
    made: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "urn:test",
        "type": event_type,
        "subject": f"{row.kinds[0]}/s-1",
        "time": "2022-11-01T10:00:00+08:00",
        "data": {f.encode_name: VALUES[f.encode_name] for f in fields if full or f.required},
    }
    if event_type == "level.announced":
        made["data"]["level"] = "L3"
    if full:
        made |= dict.fromkeys(("actor", "correlationid", "causationid", "dataschema"), "x")
        made |= {"datacontenttype": "application/json", "recordedtime": "2022-11-02T00:00:00Z"}
    return made


MEDIA_TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    "Text/JSON",
    "application/vnd.shop.order+json;v=1",
]


AS_OTHERS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "actor": st.none(),
        "data": st.none(),
        "recordedtime": st.none(),
        "tenant": st.none() | st.just("t-1"),
        "datacontenttype": st.sampled_from([*MEDIA_TYPES, "text/plain", "application/jsonp", 'a/json; x="y\\z"', None]),
        "time": st.sampled_from(
            ["2022-11-01t10:00:00z", "2022-11-01T10:00:00.123456789Z", "2022-11-01T10:00:00.1234567+08:00", None]
        ),
        **dict.fromkeys(
            DOCUMENTED_EXTENSIONS, st.sampled_from(["x" * 256, "x" * 257, "", "é", 7, 10**30, 1.5, True, None])
        ),
    },
)
"""What the SDKs of others write, and what is near it."""


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, -1, 1.0, 10**11, 10**30, True, None, "", "a", "-", "a b", "é", "\u202e", "\x00", "\ud800", [], {}, "x" * 200]
)
