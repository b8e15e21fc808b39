"""What could be: a replay beside one with what did not happen, and the ways to the next level. Nothing is recorded."""

from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from projections.api.levels import sent_json
from projections.api.operations import Asked, Operation, Reply, reading_of
from projections.api.replays import replayed_of
from projections.contract.api import WhatIfBody
from projections.contract.parts.hypothetical import WaysAnswer, WhatIfAnswer
from projections.http.parameters import LanguageQuery, MomentQuery, SchemeQuery, SubjectPath, read_body
from projections.http.scopes import EXPLANATIONS, Access
from projections.reading.supposing import Supposing, supposed_beside, ways_within
from replay.answers.ways import ways_json
from replay.answers.what_if import what_if_json
from replay.hypothetical.laid import Supposed, read_supposed
from replay.policies.catalog import Choice


class WhatIfQuery(SchemeQuery, MomentQuery, LanguageQuery):
    """What is supposed stands in the body."""


async def read_what_if(request: Request, asked: Asked) -> Reply:
    """Where a subject stands beside where it would; the policy, where one is named, judges what would be."""
    body = read_body(WhatIfBody(), await sent_json(request))
    return await run_in_threadpool(_what_if, request, asked, body)


def _what_if(request: Request, asked: Asked, body: dict[str, Any]) -> Reply:
    events = [_supposed(event, number) for number, event in enumerate(body["events"], 1)]
    now = replayed_of(request, asked | {"policy": None})
    supposing = Supposing(events, body.get("to"), Choice(asked.get("policy")))
    found = supposed_beside(reading_of(request), now, supposing, "")
    later = sum(item.event.occurred_at > found.moment.as_of for item in events)
    return Reply(what_if_json(now, found, len(events) - later, later, asked["lang"]))


def _supposed(event: dict[str, Any], number: int) -> Supposed:
    return read_supposed(msgspec.json.encode(event), f"event {number}")


def read_ways(request: Request, asked: Asked) -> Reply:
    """The least that reaches the next level, each way proved."""
    now = replayed_of(request, asked)
    return Reply(ways_json(now, ways_within(reading_of(request), now), asked["lang"]))


_MERCHANT: Final = {"kind": "merchant", "id": "tea-house"}
_REVIEWED: Final = (
    ("order.paid", {"order": "o-supposed", "buyer": "b-supposed", "amount": 12_900}),
    ("review.posted", {"order": "o-supposed", "quality": 5}),
)
_SUPPOSED: Final = [
    {
        "specversion": "1.0",
        "id": f"supposed-{number}",
        "source": "urn:example:what-if",
        "type": event_type,
        "subject": "merchant/tea-house",
        "time": "2022-12-20T10:00:00+08:00",
        "data": data,
    }
    for number, (event_type, data) in enumerate(_REVIEWED, 1)
]
OPERATIONS: Final = (
    Operation(
        "readWhatIf",
        "/v1/what-if/{kind}/{id}",
        read_what_if,
        EXPLANATIONS,
        Access("what_if"),
        "Where a subject stands beside where it would",
        WhatIfAnswer,
        "It only reads: events that did not happen are sent, laid over the replay in memory, and recorded nowhere; time"
        " moves on to `to`; `policy` judges what would be. Buyers are new ones: names are not looked up.",
        SubjectPath,
        WhatIfQuery,
        WhatIfBody,
        {"events": _SUPPOSED},
        _MERCHANT | {"as_of": "2022-12-19"},
    ),
    Operation(
        "readWays",
        "/v1/ways/{kind}/{id}",
        read_ways,
        EXPLANATIONS,
        Access("ways"),
        "The least that reaches the next level",
        WaysAnswer,
        "Each way is proved by laying its events over the replay: it reaches the level, no earlier, and not with one"
        " unit less. None of it is recorded.",
        SubjectPath,
        WhatIfQuery,
        example={"kind": "creator", "id": "lin", "as_of": "2022-12-19"},
    ),
)
