"""The monthly boards of agencies: rated agencies ranked by what a board ranks by (RULEBOOK §4)."""

from collections.abc import Callable
from typing import Any

import msgspec

from domain.calendar import (
    LEDGER_START,
    month_start,
    month_text,
    parse_instant,
    parse_moment,
    parse_month,
    shanghai_text,
)
from domain.events import BoardDecided, BoardRow
from domain.mcn_level.facts import evaluated_at, rules_of
from domain.mcn_level.rule import score_on
from domain.policy import Policy, start_of_month, term_at, terms_of
from domain.version import PROGRAM_VERSION
from replay.answers.replay import open_json
from replay.columnar.ledger_columns import LedgerColumns
from replay.columnar.size import are_many
from replay.errors import UsageError
from replay.history.browse import list_subjects
from replay.history.readers import Reader
from replay.history.timeline import Asked, Moment, resolve
from replay.objects.naming import FilesPlace
from replay.policies.catalog import Choice
from replay.replaying.base import Policies
from replay.schemes.mcn_level.replay import JudgedAgency, McnReplay, ranked
from replay.schemes.registry import check_holds_all, choose, kinds_read, records_of, scheme_of
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import rows_of


def board_json(
    store: Store,
    board: str,
    month: int,
    known: tuple[str | None, int | None],
    choice: Choice,
    reader: Reader,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """A board of a month, as known at a `known_at` or position: every rated agency, best first.

    Raises UsageError for a board that there is not, and a month that is not evaluated yet.
    """
    moment = _moment_of(store, month, known, choice)
    policies = choose(store, McnReplay, moment, choice)
    policy = _policy_of(policies, month)
    boards = {item["code"]: item["ranks_by"] for item in policy.parameters["boards"].value}
    if board not in boards:
        raise UsageError(f"there is no board {board!r}; known are {', '.join(boards)}")
    rows = _rows(_agencies(store, moment, policies, progress), month, boards[board])
    return {
        "board": board,
        "month": month_text(month),
        "ranks_by": boards[board],
        "program": PROGRAM_VERSION,
        "policy": policy.id,
        "policy_hash": policy.hash,
        "as_of": shanghai_text(moment.as_of),
        "known_at": shanghai_text(moment.known_at),
        "position": moment.position,
        "asked_known_at": open_json(moment),
        "in_force": moment.as_of >= policy.in_force_from,
        "assumed": McnReplay.assumed_of(policies),
        "rows": [row_json(row) for row in rows],
        **decided_json(store, board, month, rows, reader),
    }


def decided_json(store: Store, board: str, month: int, rows: list[BoardRow], reader: Reader) -> dict[str, Any]:
    """`decided`: the board as it was decided, which later knowledge never changes; whether it comes out otherwise here.

    Null where nothing was decided; left out for a reader who may not see decisions.
    """
    if not reader.sees_decisions:
        return {}
    decided = board_decisions(store, board, reader)
    latest = next((item for item in reversed(decided) if item.period == month_text(month)), None)
    if latest is None:
        return {"decided": None}
    shown = {
        "run": latest.run,
        "known_at": shanghai_text(parse_instant(latest.known_at)),
        "rows": [msgspec.to_builtins(row) for row in latest.rows],
        "restated": latest.rows != rows,
    }
    return {"decided": shown}


def board_decisions(store: Store, board: str, reader: Reader) -> list[BoardDecided]:
    """The decisions of a board, in the order in which they were made. Raises HiddenError for who may not see them."""
    reader.check("board.decided")
    return [read_record(row.type, row.record).data for row in rows_of(store, f"board/{board}")]


def row_json(row: BoardRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("rank", "subject", "score", "settled", "level")}


def board_rows(
    store: Store, period: str, moment: Moment, policies: Policies, segments: FilesPlace | None = None
) -> list[tuple[str, Policy, list[BoardRow]]]:
    """Every board of a month: its code, the policy that ranks it, and its rows.

    `segments` is where sealed segments lie, if not beside the store.
    """
    month = parse_month(period)
    policy = _policy_of(policies, month)
    agencies = _agencies(store, moment, policies, lambda _: None, segments)
    return [
        (item["code"], policy, _rows(agencies, month, item["ranks_by"])) for item in policy.parameters["boards"].value
    ]


def _policy_of(policies: Policies, month: int) -> Policy:
    return term_at(terms_of(policies.own, start_of_month), month_start(month)).policy


def _agencies(
    store: Store,
    moment: Moment,
    policies: Policies,
    progress: Callable[[int], None],
    segments: FilesPlace | None = None,
) -> list[JudgedAgency]:
    """Every agency judged: by plain replays where they rest on few records, else all at once by compiled rules."""
    check_holds_all(store, scheme_of(McnReplay.scheme))
    if are_many(records_of(store, scheme_of(McnReplay.scheme))):
        from replay.schemes.mcn_level.outcomes import judged_agencies

        source = LedgerColumns(store, moment.position, segments)
        source.check_read(kinds_read(scheme_of(McnReplay.scheme)))
        return judged_agencies(source.of_agencies(), policies, moment.as_of)
    found = []
    for number, item in enumerate(list_subjects(store, "mcn"), 1):
        subject = item["subject"]
        replay = McnReplay(subject, McnReplay.load(store, subject, moment.position), moment, policies)
        found.append(JudgedAgency(subject, replay.months))
        progress(number)
    return found


def _rows(agencies: list[JudgedAgency], month: int, ranks_by: str) -> list[BoardRow]:
    return [
        BoardRow(
            rank=rank,
            subject=subject,
            score=score_on(ranks_by, found.found),
            settled=found.found.settled_fen,
            level=found.level,
        )
        for rank, (subject, found) in enumerate(ranked(agencies, month, ranks_by), 1)
    ]


def _moment_of(store: Store, month: int, known: tuple[str | None, int | None], choice: Choice) -> Moment:
    """The month's evaluation, with what was known at the moment asked for."""
    if month_start(month) < LEDGER_START:
        raise UsageError(f"{month_text(month)} is before 2020-06, when levels begin")
    asked = resolve(store, Asked(known_at=known[0], position=known[1]))
    at_close = asked._replace(as_of=month_start(month + 1) - 1)
    own = choose(store, McnReplay, at_close, choice).own
    due = evaluated_at(month, rules_of(term_at(terms_of(own, start_of_month), month_start(month)).policy))
    if due > store.now():
        raise UsageError(f"{month_text(month)} is not evaluated yet: it is due at {shanghai_text(due)}")
    if known[0] is not None and parse_moment(known[0], store.now()) < due:
        raise UsageError(
            f"{month_text(month)} was not over as known then: a board needs all that was known at {shanghai_text(due)};"
            " give a later --known-at"
        )
    return asked._replace(as_of=due)
