"""A scheme is a unit: what each registered scheme must have, and that a command names what one lacks beforehand."""

import ast
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from domain.calendar import parse_day, parse_instant, parse_month
from domain.events import CATALOGUE
from domain.fields import Scheme
from projections.http.settings import Settings
from projections.projector.advance import retry
from projections.projector.follow import follow
from projections.projector.rebuild import Asked, rebuild
from projections.projector.verify import verify_all
from projections.reading.freshness import Judges
from projections.reading.reader import Reading
from projections.schemes.registry import VIEWS, View, bulk_of, check_views_whole, kinds_in_bulk, view_of
from projections.server.serve import serve
from projections.views.database import Views, open_views
from projections.views.tables import TABLE_NAMES
from replay.decisions.decide import decide, period_of
from replay.errors import LevelbookError, UsageError
from replay.history.timeline import Moment
from replay.integrity.verify import Verified
from replay.policies.catalog import shipped, shipped_schemes
from replay.policies.parameters.finding import parameters_of
from replay.rendering.clauses import clauses
from replay.replaying.base import Policies
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.registry import SCHEMES, check_whole, kinds, scheme_of, schemes_of
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from tests import ROOT
from tests.support.imports import graph_of_modules, sources
from tests.support.making import ingest_events
from tests.worlds.ledgers import World, revised

TESTS = ROOT / "tests"
WRITING = ("_text", "_json")
"""How the names of functions end that write a value in an answer."""
OF_ALL = {"levels", "history", "calendar", "life", "bindings", "decisions", "announced", "set_aside"}
"""Tables that are filled whatever the scheme."""


class Courier(CreatorReplay):
    """A sixth scheme of which there is nothing but its replay."""

    scheme = "courier-level"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(SCHEMES, Courier.scheme, replace(SCHEMES["creator-level"], replay=Courier))
    return Courier.scheme


def test_the_catalogue_of_events_and_the_rooms_of_the_rules_name_the_registered_schemes() -> None:
    assert {*SCHEMES} == {*get_args(Scheme)} == {*shipped_schemes()}
    assert all(code == scheme.code for code, scheme in SCHEMES.items())
    assert all(schemes_of(kind) for kind in kinds())
    assert {name for row in CATALOGUE.values() for name in row.kinds} >= {*kinds()}


@pytest.mark.parametrize("code", SCHEMES)
def test_a_scheme_has_all_by_which_it_is_replayed_and_decided(code: str) -> None:
    scheme = scheme_of(code)
    check_whole(scheme)
    assert shipped(code) and clauses(code) and parameters_of(code)().fields
    assert scheme in schemes_of(scheme.kind)
    order = list(SCHEMES)
    assert all(order.index(name) < order.index(code) for name in scheme.rests_on)
    policies = Policies(shipped(code), [policy for name in scheme.rests_on for policy in shipped(name)])
    moment = Moment(parse_instant("2023-06-01T00:00:00Z"), 0, 0)
    nobody = scheme.replay(f"{scheme.kind}/none", [], moment, policies)
    assert nobody.standing().state in scheme.undecided
    number = {"month": parse_month("2023-04"), "day": parse_day("2023-04-01")}[scheme.periods.unit]
    period = scheme.periods.period(number, lambda *_: shipped(code)[-1])
    assert period.begins < period.as_of <= period.due


@pytest.mark.parametrize("code", SCHEMES)
def test_a_replay_gives_values_and_its_answer_alone_writes_them(code: str) -> None:
    room = f"replay.schemes.{code.replace('-', '_')}"
    modules = sources()
    shared = [f"replay.replaying.{name}" for name in ("base", "monthly", "values")]
    written = {name for module in (f"{room}.replay", *shared) for name in names_imported(modules[module])}
    assert written and not {name for name in written if name.endswith(WRITING)}
    assert {name for name in names_imported(modules[f"{room}.answer"]) if name.endswith(WRITING)}
    assert not [name for name in dir(scheme_of(code).replay) if name.endswith("_json")]
    proving = names_imported(modules[f"projections.{room.removeprefix('replay.')}.expected"])
    assert not {name for name in proving if name.startswith("parse_") or name.endswith("_json")}


def names_imported(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    return {alias.name for node in tree if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_a_scheme_that_is_not_whole_is_named_before_anything_is_replayed_or_decided(
    store: Store, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.schemes.registry.has_subject", lambda *_: True)
    for begin in (
        lambda: check_whole(SCHEMES[stub]),
        lambda: replay_subject(store, "creator/lin", Moment(store.now(), 0, 0), stub),
        lambda: period_of(store, stub, parse_month("2023-04"), None),
        lambda: decide(store, stub, period_of(store, "creator-level", parse_month("2023-04"), None)),
    ):
        with pytest.raises(LevelbookError, match=r"Add them, or take it out of replay/schemes/registry\.py$") as told:
            begin()
        begins = "the scheme courier-level is registered and not whole, so that nothing was begun: missing are policies"
        assert str(told.value).startswith(begins)
    assert store.head().position == 0


# --- views ------------------------------------------------------------------------------------------------------------


def test_every_scheme_has_a_view_and_every_table_is_of_one_of_them_or_of_all() -> None:
    check_views_whole()
    assert list(VIEWS) == list(SCHEMES)
    named = [name for view in VIEWS.values() for name in view.tables]
    assert len(named) == len({*named})
    assert {*named} | OF_ALL == {*TABLE_NAMES} and not {*named} & OF_ALL


@pytest.mark.parametrize("code", SCHEMES)
def test_a_view_has_its_tables_its_bulk_path_and_the_rows_that_prove_it(code: str) -> None:
    view, scheme = view_of(code), SCHEMES[code]
    assert view.scheme is scheme and view.tables
    assert not view.in_bulk or callable(bulk_of(code))
    assert view.in_bulk == (view.kind in kinds_in_bulk())
    policies = Policies(shipped(code), [policy for name in scheme.rests_on for policy in shipped(name)])
    moment = Moment(parse_instant("2023-06-01T00:00:00Z"), 0, 0)
    rows = view.expected(scheme.replay(f"{scheme.kind}/none", [], moment, policies))
    assert {*rows} - {"history"} <= {*view.tables} and {*rows} & {*view.tables}


@pytest.mark.parametrize("code", SCHEMES)
def test_a_scheme_is_tried_by_an_oracle_random_worlds_and_benchmarks(code: str) -> None:
    room = code.replace("-", "_")
    for place in (f"oracles/{room}.py", f"oracles/test_{room}.py", f"worlds/{room}.py"):
        assert (TESTS / place).is_file(), place
    policy = shipped(code)[-1]
    assert revised(code, 1).hash not in (policy.hash, revised(code, 2).hash)
    begun = {item["type"] for item in World(3).events(400) if item["subject"].startswith(f"{SCHEMES[code].kind}/")}
    assert len(begun) > 4
    benchmarks = "".join(path.read_text() for path in (TESTS / "benchmarks").glob("test_*.py"))
    assert f"replay.schemes.{room}.fold import" in benchmarks


@pytest.mark.slow
def test_what_proves_the_views_knows_nothing_of_how_they_are_moved() -> None:
    graph = graph_of_modules()
    for code in VIEWS:
        seen: set[str] = set()
        new = {f"projections.schemes.{code.replace('-', '_')}.expected"}
        while new:
            seen |= new
            new = {to for name in new for to in graph[name]} - seen
        own = {name for name in seen if name.startswith("projections.")}
        allowed = {"projections.schemes.shared.expected_rows", "projections.views.tables"}
        assert own - {f"projections.schemes.{code.replace('-', '_')}.expected"} <= allowed, code


def beginnings(views: Views) -> list[Callable[[], object]]:
    """Whatever builds or reads views by their registry."""

    def verify() -> None:
        def told(_: Verified) -> None:
            raise AssertionError("the ledger was looked at")

        verify_all(views.store, None, None, told, lambda *_: nullcontext(lambda _: None), lambda: nullcontext(print))

    settings = Settings(views.store.location)
    return [
        lambda: rebuild(views, Asked()),
        lambda: follow(views, stay=False),
        lambda: retry(views),
        lambda: serve(settings),
        verify,
    ]


def test_a_scheme_without_a_view_is_named_before_views_are_begun(
    store: Store, tmp_path: Path, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, World(1).events(20), tmp_path)
    monkeypatch.setattr("projections.schemes.registry.check_whole", lambda _: None)
    view = replace(VIEWS["creator-level"], scheme=SCHEMES[stub])
    wrong: dict[str, View | None] = {
        "missing are a view. Add them, or take it out of replay/schemes/registry.py": None,
        "missing are the table courier_months": replace(view, tables=("courier_months",)),
        "missing are a way to fill it in bulk.": view,
        "in bulk. Add them": replace(view, in_bulk=False),
    }
    with open_views(store, make=True) as views:
        began = f"the views of {stub} cannot be built, so that nothing was begun: "
        for text, registered in wrong.items():
            if registered is not None:
                monkeypatch.setitem(VIEWS, stub, registered)
            for begin in beginnings(views):
                with pytest.raises(LevelbookError, match=f"{began}.*{text}"):
                    begin()
        with views.reading() as connection:
            assert views.builds(connection) == []
    assert store.head().position == 20


def test_a_view_of_a_scheme_that_is_not_whole_is_not_begun(store: Store, stub: str) -> None:
    with open_views(store, make=True) as views:
        for begin in beginnings(views):
            with pytest.raises(LevelbookError, match=f"the scheme {stub} is registered and not whole"):
                begin()
    with pytest.raises(LevelbookError, match=f"the scheme {stub} has no view; known are merchant-reputation, "):
        view_of(stub)


# --- whoever names a scheme that there is not -------------------------------------------------------------------------


def test_a_reader_of_views_who_names_a_scheme_that_there_is_not_hears_of_it(store: Store) -> None:
    reading, judges = Reading(store.location), Judges(store, "{}")
    try:
        for ask in (
            lambda: reading.room("creator/lin", "courier-level", 0, 1).__enter__(),
            lambda: judges.assumed("courier-level"),
            lambda: judges.level_names("courier-level", "en"),
        ):
            with pytest.raises(UsageError, match="there is no scheme 'courier-level' of subjects; known are merchant-"):
                ask()
    finally:
        reading.close()
