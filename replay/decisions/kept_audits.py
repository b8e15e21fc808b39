"""Audits that were made, kept beside a ledger as its checks are: no facts, and no part of it."""

from typing import Any

from domain.calendar import instant_text
from domain.version import PROGRAM_VERSION
from replay.decisions.audit import Selection
from replay.integrity.kept import Audit, keep
from replay.store.base.store import Store


def keep_audit(store: Store, selection: Selection, found: dict[str, Any]) -> str | None:
    """Keep what an audit came to: why it could not be kept, None where it was, and of evidence, which is no ledger."""
    if store.held is not None:
        return None
    made = Audit(
        at=instant_text(store.now()),
        ledger=store.identity.id,
        head=store.head().text(store.identity.id),
        scheme=selection.scheme,
        period=selection.period,
        subject=selection.subject,
        audited=found["audited"],
        reproduced=found["reproduced"],
        restated=sum(bool(item["restated"]) for item in found["decisions"]),
        announced_otherwise=len(found["announced"]),
        program=PROGRAM_VERSION,
    )
    return keep(store, made)[1]
