"""The desk without a browser: addresses, languages, drawings, searches, timelines, months told from their openings."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_month
from domain.languages import LANGUAGES
from projections.desk.drawing.places import DOTS_MAX, SMALL, Drawing, drawing_of
from projections.desk.drawing.timeline import StateStretch, Timeline
from projections.desk.framing.language import preferred, words_of
from projections.desk.framing.links import Address, PickedInstant, picked
from projections.desk.framing.rendering import brief_text, tidy_text
from projections.desk.moment import Sight, looking, own_of, told_of
from projections.desk.moment import replayed as replayed_at
from projections.desk.schemes.facet import Band, Mark, Point, Said, Told
from projections.desk.schemes.registry import pages_of
from projections.desk.standing_page import all_versions, standing_of
from projections.desk.timeline_page import mark_rows, timeline_of
from projections.desk.why_page import why_of
from projections.projector.rebuild import Asked, rebuild
from projections.reading.reader import Reading
from projections.text.answers import replay_lines
from projections.text.words import Words
from projections.views.database import open_views
from projections.worklist.subjects import PAGE, search
from replay.answers.replay import replay_json
from replay.decisions.application import Ledger
from replay.decisions.decide import decide, period_of
from replay.history.readers import EVERYTHING_SHOWN
from replay.policies.catalog import shipped
from replay.schemes.registry import answer_of
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.making import event, ingest_events
from tests.worlds.ledgers import CREATORS, MERCHANTS, SCHEMES, World, revised

DESK = ROOT / "projections" / "desk"
DAY = 86_400_000_000
TOLD = ("verdicts", "notes", "clauses", "adds_up")


# --- addresses and words ----------------------------------------------------------------------------------------------


def test_a_view_has_one_address_and_keeps_its_moment_on_other_pages() -> None:
    here = Address("/x", {"lang": "zh", "month": "2022-11", "as_of": "2022-12-16", "page": "2"})
    assert here.to() == "/x?as_of=2022-12-16&month=2022-11&page=2&lang=zh"
    assert here.to(page=None, verdict="flagged") == "/x?as_of=2022-12-16&month=2022-11&verdict=flagged&lang=zh"
    assert here.beside("/y", scheme="merchant-tier") == "/y?scheme=merchant-tier&as_of=2022-12-16&lang=zh"
    assert here.tidied() is None
    assert here.handed_on(["month"], scheme="merchant-tier", lang="en") == [
        ("scheme", "merchant-tier"),
        ("as_of", "2022-12-16"),
        ("lang", "zh"),
    ]
    assert Address("/x", {"q": "tea", "kind": ""}).tidied() == "/x?q=tea"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", PickedInstant("", "")),
        ("2022-12-16", PickedInstant("2022-12-16", "")),
        ("2022-12-16T23:59:59.999999+08:00", PickedInstant("2022-12-16", "")),
        ("2022-12-16T04:00:00Z", PickedInstant("2022-12-16", "12:00:00")),
        ("2022-12-16T04:00:00.5Z", None),
        ("yesterday", None),
    ],
)
def test_pickers_show_an_instant_exactly_or_not_at_all(text: str, shown: PickedInstant | None) -> None:
    assert picked(text) == shown


@pytest.mark.parametrize("time", ["12:00", "12:00:00"])
def test_a_time_that_was_picked_is_joined_to_its_day(time: str) -> None:
    sent = Address("/x", {"as_of": "2022-12-16", "as_of_time": time, "known_at": "", "known_at_time": "", "lang": "zh"})
    assert sent.tidied() == "/x?as_of=2022-12-16T12%3A00%3A00%2B08%3A00&lang=zh"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr, en;q=0.5, zh;q=0.7", "zh"),
        ("de, fr", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=x, en;q=0.2", "en"),
        ("zh;q=0.\u00b2, en;q=0.1", "en"),
        ("zh;q=0.333, en;q=0.34", "en"),
    ],
)
def test_the_language_that_a_browser_prefers(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_both_languages_have_the_same_words_and_none_is_unused() -> None:
    words = {language: words_of(language)._words for language in LANGUAGES}
    assert list(words["en"]) == list(words["zh"])
    for key in words["en"]:
        fields = [set(re.findall(r"{(\w+)", words[language][key])) for language in LANGUAGES]
        assert fields[0] == fields[1], key
    sources = [path.read_text("utf-8") for path in (*DESK.glob("**/*.py"), *DESK.glob("templates/**/*.html"))]
    text = "\n".join(sources)
    said = set(re.findall(r"""\bt\(\s*['"]([\w-]+)['"]""", text))
    families = set(re.findall(r"""\b(?:t|words)\(\s*f?['"]([a-z]+_)(?:['"] ~|{)""", text))
    pages = set(re.findall(r'\("[a-z]*", "([a-z]+)"\)', (DESK / "templates" / "subject.html").read_text("utf-8")))
    known = said | pages
    unused = [key for key in words["en"] if key not in known and not any(key.startswith(name) for name in families)]
    assert unused == [] and families >= {"kind_", "scheme_", "mark_", "cause_"}
    assert [key for key in known if key not in words["en"] and key not in families] == []


def test_instants_are_written_to_be_read() -> None:
    assert brief_text(1_669_823_999_999_999) == "2022-11-30 23:59:59"
    assert tidy_text("a at 2023-01-09T15:01:00+08:00, b") == "a at 2023-01-09 15:01:00, b"


# --- drawings ---------------------------------------------------------------------------------------------------------


def line_of(*points: tuple[int, int | None], marks: tuple[Mark, ...] = (), **rest: Any) -> Timeline:
    found: dict[str, Any] = {
        "is_stepped": False,
        "is_ranked": False,
        "bands": [Band("a", 10), Band("b", 51)],
        "stretches": [],
        "as_of": 100 * DAY,
    }
    values = found | {"are_marks_whole": True} | rest
    return Timeline(points=[Point(at * DAY, score) for at, score in points], marks=list(marks), **values)


def drawn(timeline: Timeline) -> Drawing:
    found = drawing_of(timeline)
    assert found is not None
    return found


def places_of(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (place.split(",") for place in line.split())]


def test_a_drawing_keeps_the_order_of_time_and_score() -> None:
    found = drawn(line_of((0, 0), (40, 20), (60, 55), (90, 30)))
    (line,) = found.lines
    places = places_of(line)
    assert all(before[0] <= after[0] for before, after in pairwise(places))
    heights = [place.y for place in found.places]
    assert heights[0] > heights[1] > heights[2] and heights[2] < heights[3] < heights[0]
    assert [box.level for box in found.boxes] == ["a", "b"] and found.boxes[0].y == pytest.approx(
        found.boxes[1].y + found.boxes[1].height, abs=0.2
    )
    assert found.as_of_x == pytest.approx(found.right)


def test_a_score_without_a_level_breaks_a_stepped_line() -> None:
    found = drawn(line_of((0, 1), (20, None), (40, 2), is_stepped=True))
    first, second = map(places_of, found.lines)
    assert [y for _, y in first] == [first[0][1]] * len(first) and first[-1][0] < second[0][0]
    assert len(found.places) == 2


def test_a_quiet_end_is_shortened_and_what_was_learned_later_stands_at_the_edge() -> None:
    corrected = Mark("corrected", 99 * DAY, 20 * DAY, "order.flagged", "flag-1")
    decided = Mark("decided", 17 * DAY, 16 * DAY, "2022-11", "run-1", Said("b", 60))
    found = drawn(line_of((0, 0), (8, 20), (16, 50), (24, 50), marks=(corrected, decided), as_of=10_000 * DAY))
    assert found.ends_at < 30 * DAY and found.as_of_x is None
    lanes = {lane.kind: lane.signs[0] for lane in found.lanes}
    assert lanes["corrected"].x == found.right and lanes["decided"].x < found.right
    (sign,) = found.decided
    assert sign.y < found.places[2].y, "what was decided stands above what came out"


def test_states_without_an_ordinary_level_are_shaded_for_as_long_as_they_last() -> None:
    gated = [StateStretch("gated", 20 * DAY, 40 * DAY), StateStretch("closed", 90 * DAY, None)]
    found = drawn(line_of((0, 20), (90, 20), stretches=gated))
    first, second = found.shades
    width = found.right - found.left
    assert (first.state, first.x, first.width) == ("gated", found.left + width / 5, width / 5)
    assert second.x + second.width == pytest.approx(found.right), "what goes on is shaded to the end"


def test_a_narrow_drawing_keeps_within_its_frame() -> None:
    timeline = line_of((0, 5), (700, 60), as_of=800 * DAY)
    found = drawing_of(timeline, SMALL)
    assert found is not None and len(found.months) <= SMALL.ticks_max + 1
    assert all(SMALL.left <= place.x <= found.right < SMALL.width for place in found.places)
    assert drawn(timeline).places[-1].x > SMALL.width


def test_marks_of_one_place_stand_together() -> None:
    flags = tuple(Mark("corrected", 16 * DAY + n, 9 * DAY, "order.flagged", f"flag-{n}") for n in range(500))
    found = drawn(line_of((0, 0), (8, 20), (30, 50), marks=flags))
    ((sign,),) = (lane.signs for lane in found.lanes)
    assert (sign.more, sign.mark.event) == (499, "flag-0")


def published(month: str, level: str | None, **rest: Any) -> Mark:
    said = None if level is None else Said(level, None)
    return Mark("published", 0, 0, month, "", said, said, **rest)


def test_publications_that_say_the_same_of_months_without_a_gap_are_one_row() -> None:
    decided = Mark("decided", 0, 0, "2023-03", "run-1")
    marks = [published(f"2022-{month}", "a") for month in (10, 11, 12)]
    marks += [
        published("2023-01", "b"),
        published("2023-03", "b"),
        decided,
        published("2023-04", "b"),
        decided,
        decided,
    ]
    rows = mark_rows(marks)
    assert [(row.first.about, row.last.about, row.marks) for row in rows] == [
        ("2022-10", "2022-12", 3),
        *((about, about, 1) for about in ("2023-01", "2023-03", "2023-03", "2023-04", "2023-03", "2023-03")),
    ]
    unknown = mark_rows([published("2022-10", "a"), published("2022-11", "a", is_then_known=False)])
    assert [row.marks for row in unknown] == [1, 1]


def test_nothing_is_drawn_of_nothing_and_many_points_have_no_dots() -> None:
    assert drawing_of(line_of((0, None))) is None
    assert drawing_of(line_of()) is None
    found = drawn(line_of(*((day, day) for day in range(DOTS_MAX + 1))))
    assert found.places == [] and len(found.lines) == 1
    assert len(drawn(line_of((0, 5))).months) == 1
    assert 1 < len(drawn(line_of((0, 5), (3_000, 9), as_of=3_000 * DAY)).months) < 10


def bands_of(scheme: str) -> list[Band]:
    return pages_of(scheme).drawn.bands(shipped(scheme)[-1])


def test_the_bands_are_the_levels_of_the_rules() -> None:
    bands = bands_of("creator-level")
    assert [(band.level, band.begins) for band in bands[:3]] == [("L0", 0), ("L1", 3), ("L2", 8)]
    for score in range(36):  # level = (4 S + B + 2) // 5
        reached = [band.level for band in bands if band.begins <= score][-1]
        assert reached == f"L{(score + 2) // 5}"
    assert bands_of("merchant-tier")[3] == Band("LV3", 3)
    assert bands_of("mcn-level")[1] == Band("V2", 300)


# --- models over random ledgers ---------------------------------------------------------------------------------------


@pytest.fixture(params=range(2 * SOAK))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reading]:
    """A random ledger with views; of odd seeds under several policies."""
    seed, location = request.param, str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        for scheme in SCHEMES if seed % 2 else ():
            Ledger(store).adopt(revised(scheme, seed))
        ingest_events(store, World(300 + seed).events(900), tmp_path)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
    found = Reading(location)
    yield found
    found.close()


@pytest.fixture
def sight(world: Reading) -> Iterator[Sight]:
    with looking(world, EVERYTHING_SHOWN, {}) as found:
        assert found.views is not None and not found.is_asked
        yield found


@pytest.mark.slow
def test_a_month_from_its_opening_is_the_same_part_of_the_whole_explanation(sight: Sight) -> None:
    whole, verdicts, notes = sight._replace(views=None), 0, 0
    own = pages_of("merchant-reputation")
    assert own.opening is not None
    for subject in MERCHANTS:
        told = told_of(sight, subject, "merchant-reputation", "en")
        assert told is not None
        for month in [*own.periods.months(told), "2022-08"]:
            asked = {"month": month, "page": 1}
            expected, found = (why_of(each, subject, told, asked, "en") for each in (whole, sight))
            assert found is not None and expected is not None
            for name in TOLD:
                assert found.found[name] == expected.found[name], (subject, month, name)
            assert found == expected
            verdicts, notes = verdicts + len(found.found["verdicts"]), notes + len(found.found["notes"])
    assert verdicts > 100 and notes > 20


def test_the_views_and_a_replay_draw_the_same(sight: Sight) -> None:
    replayed, points = sight._replace(views=None), 0
    for subject in (*MERCHANTS, *CREATORS, "mcn/a-1", "mcn/a-2"):
        for scheme in SCHEMES:
            if scheme.partition("-")[0] == subject.partition("/")[0]:
                told, again = (told_of(each, subject, scheme, "zh") for each in (sight, replayed))
                assert told is not None and again is not None
                found, expected = (
                    timeline_of(each, subject, one, partial(replayed_at, each, subject, scheme))
                    for each, one in ((sight, told), (replayed, again))
                )
                assert found == expected and told.level_names == again.level_names
                assert told.assumed == again.assumed and hashes(told) == hashes(again)
                assert all(before.at <= after.at for before, after in pairwise(found.points))
                points += len(found.points)
    assert points > 50


def hashes(told: Told) -> list[str]:
    return [policy.hash for policy in all_versions(told.policies)]


def test_a_standing_says_what_a_replay_says(sight: Sight) -> None:
    """From the views as by a replay, and in the words of the command."""
    told_lines = 0
    for subject in (*MERCHANTS, *CREATORS, "mcn/a-1", "mcn/a-2"):
        for scheme in SCHEMES:
            if scheme.partition("-")[0] != subject.partition("/")[0]:
                continue
            told, replay = told_of(sight, subject, scheme, "en"), replayed_at(sight, subject, scheme)
            assert told is not None
            own = own_of(sight, subject, told)
            assert own == answer_of(replay).own_json()
            card = standing_of(told, own, sight.moment.as_of, words_of("en"))
            printed = set(replay_lines(replay_json(replay, "en"), Words("en", told.level_names)))
            for section in card.sections:
                assert f"  {section.title}:" in printed
                for line in section.lines:
                    assert any(item.startswith(f"    {line.text}") for item in printed), line
                told_lines += len(section.lines) + len(section.rows)
    assert told_lines > 50


def test_the_last_publication_is_what_is_effective(sight: Sight) -> None:
    seen, drawn = 0, pages_of("merchant-reputation").drawn
    assert drawn.publications is not None
    for subject in MERCHANTS:
        told = told_of(sight, subject, "merchant-reputation", "en")
        assert told is not None
        publications = list(drawn.publications(told, sight.moment.as_of))
        if publications:
            assert publications[0].now is not None and publications[0].now.level == told.level["effective_level"]
            since = told.level["effective_since"]
            assert since in [mark.at for mark in publications]
            shown = {mark.now and mark.now.level for mark in publications if mark.at >= since}
            assert shown == {told.level["effective_level"]}
            seen += 1
        last = drawn.points(told, sight.moment.as_of)[-1]
        assert last.score == told.level["score"] or told.level["state"] == "closed"
    assert seen > 0


def test_a_decision_on_a_month_that_is_evaluated_stands_beside_its_score_as_known_now(
    location: str, tmp_path: Path
) -> None:
    """A sale of 400 yuan was decided, 2,600 yuan are known: sales score 2 in place of 1, four times counted."""
    create_store(location)
    sold = {"subject": "creator/li", "good_goods": False, "channel": "live"}
    early = event("sale.settled", "s-1", "2022-09-05T00:00:00+08:00", order="1", amount=40_000, **sold)
    late = event("sale.settled", "s-2", "2022-09-06T00:00:00+08:00", order="2", amount=220_000, **sold)
    opened = event("creator.registered", "r", "2022-09-01T00:00:00+08:00", subject="creator/li")
    with open_store(location) as store:
        ingest_events(store, [opened, early], tmp_path)
        decide(store, "creator-level", period_of(store, "creator-level", parse_month("2022-09"), None))
        ingest_events(store, [late], tmp_path)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
    reading = Reading(location)
    with looking(reading, EVERYTHING_SHOWN, {}) as sight:
        told = told_of(sight, "creator/li", "creator-level", "en")
        assert told is not None
        (mark,) = timeline_of(sight, "creator/li", told).marks
    reading.close()
    gated = [Said(None, score, "gated") for score in (4, 8)]
    assert [mark.kind, mark.then, mark.now] == ["decided", *gated], "gated either way"
    assert mark.differs


# --- searching --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_subjects_are_found_by_kind_and_beginning_page_by_page(location: str, tmp_path: Path) -> None:
    create_store(location)
    opened = [
        event("merchant.onboarded", f"open-{n}", subject=f"merchant/tea-{n:03d}", category="tea")
        for n in range(PAGE + 5)
    ]
    others = [event("creator.registered", f"reg-{n}", subject=f"creator/{n}") for n in ("tea-1", "zoe")]
    with open_store(location) as store:
        ingest_events(store, opened + others, tmp_path)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
    reading = Reading(location)
    with reading.snapshot() as at:
        first = search(at, "tea-", None, None)
        assert [item.subject for item in first.found][:2] == ["creator/tea-1", "merchant/tea-000"]
        assert len(first.found) == PAGE and first.next == f"merchant/tea-{PAGE - 2:03d}"
        rest = search(at, "tea-", None, first.next)
        assert [item.subject for item in rest.found] == [f"merchant/tea-{n:03d}" for n in range(PAGE - 1, PAGE + 5)]
        assert rest.next is None
        assert len(first.found[1].levels) == 2, "a merchant has a reputation and a tier"
        assert [item.subject for item in search(at, "creator/z", "merchant", None).found] == ["creator/zoe"]
        assert search(at, "tea-%", None, None).found == [] and search(at, "", "mcn", None).found == []
    with looking(reading, EVERYTHING_SHOWN, {}) as sight:
        told = told_of(sight, "merchant/tea-000", "merchant-reputation", "en")
        assert told is not None and told.level["state"] == "unrated"
        assert len(timeline_of(sight, "merchant/tea-000", told).points) == 2
        why = why_of(sight, "merchant/tea-000", told, {"month": "2022-11", "page": 1}, "en")
        assert why is not None and why.found["adds_up"]["closing"] == "0.0"
    reading.close()
