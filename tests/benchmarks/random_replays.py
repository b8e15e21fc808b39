"""Replays of random subjects at random moments, from one process: how long they took is printed.

python -m tests.benchmarks.random_replays STORE[,STORE…] EVENTS REPLAYS
"""

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from statistics import median
from typing import Any

from replay.answers.replay import replay_json
from replay.history.timeline import Asked, resolve
from replay.recording.placing import shard_of
from replay.schemes.registry import schemes_of
from replay.schemes.replaying import replay_subject
from replay.store.opening import open_store
from tests.benchmarks.platform_events import CREATORS_EACH, DAYS, Platform, platform_of


def main(locations: Sequence[str], events: int, replays: int) -> dict[str, Any]:
    """By kind of subject, how many replays there were, and the middle and longest of their seconds; of a set of ledgers
    each in the one that takes the subject, and of no agency, whose creators are in all of them.
    """
    taken: dict[str, list[float]] = {}
    with ExitStack() as opened:
        stores = [opened.enter_context(open_store(location)) for location in locations]
        for subject, as_of in _asked(platform_of(events), replays):
            if len(stores) > 1 and subject.startswith("mcn/"):
                continue
            store = stores[shard_of(subject, len(stores)) or 0]
            head = store.head().position
            position = random.Random(subject + as_of).randrange(head * 9 // 10, head + 1)
            for scheme in schemes_of(subject.partition("/")[0]):
                begin = time.perf_counter()
                moment = resolve(store, Asked(as_of, position=position))
                replay_json(replay_subject(store, subject, moment, scheme.code), "en")
                taken.setdefault(subject.partition("/")[0], []).append(time.perf_counter() - begin)
    return {
        kind: {"replays": len(times), "median_s": round(median(times), 4), "longest_s": round(max(times), 3)}
        for kind, times in taken.items()
    }


def _asked(platform: Platform, replays: int) -> Iterator[tuple[str, str]]:
    chance = random.Random(5)
    for _ in range(replays):
        draw = chance.random()
        subject = f"merchant/m-{chance.randrange(platform.merchants)}"
        if draw > 0.9:
            subject = f"mcn/a-{chance.randrange(platform.creators // CREATORS_EACH)}"
        elif draw > 0.7:
            subject = f"creator/c-{chance.randrange(platform.creators)}"
        yield subject, (platform.ends - timedelta(days=chance.randrange(DAYS))).isoformat()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1].split(","), int(sys.argv[2]), int(sys.argv[3]))))
