"""The lab's folder: candidate policies, and the reports of trials that were kept, each named by its hash."""

import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from replay.errors import LevelbookError, StoreError, UsageError
from replay.lab.report import report_hash
from replay.policies.reading import read_policy
from replay.store.base import Store
from replay.store.beside import beside
from replay.store.sqlite import SqliteStore

REPORTS: Final = "reports"
REPORT_BYTES_MAX: Final = 50_000_000
HASH: Final = re.compile("[0-9a-f]{64}")
CANDIDATES_MAX: Final = 200


class CandidateFile(NamedTuple):
    """A policy file of the folder: the revision that it holds, or what is wrong with it."""

    name: str
    scheme: str | None
    revision: str | None
    fault: str | None


def lab_folder(store: Store, named: Path | None) -> Path | None:
    """Where candidates and reports lie: as named, else beside an SQLite store; None where neither is."""
    if named is not None:
        return named
    return beside(store.path, ".lab") if isinstance(store, SqliteStore) else None


def keep_report(folder: Path | None, report: dict[str, Any]) -> Path:
    """Write a report down under its hash. Raises UsageError where there is no folder, StoreError where it cannot be."""
    if folder is None:
        raise UsageError("where reports are kept is not said; name a folder with --candidates")
    place = folder / REPORTS / f"{report['report']}.json"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(".part")
        part.write_text(json.dumps(report, ensure_ascii=False), "utf-8")
        part.replace(place)
    except OSError as error:
        raise StoreError(f"the report cannot be kept in {place.parent}: {error.strerror}") from None
    return place


def kept_reports(folder: Path | None) -> list[dict[str, Any]]:
    """The heads of the reports that are kept, by their hashes: what was tried over what, and how many moved."""
    if folder is None or not (folder / REPORTS).is_dir():
        return []
    names = sorted(path.stem for path in (folder / REPORTS).glob("*.json") if HASH.fullmatch(path.stem))
    found = (kept_report(folder, name) for name in names)
    return [_head(report) for report in found if report is not None]


def kept_report(folder: Path | None, name: str) -> dict[str, Any] | None:
    """A report by its hash; None where there is none, or what lies there is not what the hash says."""
    if folder is None or not HASH.fullmatch(name):
        return None
    try:
        raw = (folder / REPORTS / f"{name}.json").read_bytes()
        report: Any = json.loads(raw) if len(raw) <= REPORT_BYTES_MAX else None
    except (OSError, ValueError, RecursionError):
        return None
    is_whole = isinstance(report, dict) and report.get("report") == name == report_hash(report)
    return report if is_whole else None


def _head(report: dict[str, Any]) -> dict[str, Any]:
    result = report["result"]
    return {
        "report": report["report"],
        "scheme": report["scheme"],
        "candidate": report["candidate"],
        "as_of": report["asked"]["as_of"],
        "from": report["asked"]["from"],
        "to": report["asked"]["to"],
        "position": report["ledger"]["position"],
        "subjects": result["subjects"],
        "subjects_moving": result["subjects_moving"],
    }


def candidate_files(folder: Path | None) -> list[CandidateFile]:
    """The policy files of the folder, in the order of their names."""
    if folder is None or not folder.is_dir():
        return []
    return [_candidate(path) for path in sorted(folder.glob("*.toml"))[:CANDIDATES_MAX]]


def _candidate(path: Path) -> CandidateFile:
    try:
        policy = read_policy(path)
    except LevelbookError as error:
        return CandidateFile(path.name, None, None, str(error).replace(f"{path.parent}/", ""))
    return CandidateFile(path.name, policy.scheme, policy.revision, None)
