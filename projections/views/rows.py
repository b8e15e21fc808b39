"""Rows that the views of all schemes have: one row by its columns, or many as columns, where values are lists."""

from collections.abc import Mapping
from typing import Any, Final

JUDGED: Final = ("policy", "policy_hash", "assumed")
"""The columns that say by which policy a row was judged."""


def level_columns(
    whose: tuple[Any, Any],
    standing: tuple[Any, Any, Any],
    effective: tuple[Any, Any, Any],
    judged: Mapping[str, Any],
) -> dict[str, Any]:
    """A row of `levels`: whose and of which scheme; state, level, score; those effective, and since when."""
    subject, scheme = whose
    state, level, score = standing
    effective_state, effective_level, effective_since = effective
    return {
        "subject": subject,
        "scheme": scheme,
        "state": state,
        "level": level,
        "score": score,
        "effective_state": effective_state,
        "effective_level": effective_level,
        "effective_since": effective_since,
        **judged,
    }


def change_columns(
    whose: tuple[Any, Any], at: Any, after: tuple[Any, Any, Any], judged: Mapping[str, Any], cause: tuple[Any, Any]
) -> dict[str, Any]:
    """A row of `history` but for its number and end: since when; state, level, score; what caused it, and where."""
    subject, scheme = whose
    state, level, score = after
    word, position = cause
    return {
        "subject": subject,
        "scheme": scheme,
        "from_at": at,
        "state": state,
        "level": level,
        "score": score,
        **judged,
        "cause": word,
        "cause_position": position,
    }
