"""What the answers about a merchant's reputation say, from the rows of its months."""

from functools import lru_cache
from typing import Any

from domain.calendar import month_text, parse_month
from domain.merchant_reputation.account import Publication, first_month, publications_since
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NEW, Account, Span
from domain.policy import Policy, Term, start_of_month, terms_of
from projections.schemes.merchant_reputation.rows import account_in
from projections.schemes.shared.viewed import Viewed
from projections.views.tables import VERDICT_COLUMNS
from replay.schemes.merchant_reputation.answer import DecidedShown, MonthShown, ReputationShown, reputation_json


def own_json(viewed: Viewed) -> dict[str, Any]:
    rows = viewed.rows("reputation_months")
    terms, spans = _judging(tuple(viewed.policies.own))
    account = account_in(rows[-1]) if rows else NEW
    published = published_of(viewed)
    sees = viewed.reader.sees_decisions
    decided = _decided(month_text(published.month), viewed) if published is not None and sees else None
    months = [found for row in rows if (found := _month(row)).verdicts]
    return reputation_json(ReputationShown(account, published, decided, sees, months, terms, spans, viewed.as_of))


def published_of(viewed: Viewed) -> Publication | None:
    """The last publication, by all that the views know."""
    rows = viewed.rows("reputation_months")

    def closing(month: int) -> Account:
        name = month_text(month)
        row = next((row for row in reversed(rows) if row["month"] <= name), None)
        return NEW if row is None else account_in(row)

    first = first_month(account_in(rows[-1]) if rows else NEW)
    return next(publications_since(first, closing, _judging(tuple(viewed.policies.own))[1], viewed.as_of), None)


@lru_cache(8)
def _judging(policies: tuple[Policy, ...]) -> tuple[list[Term], list[Span]]:
    terms = terms_of(policies, start_of_month)
    return terms, spans_of(terms)


def _month(row: dict[str, Any]) -> MonthShown:
    verdicts = {word: row[word] for word in VERDICT_COLUMNS if row[word]}
    figures = row["opening_tenths"], row["growth_tenths"], row["cap_tenths"], row["closing_tenths"], row["level"]
    return MonthShown(parse_month(row["month"]), *figures, verdicts)


def _decided(month: str, viewed: Viewed) -> DecidedShown | None:
    """What the latest run decided of a month."""
    found = [row for row in viewed.rows("decisions", ("period", month)) if row["period"] == month]
    if not found:
        return None
    return DecidedShown(found[-1]["run"], found[-1]["score"] or 0, found[-1]["level"], found[-1]["known_at"])
