"""The tables of the views, one set for each build, and the SQL views `v1_…` by which services read the live one.

Instants are microseconds since 1970-01-01T00:00:00Z, days and months texts (2022-11-05, 2022-11), money fen, points
tenths; days that are reckoned with are numbers, counted from 1970-01-01. Columns that a `v1_…` view does not name are
the views' own business: from which stored state a late event goes on. A rebuild fills the tables of a new build beside
the live ones; a switch makes the `v1_…` views anew.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table

from domain.merchant_reputation.rule import Verdict
from replay.schema.columns import BIG, TEXT

CONTRACT: Final = "v1"
VERDICT_COLUMNS: Final = tuple(verdict.word for verdict in Verdict)
SUMS: Final = ("settled_fen", "showcase_fen", "good_fen", "orders", "worry_free", "showcase_orders", "live_minutes")
DAY_FIGURES: Final = (*("orders", "gmv_fen", "complaints", "reviews", "product_good", "service_rated", "service_good"),)


def _key(name: str, *, text: bool = True) -> Column[Any]:
    kind: Any = TEXT if text else BIG
    return Column(name, kind, primary_key=True, autoincrement=False)


def _text(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, TEXT, nullable=null)


def _big(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, BIG, nullable=null)


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean(create_constraint=False), nullable=False)


def _policy() -> list[Column[Any]]:
    """By which policy a row was judged, and whether that rests on assumed parameters."""
    return [_text("policy"), _text("policy_hash"), _flag("assumed")]


def _columns() -> dict[str, list[Column[Any]]]:
    """By name, the columns of every table of a build."""
    return {
        "levels": [
            *(_key("subject"), _key("scheme"), _text("state"), _text("level", null=True), _big("score", null=True)),
            *(_text("effective_state"), _text("effective_level", null=True), _big("effective_since", null=True)),
            *_policy(),
        ],
        "history": [
            *(_key("subject"), _key("scheme"), _key("number", text=False), _big("from_at"), _big("to_at", null=True)),
            *(_text("state"), _text("level", null=True), _big("score", null=True), *_policy()),
            *(_text("cause"), _big("cause_position", null=True)),
        ],
        "reputation_months": [
            *(_key("subject"), _key("month"), _big("opening_tenths"), _big("growth_tenths")),
            *(_big("cap_tenths", null=True), _big("closing_tenths"), _text("state"), _text("level", null=True)),
            *(_big(word) for word in VERDICT_COLUMNS),
            *_policy(),
            *(_big("month_end"), _big("opened_at"), _flag("is_open"), _big("closed_at"), _big("closed_position")),
            _big("netting"),
        ],
        "published_then": [
            *(_key("subject"), _key("month"), _text("to_month")),
            *(_big("points_tenths", null=True), _text("level", null=True)),
        ],
        "tier_days": [
            *(_key("subject"), _key("number", text=False), _text("day"), _text("cause"), _big("cause_position")),
            *(_text("state"), _text("level", null=True), *_policy()),
            *(_big("tier"), _big("since_day"), _big("lowest_since_day"), _flag("is_open"), _flag("cleared_out")),
        ],
        "creator_months": [
            *(_key("subject"), _key("month"), _text("state"), _text("level", null=True), _big("score")),
            *(_big("settled_fen"), _big("good_fen"), _big("sales_score"), _big("behaviour_score")),
            *(_big("reputation_sum"), _big("reputation_days"), _big("deducted"), *_policy()),
        ],
        "firefly_months": [
            *(_key("subject"), _key("month"), _text("level"), _big("score"), _big("balance")),
            *(_big("earned"), _big("redeemed"), _big("events"), *_policy(), _big("begins_at"), _big("begun_with")),
        ],
        "mcn_months": [
            *(_key("subject"), _key("month"), _text("state"), _text("level", null=True), _big("total")),
            *(_big("operating"), _big("growth"), _big("service"), _big("bonus"), _big("credit")),
            *(_big("settled_fen"), _big("showcase_fen"), _big("good_fen"), _big("orders"), _big("worry_free")),
            *(_big("showcase_creators"), _big("live_minutes"), _big("top_creators")),
            *(_big("reputation_sum"), _big("reputation_creators"), *_policy()),
        ],
        "leaderboards": [
            *(_key("board"), _key("month"), _key("rank", text=False), _text("subject"), _big("score")),
            *(_big("settled_fen"), _text("level", null=True), *_policy()),
        ],
        "decisions": [
            *(_key("position", text=False), _text("subject"), _text("scheme"), _text("period"), _text("run")),
            *(_text("state"), _text("level", null=True), _big("score", null=True), _big("as_of"), _big("known_at")),
            *(_big("decided_position"), _text("policy"), _text("policy_hash"), _flag("assumed")),
        ],
        "announced": [
            *(_key("position", text=False), _text("subject"), _text("scheme"), _text("period")),
            *(_text("level", null=True), _big("at"), _big("ends_at")),
        ],
        "set_aside": [
            *(_key("subject"), _key("scheme"), _big("position"), _big("at"), _text("reason")),
            _text("trace", null=True),
        ],
        "calendar": [_key("subject"), _key("scheme"), _big("next_at")],
        "life": [
            *(_key("subject"), _key("position", text=False), _big("at"), _text("type"), _text("about", null=True)),
            _big("value"),
        ],
        "tier_figures": [_key("subject"), _key("day", text=False), *(_big(name) for name in DAY_FIGURES)],
        "creator_figures": [
            *(
                _key("subject"),
                _key("month", text=False),
                _big("events"),
                _big("settled_sum_fen"),
                _big("good_sum_fen"),
            ),
            *(_big("reputation_sum"), _big("reputation_days"), _big("deducted"), _big("last_reputation", null=True)),
        ],
        "mcn_parts": [
            *(_key("mcn"), _key("month", text=False), _key("creator"), *(_big(name) for name in SUMS)),
        ],
        "bindings": [
            *(_key("creator"), _key("position", text=False), _big("at"), _text("mcn"), _flag("binds")),
        ],
    }


_INDEXES: Final = (
    ("calendar", "next_at"),
    ("levels", "scheme", "level", "state"),
    ("history", "from_at", "subject", "scheme"),
    ("life", "about"),
    ("mcn_parts", "creator", "month"),
    ("bindings", "mcn"),
    ("decisions", "subject", "scheme", "period"),
    ("decisions", "scheme", "period", "position"),
    ("announced", "subject"),
    ("announced", "scheme", "period", "position"),
    ("mcn_months", "month"),
)
INTERNAL: Final = ("life", "creator_figures", "mcn_parts", "bindings")
"""Tables that no `v1_…` view shows: the states that the views go on from."""
TABLE_NAMES: Final = tuple(_columns())

HIDDEN: Final = {
    "set_aside": ("trace",),
    "reputation_months": ("month_end", "opened_at", "is_open", "closed_at", "closed_position", "netting"),
    "tier_days": ("tier", "is_open", "cleared_out"),
    "firefly_months": ("begins_at", "begun_with"),
}
"""By table, the columns that no `v1_…` view shows."""
STANDING: Final = ("position", "as_of", "program")


class Tables:
    """The tables of one build, by name."""

    def __init__(self, build: int, schema: str | None) -> None:
        self.build = build
        self.metadata = MetaData(schema=schema)
        self._tables = {
            name: Table(f"b{build}_{name}", self.metadata, *columns) for name, columns in _columns().items()
        }
        for table, *columns in _INDEXES:
            found = self._tables[table]
            Index(f"b{build}_{table}_by_{'_'.join(columns)}", *(found.c[column] for column in columns))

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]


@cache
def tables_of(build: int, schema: str | None) -> Tables:
    """The tables of a build; made once a process."""
    return Tables(build, schema)


class Control(NamedTuple):
    """The tables that tell of the builds."""

    about: Table
    """Which ledger the views belong to."""
    builds: Table
    changes: Table
    """The last change of each level that was live."""
    candidates: Table
    """Of each build by candidate policies, which these are."""
    drift: Table
    """By day, how many levels a shadow shows otherwise than the live build."""


@cache
def control_tables(schema: str | None) -> Control:
    """The tables that tell of the builds; made once a process."""
    metadata = MetaData(schema=schema)
    about = Table(
        "about",
        metadata,
        Column("one", Integer, primary_key=True, autoincrement=False),
        Column("ledger", TEXT, nullable=False),
        Column("format", Integer, nullable=False),
        Column("feed", TEXT, nullable=False),
    )
    builds = Table(
        "builds",
        metadata,
        Column("build", Integer, primary_key=True, autoincrement=False),
        Column("role", TEXT, nullable=False),
        Column("position", BIG, nullable=False),
        Column("as_of", BIG, nullable=False),
        Column("policies", TEXT, nullable=False),
        Column("program", TEXT, nullable=False),
        Column("phase", TEXT, nullable=False),
        Column("done", BIG, nullable=False),
        Column("total", BIG, nullable=False),
        Column("started_at", BIG, nullable=False),
        Column("moved_at", BIG, nullable=False),
        Column("parts", TEXT, nullable=False),
        Column("chain", TEXT, nullable=False),
    )
    changes = Table(
        "changes",
        metadata,
        *(_key("subject"), _key("scheme"), Column("number", BIG, nullable=False, unique=True)),
        *(_big("position"), _big("as_of")),
    )
    candidates = Table(
        "candidates", metadata, _key("build", text=False), _text("hash"), _text("policies"), _text("problem", null=True)
    )
    drift = Table(
        "drift",
        metadata,
        *(_key("policy_hash"), _key("day"), _key("scheme"), _big("levels"), _big("differ")),
        *(_big("position"), _big("as_of")),
    )
    return Control(about, builds, changes, candidates, drift)


@cache
def columns_of(view: str) -> dict[str, Column[Any]]:
    """By name, the columns of a `v1_…` view, in order; those of `v1_standing` are of `builds`."""
    name = view.removeprefix(f"{CONTRACT}_")
    control = control_tables(None)
    if name == "standing":
        return {column.name: column for column in control.builds.columns if column.name in STANDING}
    if name == "shadow_drift":
        return {column.name: column for column in control.drift.columns}
    if name == "shadow_levels":
        return {column.name: column for column in _shadow_columns()}
    shown = [column for column in _columns()[name] if column.name not in HIDDEN.get(name, ())]
    return {column.name: column for column in (*shown, *((_flag("stale"),) if name == "levels" else ()))}


def _shadow_columns() -> list[Column[Any]]:
    return [
        *(_text("subject"), _text("scheme"), _text("state"), _text("level", null=True)),
        *(_text("shadow_state", null=True), _text("shadow_level", null=True)),
        Column("differs", Boolean(create_constraint=False), nullable=True),
        *(_text("policy_hash"), _big("position"), _big("as_of")),
    ]


def view_statements(build: int, schema: str | None, shadow: int | None = None) -> list[tuple[str, str]]:
    """The `v1_…` views of a build, and of the shadow beside it: name and statement."""
    prefix = "" if schema is None else f"{schema}."
    statements = []
    for name, columns in _columns().items():
        if name in INTERNAL:
            continue
        shown = [column.name for column in columns if column.name not in HIDDEN.get(name, ())]
        statements.append((f"{prefix}{CONTRACT}_{name}", _select(name, shown, build, prefix)))
    standing = f"SELECT {', '.join(STANDING)} FROM {prefix}builds WHERE build = {build}"
    drift = f"SELECT {', '.join(column.name for column in control_tables(schema).drift.columns)} FROM {prefix}drift"
    return [
        *statements,
        (f"{prefix}{CONTRACT}_standing", standing),
        (f"{prefix}{CONTRACT}_shadow_levels", _shadow(build, build if shadow is None else shadow, prefix)),
        (f"{prefix}{CONTRACT}_shadow_drift", drift),
    ]


def _shadow(live: int, shadow: int, prefix: str) -> str:
    """The levels of the live build beside those of a shadow: no row where that is the live build itself.

    Whether two levels differ is said only where both builds stand at one moment and have neither set aside. Written as
    PostgreSQL keeps it.
    """
    same = "p.position = q.position AND p.as_of = q.as_of AND a.reason IS NULL AND b.reason IS NULL"
    aside = "LEFT JOIN {0}b{1}_set_aside AS {2} ON {2}.subject = l.subject AND {2}.scheme = l.scheme"
    differs = "l.state <> COALESCE(s.state, '') OR COALESCE(l.level, '') <> COALESCE(s.level, '')"
    return (
        "SELECT l.subject, l.scheme, l.state, l.level, s.state AS shadow_state, s.level AS shadow_level,"
        f" CASE WHEN {same} THEN {differs} ELSE NULL END AS differs, c.hash AS policy_hash, q.position, q.as_of"
        f" FROM {prefix}b{live}_levels AS l JOIN {prefix}builds AS p ON p.build = {live}"
        f" JOIN {prefix}builds AS q ON q.build = {shadow} JOIN {prefix}candidates AS c ON c.build = {shadow}"
        f" LEFT JOIN {prefix}b{shadow}_levels AS s ON s.subject = l.subject AND s.scheme = l.scheme"
        f" {aside.format(prefix, live, 'a')} {aside.format(prefix, shadow, 'b')}"
    )


def _select(name: str, columns: Sequence[str], build: int, prefix: str) -> str:
    table = f"{prefix}b{build}_{name}"
    if name != "levels":
        return f"SELECT {', '.join(columns)} FROM {table}"
    chosen = ", ".join(f"l.{column}" for column in columns)
    aside = f"{prefix}b{build}_set_aside"
    return (
        f"SELECT {chosen}, s.reason IS NOT NULL AS stale FROM {table} AS l"
        f" LEFT JOIN {aside} AS s ON s.subject = l.subject AND s.scheme = l.scheme"
    )
