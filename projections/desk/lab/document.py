"""The report of a trial as a document: one page of HTML that needs nothing else, and prints as an annex."""

import json
from typing import Any, Final

from domain.languages import LANGUAGES
from projections.desk.framing.language import DeskWords, words_of
from projections.desk.framing.rendering import in_ascii, style_sheet, templates
from projections.text.lab.trials import LIMIT_COLUMNS, command_of, group_name, level_names_in, percent_text
from projections.text.words import Words
from replay.lab.trial import RANKED_FROM

_SECTIONS: Final = ("parameters", "result", "hindsight", "sensitivity", "check")
"""Those that a report may lack are left out with it."""


def trial_document(report: dict[str, Any], language: str) -> str:
    """The document of a report, as `report_json` gives it."""
    return templates().get_template("trial/document.html").render(scope_of(report, words_of(language))).lstrip()


def scope_of(report: dict[str, Any], t: DeskWords) -> dict[str, Any]:
    """What the templates of a report take."""
    words = Words(t.language, level_names_in(report, t.language))
    present = {"hindsight": report["hindsight"], "sensitivity": report["sensitivity"]}
    return {
        "report": report,
        "t": t,
        "tag": LANGUAGES[t.language].tag,
        "style": style_sheet(),
        "sheet_title": _quoted(t.shared.trial("title") + " · " + t("scheme_" + report["scheme"])),
        "sheet_ledger": _quoted(f"{report['report'][:16]} · {report['ledger']['position']}"),
        "sections": [(name, t.shared.trial(f"section_{name}")) for name in _SECTIONS if present.get(name, report)],
        "stand": lambda found: _stand(found, words),
        "group": lambda name, by: group_name(name, by, words),
        "limit_columns": LIMIT_COLUMNS,
        "ranked_from": RANKED_FROM,
        "percent": percent_text,
        "value": lambda found: (
            t.shared.trial("no_parameter") if found is None else json.dumps(found, ensure_ascii=False)
        ),
        "command": command_of(report),
        "command_of_one": command_of(report, one=True),
        "hanging": [item for item in (report["sensitivity"] or {"thresholds": []})["thresholds"] if _hangs(item)],
    }


def _hangs(item: dict[str, Any]) -> bool:
    """Whether anybody moves with a threshold, or stands near it."""
    counts = [count for found in (item["lower"], item["higher"], item["within"]) for count in (found or {}).values()]
    return any(counts)


def _stand(found: dict[str, Any], words: Words) -> str:
    return words.state(found["state"]) if found["level"] is None else words.level(found["level"])


def _quoted(text: str) -> str:
    """A text as a string of a style sheet."""
    return f'"{in_ascii(text)}"'
