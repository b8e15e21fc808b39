"""The digests of a decision: of the facts that it rests on and of the findings that led to it (RULEBOOK §0).

Form 2, which runs write, stands in docs/reference/digests.md. Form 1 is what decisions of earlier versions bear, and is
verified for ever.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from struct import Struct
from typing import Any, Final, NamedTuple

from domain.events import NEVER_READ, LevelDecided
from domain.keys import stream_key
from replay.replaying.base import Replay
from replay.replaying.outcomes import UNDIGESTED, SubjectOutcome
from replay.schemes.registry import answer_of, scheme_of
from replay.schemes.replaying import plain_of
from replay.store.base.store import Store
from replay.store.key_chains import key_states, state_by_records
from replay.store.queries import records_at
from replay.store.reading.key_state import KeyState
from replay.store.reading.row import encode_json, leaf_hash

DIGEST_V: Final = 2
"""The form that runs write."""
WORD_BYTES: Final = 24
"""A verdict's word is padded to so many bytes."""
_INTEGER: Final = Struct(">q")
_VERDICT: Final = Struct(f">qq{WORD_BYTES}s")


class Digests(NamedTuple):
    """What a decision rests on and what led to it, in hex."""

    facts: str
    findings: str


def digests_of(store: Store, decision: LevelDecided, replay: Replay) -> Digests:
    """The digests of a replay in the form that a decision bears; of facts by the records themselves.

    What the ledger keeps of the chains of keys is not relied on, as it is where many are looked at.
    """
    if decision.digest_v == 1:
        plain = plain_of(store, replay)
        return Digests(_facts_1(store, plain), _findings_1(plain))
    position = replay.moment.position
    keys = _keys_with_policies(replay.scheme, replay.keys(store, replay.subject, position))
    states = key_states(store, keys, position)
    states |= {key: state_by_records(store, key, position) for key in keys if key.startswith(stream_key(""))}
    return Digests(_facts_over(keys, states), findings_of(replay))


# --- form 2


def facts_of(store: Store, scheme: str, found: Sequence[SubjectOutcome], position: int) -> list[str]:
    """SHA-256 of the canonical JSON of [key, count, chain in hex] over the keys that each outcome rests on, in order:
    those that its replay read at the position, and those of the policies that it is made by.
    """
    keys = [_keys_with_policies(scheme, outcome.keys) for outcome in found]
    states = key_states(store, {key for some in keys for key in some}, position)
    return [_facts_over(some, states) for some in keys]


def _keys_with_policies(scheme: str, read: Sequence[str]) -> list[str]:
    return sorted({*read, *(stream_key(f"policy/{code}") for code in (scheme, *scheme_of(scheme).rests_on))})


def _facts_over(keys: Sequence[str], states: Mapping[str, KeyState]) -> str:
    listed = [(key, states[key].records, states[key].chain.hex()) for key in keys]
    return sha256(encode_json(listed)).hexdigest()


def findings_of(replay: Replay) -> str:
    """SHA-256 over the verdicts in the order of judgement and the figures, each told by its number first."""
    told = [judged for judged in replay.judged if judged.verdict != UNDIGESTED]
    found = sha256(_INTEGER.pack(len(told)))
    for judged in told:
        found.update(_VERDICT.pack(judged.position, judged.tenths or 0, judged.verdict.encode()))
    figures = replay.decided_figures
    found.update(b"".join(map(_INTEGER.pack, (len(figures), *figures))))
    return found.hexdigest()


def outcome_of(store: Store, replay: Replay) -> SubjectOutcome:
    """What a replay comes to, with the digest of its findings."""
    keys = replay.keys(store, replay.subject, replay.moment.position)
    return SubjectOutcome(replay.subject, replay.standing(), replay.score, replay.policy, findings_of(replay), keys)


# --- form 1


def _facts_1(store: Store, replay: Replay) -> str:
    """SHA-256 over the leaf hashes of the records that took part, in the order of processing."""
    positions = [event.position for event in replay.took_part if event.type not in NEVER_READ]
    leaves = dict(_leaves(store, positions))
    return sha256(b"".join(leaves[position] for position in positions)).hexdigest()


def _leaves(store: Store, positions: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    for position, record in records_at(store, positions):
        yield position, leaf_hash(record)


def _findings_1(replay: Replay) -> str:
    """SHA-256 of the canonical JSON of the verdicts [source, id, verdict, tenths] and of the scheme's figures."""
    verdicts = [
        [replay.events[judged.position].source, replay.events[judged.position].id, judged.verdict, judged.tenths]
        for judged in replay.judged
    ]
    answer = answer_of(replay)
    found: list[Any] = [verdicts, {**answer.standing_json(), **answer.figures_json()}]
    text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()
