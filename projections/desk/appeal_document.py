"""The appeal file as a document: one page of HTML that needs nothing else, and prints as a numbered file."""

from typing import Any, Final

from domain.languages import LANGUAGES
from projections.desk.drawing.places import FRAMES, drawing_of
from projections.desk.framing.language import words_of
from projections.desk.framing.rendering import in_ascii, style_sheet, templates
from projections.desk.schemes.facet import told_by
from projections.desk.schemes.registry import pages_of
from projections.desk.timeline_page import Glance, timeline_of
from projections.desk.why_page import clauses_of, verdicts_of
from replay.decisions.appeal import Appeal
from replay.history.readers import Reader
from replay.store.base.store import Store

TERMS: Final = (
    *("announced", "decided", "now", "as_of", "known_at", "position", "chain", "run"),
    *("replay", "verdict", "clause", "published", "reposted", "assumed", "correction", "alias"),
)
"""The words of a file that its reader may not know."""
_TOLD_BY: Final = {"decision": "decided", "difference": "difference"}
"""Sections that a file without these keys has not, as one for a reader who may see no decisions."""
_SECTIONS: Final = ("levels", "decision", "difference", "chart", "months", "explanation", "events", "check", "terms")


def document_of(store: Store, appeal: Appeal, language: str, reader: Reader) -> str:
    """The document, for the reader for whom the file was made."""
    found, now = appeal.found, appeal.now
    told = told_by(now, language)
    timeline = timeline_of(Glance(store, reader, now.moment), now.subject, told, lambda: now)
    drawings = [drawn for frame in FRAMES if (drawn := drawing_of(timeline, frame)) is not None]
    months = pages_of(told.scheme).periods.months(told)
    present: dict[str, Any] = {name: found.get(key) for name, key in _TOLD_BY.items()}
    present |= {"chart": drawings, "months": months}
    t = words_of(language)
    scope: dict[str, Any] = {
        **found,
        "t": t,
        "sections": [(name, t(f"section_{name}")) for name in _SECTIONS if present.get(name, True)],
        "tag": LANGUAGES[language].tag,
        "here": None,
        "why": None,
        "style": style_sheet(),
        "sheet_title": _quoted(f"{found['subject']} · {t('scheme_' + told.scheme)} · {found['period']}"),
        "sheet_ledger": _quoted(f"{found['ledger']['id']}:{found['ledger']['position']}"),
        "told": told,
        "facet": pages_of(told.scheme),
        "timeline": timeline,
        "drawings": drawings,
        "months": months,
        "verdicts_of": verdicts_of,
        "subject_path": lambda *_: "",
        "explained": found["now"],
        "terms": TERMS,
        **clauses_of(found["now"]),
    }
    return templates().get_template("document.html").render(scope).lstrip()


def _quoted(text: str) -> str:
    """A text as a string of a style sheet."""
    return f'"{in_ascii(text)}"'
