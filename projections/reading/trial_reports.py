"""The lab's folder: candidate policies, and the reports of trials that were kept, each named by its hash."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from replay.errors import LevelbookError, StoreError, UsageError
from replay.extras import FAST, need
from replay.policies.reading import read_policy
from replay.store.base.store import Store
from replay.store.beside import beside, draft_beside, sync
from replay.store.sqlite import SqliteStore

REPORTS: Final = "reports"
REPORT_BYTES_MAX: Final = 50_000_000
REPORTS_MAX: Final = 200
HASH: Final = re.compile("[0-9a-f]{64}")
CANDIDATES_MAX: Final = 200


class _Stamp(NamedTuple):
    """What tells a file that was written anew from the one that was read."""

    size: int
    mtime_ns: int
    inode: int


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
    """Write a report down under its hash. Raises UsageError where there is no folder or it is too large, StoreError
    where it cannot be written.
    """
    if folder is None:
        raise UsageError("where reports are kept is not said; name a folder with --candidates")
    place, text = folder / REPORTS / f"{report['report']}.json", json.dumps(report, ensure_ascii=False)
    if len(text.encode()) > REPORT_BYTES_MAX:
        raise UsageError(f"the report is larger than {REPORT_BYTES_MAX} bytes, and could not be shown; group by less")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = draft_beside(place)
        draft.write_text(text, "utf-8")
        sync(draft)
        draft.replace(place)
        sync(place.parent)
    except OSError as error:
        raise StoreError(f"the report cannot be kept in {place.parent}: {error.strerror}") from None
    return place


def kept_reports(folder: Path | None) -> list[dict[str, Any]]:
    """The heads of the reports that are kept, by their hashes: what was tried over what, and how many moved.

    Of more than 200, those written last.
    """
    if folder is None:
        return []
    files = ((path, _stamp_of(path)) for path in (folder / REPORTS).glob("*.json") if HASH.fullmatch(path.stem))
    stamped = [(path, stamp) for path, stamp in files if stamp is not None]
    latest = sorted(stamped, key=lambda item: (item[1].mtime_ns, item[0].stem))[-REPORTS_MAX:]
    found = (_head_at(path, stamp) for path, stamp in sorted(latest))
    return [dict(head) for head in found if head is not None]


def kept_report(folder: Path | None, name: str) -> dict[str, Any] | None:
    """A report by its hash; None where there is none, or what lies there is not what the hash says."""
    if folder is None or not HASH.fullmatch(name):
        return None
    place = folder / REPORTS / f"{name}.json"
    return None if _stamp_of(place) is None else _report_at(place)


def _stamp_of(place: Path) -> _Stamp | None:
    """None of a file that is not there, or too large to be read."""
    try:
        found = place.stat()
    except OSError:
        return None
    return _Stamp(found.st_size, found.st_mtime_ns, found.st_ino) if found.st_size <= REPORT_BYTES_MAX else None


def _report_at(place: Path) -> dict[str, Any] | None:
    need(FAST, "a report of a trial")  # whose form the lab knows, which judges by columns
    from replay.lab.report import FORM, report_hash

    try:
        report: Any = json.loads(place.read_bytes())
        is_whole = report["report"] == place.stem == report_hash(report) and report["form"] == FORM
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return None
    return report if is_whole else None


@lru_cache(maxsize=2 * REPORTS_MAX)
def _head_at(place: Path, _: _Stamp) -> dict[str, Any] | None:
    """The head of a report, read once for as long as its file is the same."""
    report = _report_at(place)
    return None if report is None else _head(report)


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


def named_candidates(files: Sequence[Path], folder: Path | None) -> list[Path]:
    """Where files lie: as named, else, of a bare name, in the folder of candidates where one there has it."""
    return [_named_candidate(file, folder) for file in files]


def _named_candidate(file: Path, folder: Path | None) -> Path:
    if folder is None or file.exists() or file.name != str(file) or not (folder / file).exists():
        return file
    return folder / file


def _candidate(path: Path) -> CandidateFile:
    try:
        policy = read_policy(path)
    except LevelbookError as error:
        return CandidateFile(path.name, None, None, str(error).replace(f"{path.parent}/", ""))
    return CandidateFile(path.name, policy.scheme, policy.revision, None)
