"""What the columns of the SQL views hold, in words: by name, and where a name means more in one view, by that, too."""

from typing import Final

from projections.contract.parts.vocabulary import SUBJECT, VOCABULARIES
from projections.views.tables import columns_of, view_statements

_INSTANT: Final = "microseconds since 1970-01-01T00:00:00Z"
_FEN: Final = "in fen"
_TENTHS: Final = "points, in tenths"

OF_ALL: Final = {
    "subject": f"whose row it is: {SUBJECT}",
    "scheme": "the scheme of levels",
    "month": "natural month in Shanghai, such as 2022-11",
    "day": "day in Shanghai, such as 2022-11-05",
    "period": "the month or day that it is of",
    "number": "which row of the subject, from its first on",
    "state": "whether there is a level, and if not, why",
    "level": "code of the level; null where there is none",
    "score": f"{_TENTHS} (merchant-reputation), rank of the tier, 4 S + B (creator-level), or total",
    "effective_state": "what counts outside until the next publication",
    "effective_level": "code of the level that counts outside; null where there is none",
    "effective_since": f"since when it counts: {_INSTANT}; null where it never began",
    "policy": "the version of the policy that judged it",
    "policy_hash": "SHA-256 of that revision",
    "assumed": "whether a parameter that no rule text gives took part",
    "position": "position in the ledger",
    "as_of": f"as things stood then: {_INSTANT}",
    "known_at": f"as it was known then: {_INSTANT}",
    "at": f"when: {_INSTANT}",
    "cause": "what caused it: a verdict, a rule, opened, policy or evaluation",
    "cause_position": "position of the event that caused it; null where none did",
    "settled_fen": f"settled in the month, refunds taken off, not under 0, {_FEN}",
    "good_fen": f"of good goods, within settled_fen, {_FEN}",
    "orders": "number of orders",
    "reputation_sum": "sum of reputation values, in hundredths",
}
"""By name, in every view that has such a column."""

OF_VIEW: Final[dict[str, dict[str, str]]] = {
    "v1_standing": {
        "position": "up to where of the ledger everything is shown",
        "as_of": f"the moment at which everything stands: {_INSTANT}",
        "program": "version of the program that began the build",
    },
    "v1_levels": {"stale": "whether the level is set aside, and shown as it stood before"},
    "v1_history": {
        "from_at": f"since when it holds: {_INSTANT}",
        "to_at": f"until when it held: {_INSTANT}; null where it holds still",
        "score": "as in v1_levels, at the begin; null where there is none",
    },
    "v1_reputation_months": {
        "opening_tenths": f"{_TENTHS}, at the month's begin",
        "growth_tenths": f"{_TENTHS}, that the month added",
        "cap_tenths": f"{_TENTHS}, that the month may add at most; null where nothing bounds it",
        "closing_tenths": f"{_TENTHS}, at the month's close or so far",
    },
    "v1_published_then": {
        "month": "the first month of the stretch, such as 2022-11",
        "to_month": "the last month of the stretch, such as 2022-12",
        "points_tenths": f"{_TENTHS}, as the publication showed them; null where nothing was published",
        "level": "code of the level as it was shown; null where none was",
    },
    "v1_tier_days": {
        "day": "the day on which the tier was set or changed, such as 2022-11-05",
        "since_day": "from which day the waiting time runs, counted from 1970-01-01",
        "lowest_since_day": "in the lowest tier, from which day the days to a clearing out run, counted from"
        " 1970-01-01; in others 2^62",
    },
    "v1_tier_figures": {
        "day": "the day, counted from 1970-01-01",
        "orders": "orders that were paid on the day",
        "gmv_fen": f"their amounts, {_FEN}",
        "complaints": "orders of which the first complaint came on the day, and was not dismissed",
        "reviews": "orders of which the first review came on the day",
        "product_good": "of these reviews those with a good rating of the product",
        "service_rated": "of these reviews those that rate the service",
        "service_good": "of those with a good rating of it",
    },
    "v1_creator_months": {
        "score": "4 S + B, of which a level is made",
        "sales_score": "S",
        "behaviour_score": "B",
        "reputation_sum": "sum of each day's last reputation, in hundredths, over the days before the evaluation",
        "reputation_days": "how many days are in that sum",
        "deducted": "credit deducted in those days",
    },
    "v1_firefly_months": {
        "level": "code of the level",
        "score": "points earned in all, at the month's close or so far",
        "balance": "points left then",
        "earned": "points that counted in the month",
        "redeemed": "points that were taken in the month",
        "events": "how many events were judged in the month",
    },
    "v1_mcn_months": {
        "total": "the sum of the four scores, with bonus",
        "operating": "points of the operating score",
        "growth": "points of the growth score",
        "service": "points of the service score",
        "bonus": "points of the bonus",
        "credit": "at the close of the month",
        "showcase_fen": f"showcase sales, within settled_fen, {_FEN}",
        "orders": "first settlements",
        "worry_free": "worry-free orders settled",
        "showcase_creators": "creators with a showcase sale",
        "live_minutes": "of creators held at that instant",
        "top_creators": "creators held at the close whose level counts",
        "reputation_sum": "sum of the last reputation of the creators held at the close, in hundredths",
        "reputation_creators": "how many creators are in that sum",
    },
    "v1_leaderboards": {
        "board": "code of the board, such as comprehensive",
        "rank": "the place, from 1 on",
        "subject": "the agency: mcn/<id>",
        "score": "total of the month",
    },
    "v1_decisions": {
        "position": "position of the decision in the ledger",
        "run": "the run of decisions that it was made in",
        "score": "as in v1_levels; null where there is none",
        "decided_position": "position up to which the ledger was known to it",
    },
    "v1_announced": {
        "position": "position of the announcement in the ledger",
        "level": "code of the level that was announced; null where it was that there is none",
        "at": f"when it was announced: {_INSTANT}",
        "ends_at": f"when the period is over: {_INSTANT}",
    },
    "v1_calendar": {"next_at": f"when time alone may next change the level: {_INSTANT}"},
    "v1_shadow_levels": {
        "state": "of the live build: whether there is a level, and if not, why",
        "level": "of the live build: code of the level; null where there is none",
        "shadow_state": "the same of the shadow; null where it has no such level",
        "shadow_level": "code of the level of the shadow; null where there is none",
        "differs": "whether the two differ; null while they do not stand at one moment, and where one is set aside",
        "policy_hash": "names the shadow's candidate policies",
        "position": "up to where of the ledger the shadow stands",
        "as_of": f"the moment at which the shadow stands: {_INSTANT}",
    },
    "v1_shadow_drift": {
        "policy_hash": "names the shadow's candidate policies",
        "levels": "how many levels there were that neither build had set aside",
        "differ": "how many of these differ in state or level",
        "position": "up to where of the ledger both builds stood",
        "as_of": f"the moment at which both builds stood: {_INSTANT}",
    },
    "v1_set_aside": {
        "position": "of the record that could not be judged, or where the views stood",
        "at": f"when it was set aside: {_INSTANT}",
        "reason": "why",
    },
}
"""By view, what its own columns hold, and what others mean in it."""


def about(view: str, column: str) -> str:
    """What a column of a view holds. Raises KeyError where nobody says."""
    own = OF_VIEW.get(view, {}).get(column)
    if own is None and view == "v1_reputation_months" and column in VOCABULARIES["merchant-reputation"].verdicts:
        return f"how often the verdict {column} was given in the month"
    return own or OF_ALL[column]


def said_of_nothing() -> list[str]:
    """What is said of columns that there are not."""
    views = [name for name, _ in view_statements(1, None)]
    columns = {name for view in views for name in columns_of(view)}
    own = [f"{view}.{name}" for view, said in OF_VIEW.items() for name in said if name not in columns_of(view)]
    return own + [name for name in OF_ALL if name not in columns]
