"""What is asked of an overlay: events out of files, how far time moves on, and policies that nobody adopted."""

from pathlib import Path

import pytest

import replay.hypothetical.asking as asked
from domain.calendar import parse_instant
from replay.errors import UsageError
from replay.hypothetical.asking import candidate, key_at_hand, moved_to, read_events
from replay.hypothetical.overlay import overlaid
from replay.policies.catalog import Choice
from replay.schemes.registry import SCHEMES
from replay.store.base.store import Store
from replay.store.buyers import key_of
from tests import ROOT
from tests.support.making import write_lines
from tests.support.supposing import AS_OF, OPENED, grow, moment, replayed, reviews

POLICIES = ROOT / "domain" / "merchant_reputation" / "policies"


def test_events_are_read_as_intake_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write_lines(tmp_path / "events.jsonl", reviews(2))
    assert [item.event.type for item in read_events(name)] == ["order.paid", "review.posted"] * 2
    monkeypatch.setattr(asked, "WHAT_IF_EVENTS_MAX", 3)
    with pytest.raises(UsageError, match=r"^there are more than 3 hypothetical events; ask with fewer, or ingest"):
        read_events(name)
    (tmp_path / "broken.json").write_text("[{}")
    with pytest.raises(UsageError, match="ends in the middle of its JSON array"):
        read_events(str(tmp_path / "broken.json"))


def test_time_moves_on_as_far_as_it_is_told_or_the_last_event(tmp_path: Path) -> None:
    events = read_events(write_lines(tmp_path / "events.jsonl", reviews(1)))
    reviewed = parse_instant("2022-11-03T10:00:00+08:00")
    assert moved_to("--to", None, AS_OF, events, AS_OF) == AS_OF
    assert moved_to("--to", None, reviewed - 5, events, AS_OF) == reviewed
    assert moved_to("--to", "2023-02-01T00:00:00+08:00", AS_OF, events, AS_OF) == parse_instant(
        "2023-02-01T00:00:00+08:00"
    )
    with pytest.raises(UsageError, match=r"^--to 2022-12-01 is before 2023-01-31T23:59:59"):
        moved_to("--to", "2022-12-01", AS_OF, events, AS_OF)
    with pytest.raises(UsageError, match=r"^--to 2033-03-01 is more than ten years ahead"):
        moved_to("--to", "2033-03-01", AS_OF, events, AS_OF)


def test_no_event_moves_time_further_on_than_may_be_asked(tmp_path: Path) -> None:
    far = [made | {"time": "2033-03-01T10:00:00+08:00"} for made in reviews(1)]
    events = read_events(write_lines(tmp_path / "events.jsonl", far))
    with pytest.raises(UsageError, match=r"events\.jsonl:1 is more than ten years ahead; give it an earlier time, or"):
        moved_to("--to", None, AS_OF, events, AS_OF)
    assert moved_to("--to", "2023-02-28", AS_OF, events, AS_OF) == parse_instant("2023-02-28T23:59:59.999999+08:00")


def test_a_policy_that_nobody_adopted_judges_what_would_be(store: Store, tmp_path: Path) -> None:
    """A review is a point by the rules in force, and half a point by the candidate's."""
    grow(store, tmp_path, [OPENED, *reviews(4)])
    base = replayed(store, SCHEMES["merchant-reputation"], "merchant/m-1", moment(store, AS_OF))
    (shipped, *_) = sorted(POLICIES.glob("*.toml"))
    text = shipped.read_text("utf-8").replace("good = 10,", "good = 5,")
    (tmp_path / "candidate.toml").write_text(text)
    found = overlaid(base, [], AS_OF, None, candidate(tmp_path / "candidate.toml", base.scheme))
    assert (base.standing().points_tenths, found.standing().points_tenths) == (40, 20)
    assert found.policy.hash != base.policy.hash and overlaid(base, [], AS_OF).policy == base.policy
    named = overlaid(base, [], AS_OF, None, Choice(base.policy.id))
    assert named.standing() == base.standing()
    with pytest.raises(UsageError, match="holds a policy of merchant-reputation; name a policy of merchant-tier"):
        candidate(tmp_path / "candidate.toml", "merchant-tier")


def test_the_key_is_used_where_it_is_at_hand(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_at_hand(store) == key_of(store)
    path = store.key_path()
    if path is None:
        monkeypatch.delenv("LEVELBOOK_BUYER_KEY")
    else:
        path.rename(tmp_path / "elsewhere")
    assert key_at_hand(store) is None
