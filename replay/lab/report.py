"""The report of a trial as JSON, and the hash by which it is named."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from typing import Any, Final

from domain.calendar import shanghai_text
from domain.languages import LANGUAGES
from domain.policy import Policy, term_at, terms_of
from domain.version import PROGRAM_VERSION
from replay.lab.candidates import judges_since, revision_json
from replay.lab.moves import MOVES, SAME
from replay.lab.parameters import differing
from replay.lab.running import TrialResult
from replay.lab.sampling import SEED
from replay.lab.sensitivity import HIGHER, LOWER, Hanging
from replay.lab.tally import LIMIT_WAYS, FarMover, Stand, Tally
from replay.lab.thresholds import Threshold
from replay.lab.trial import GROUPINGS, RANKED_FROM, PolicyTrial, TrialPeriod
from replay.policies.benefits import every_benefit
from replay.policies.names import level_names
from replay.schemes.registry import SCHEMES
from replay.store.reading.row import encode_json

FORM: Final = 1


def report_json(trial: PolicyTrial, result: TrialResult, by: Sequence[str] = GROUPINGS) -> dict[str, Any]:
    """Everything that a trial came to, in no language. Its `report` is the hash of all the rest."""
    asked, now = trial.asked, result.now
    found = {
        "form": FORM,
        "scheme": trial.scheme.code,
        "program": PROGRAM_VERSION,
        "asked": {
            "from": trial.periods[0].text if trial.periods[0].begins is not None else None,
            "to": trial.periods[-1].text if trial.periods[-1].begins is not None else None,
            "as_of": shanghai_text(trial.periods[-1].then.moment.as_of),
            "hindsight": asked.hindsight,
            "by": list(by),
        },
        "ledger": {
            "position": trial.head.position,
            "chain": trial.head.chain.hex(),
            "known_at": shanghai_text(trial.head.recorded_at),
        },
        "sample": _sample_json(trial),
        "baseline": [revision_json(policy) for policy in _baseline_policies(trial)],
        "candidate": [_candidate_json(trial, policy) for policy in trial.candidates.values()],
        "levels": _levels_json(trial),
        "parameters": [item for policy in trial.candidates.values() for item in _parameters_json(trial, policy)],
        "periods": [_period_json(period) for period in trial.periods],
        "result": _tally_json(trial, result.then, by),
        "hindsight": None if now is None else _tally_json(trial, now, by),
        "difference": None if now is None else _difference_json(trial, result.then, now),
        "sensitivity": None if result.hanging is None else _sensitivity_json(trial, result.thresholds, result.hanging),
    }
    return found | {"report": report_hash(found)}


def report_hash(report: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a report without its own hash, in hex."""
    return sha256(encode_json({name: value for name, value in report.items() if name != "report"})).hexdigest()


# --- what was asked ---------------------------------------------------------------------------------------------------


def _sample_json(trial: PolicyTrial) -> dict[str, Any] | None:
    sample = trial.sample
    if trial.asked.sample is None:
        return None
    return {"asked": trial.asked.sample, "subjects": sample.size, "of": sample.of, "seed": SEED}


def _candidate_json(trial: PolicyTrial, candidate: Policy) -> dict[str, Any]:
    """Of one moment it judges all there is, so that there is no instant to tell."""
    begins = trial.periods[0].begins
    since = None if begins is None else judges_since(candidate, SCHEMES[candidate.scheme], begins)
    return {**revision_json(candidate), "judges_since": since if since is None else shanghai_text(since)}


def _levels_json(trial: PolicyTrial) -> list[dict[str, str]]:
    """What the levels of both sides are called: as the candidate has it, where it calls one by more than its code."""
    named: dict[str, dict[str, str]] = {}
    for policy in (*_baseline_policies(trial), *trial.candidates.values()):
        if policy.scheme == trial.scheme.code:
            codes = trial.scheme.replay.level_codes(policy)
            names = {language: level_names(policy, codes, language) for language in LANGUAGES}
            for code in codes:
                called = {language: names[language][code] for language in LANGUAGES if names[language][code] != code}
                named[code] = {**dict.fromkeys(LANGUAGES, code), **named.get(code, {}), **called}
    return [{"level": code, **names} for code, names in named.items()]


def _baseline_policies(trial: PolicyTrial) -> list[Policy]:
    """Each revision that judged, by scheme and in the order of their dates."""
    found = {
        policy.hash: policy
        for period in trial.periods
        for sides in (period.then, period.now)
        if sides is not None
        for policy in (*sides.baseline.own, *sides.baseline.beside)
    }
    return sorted(found.values(), key=lambda policy: (policy.scheme, policy.in_force_from, policy.hash))


def _parameters_json(trial: PolicyTrial, candidate: Policy) -> list[dict[str, Any]]:
    """The values that differ from the version that judges the last period: old and new; null for none."""
    period = trial.periods[-1]
    last, month = period.then.baseline, period.counted
    versions = [item for item in (*last.own, *last.beside) if item.scheme == candidate.scheme]
    # Agencies are judged days after their month, when a version may be in force that does not judge it.
    within = period.then.moment.as_of if month is None else month.ends - 1
    judging = term_at(terms_of(versions, SCHEMES[candidate.scheme].replay.period_start), within).policy
    return [{"scheme": candidate.scheme, **item._asdict()} for item in differing(judging, candidate)]


def _period_json(period: TrialPeriod) -> dict[str, Any]:
    moment = period.then.moment
    return {
        "period": period.text,
        "as_of": shanghai_text(moment.as_of),
        "known_at": shanghai_text(moment.known_at),
        "position": moment.position,
    }


# --- what was counted -------------------------------------------------------------------------------------------------


def _tally_json(trial: PolicyTrial, tally: Tally, by: Sequence[str]) -> dict[str, Any]:
    cells = tally.cells.total()
    moves = _moves_json(_ways(tally))
    matrix: Counter[tuple[Stand, Stand, str]] = Counter()
    for cell, count in tally.cells.items():
        matrix[cell.before, cell.after, cell.way] += count
    return {
        "subjects": tally.subjects,
        "subjects_moving": tally.moving,
        "cells": cells,
        "moves": moves,
        "moving": cells - moves[SAME],
        "matrix": [
            {"from": _stand_json(before), "to": _stand_json(after), "move": way, "cells": count}
            for (before, after, way), count in sorted(matrix.items(), key=lambda item: _order_of(*item[0][:2]))
        ],
        "months": [_month_json(trial, tally, place) for place in range(len(trial.periods))],
        "benefits": _benefits_json(trial, tally),
        "limits": _limits_json(tally),
        "verdicts": _verdicts_json(tally),
        "groups": [{"by": grouping, "groups": _groups_json(tally, grouping)} for grouping in by],
        "movers": [_mover_json(trial, mover) for mover in tally.movers],
    }


def _order_of(before: Stand, after: Stand) -> tuple[str, ...]:
    return before[0], before[1] or "", after[0], after[1] or ""


def _stand_json(stand: Stand) -> dict[str, Any]:
    return {"state": stand[0], "level": stand[1]}


def _ways(tally: Tally, period: int | None = None) -> Counter[str]:
    ways: Counter[str] = Counter()
    for cell, count in tally.cells.items():
        if period in (None, cell.period):
            ways[cell.way] += count
    return ways


def _moves_json(ways: Counter[str]) -> dict[str, int]:
    return {way: ways[way] for way in MOVES}


def _month_json(trial: PolicyTrial, tally: Tally, place: int) -> dict[str, Any]:
    ways = _ways(tally, place)
    return {"period": trial.periods[place].text, "cells": ways.total(), "moves": _moves_json(ways)}


def _benefits_json(trial: PolicyTrial, tally: Tally) -> list[dict[str, Any]]:
    """Each benefit of either side: in how many cells it is kept, gained and lost."""
    policies = (*_baseline_policies(trial), *trial.candidates.values())
    own = [policy for policy in policies if policy.scheme == trial.scheme.code]
    named = {item["code"]: {name: item[name] for name in LANGUAGES} for policy in own for item in every_benefit(policy)}
    counts: Counter[tuple[str, str]] = Counter()
    for (_, code, what), count in tally.benefits.items():
        counts[code, what] += count
    return [
        {"benefit": code, **names, **{what: counts[code, what] for what in ("kept", "gained", "lost")}}
        for code, names in named.items()
    ]


def _limits_json(tally: Tally) -> list[dict[str, Any]]:
    """Each daily limit: in how many cells it is the same, higher, lower, newly set and set no more."""
    names = sorted({name for name, _ in tally.limits})
    return [{"limit": name, **{way: tally.limits[name, way] for way in LIMIT_WAYS}} for name in names]


def _verdicts_json(tally: Tally) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, str]] = Counter()
    for (_, side, word), count in tally.verdicts.items():
        counts[side, word] += count
    words = sorted({word for _, word in counts})
    return [
        {"verdict": word, "baseline": counts["baseline", word], "candidate": counts["candidate", word]}
        for word in words
    ]


def _groups_json(tally: Tally, grouping: str) -> list[dict[str, Any]]:
    """The groups of at least 30 subjects, those first of which the largest share moves; then the others, unranked."""
    found = []
    for by, group in tally.grouped:
        if by == grouping:
            moves = {way: tally.groups[by, group, way] for way in MOVES}
            cells = sum(moves.values())
            subjects = tally.grouped[by, group]
            found.append(
                {
                    "group": group,
                    "subjects": subjects,
                    "cells": cells,
                    "moves": moves,
                    "moving": cells - moves[SAME],
                    "ranked": subjects >= RANKED_FROM,
                }
            )
    return sorted(found, key=_group_order)


def _group_order(item: dict[str, Any]) -> tuple[bool, Fraction, str]:
    share = Fraction(item["moving"], item["cells"]) if item["ranked"] else Fraction(0)
    return not item["ranked"], -share, item["group"]


def _mover_json(trial: PolicyTrial, mover: FarMover) -> dict[str, Any]:
    return {
        "subject": mover.subject,
        "period": trial.periods[mover.period].text,
        "from": _stand_json(mover.before) | {"score": mover.scores[0]},
        "to": _stand_json(mover.after) | {"score": mover.scores[1]},
        "move": mover.way,
        "ranks": mover.ranks,
    }


def _difference_json(trial: PolicyTrial, then: Tally, now: Tally) -> dict[str, Any]:
    """Hindsight less what was known then: of cells and moves, and of each cell of the matrix that differs."""
    was, found = _ways(then), _ways(now)
    matrix: Counter[tuple[Stand, Stand, str]] = Counter()
    for sign, tally in ((-1, then), (1, now)):
        for cell, count in tally.cells.items():
            matrix[cell.before, cell.after, cell.way] += sign * count
    return {
        "cells": found.total() - was.total(),
        "moves": {way: found[way] - was[way] for way in MOVES},
        "matrix": [
            {"from": _stand_json(before), "to": _stand_json(after), "move": way, "cells": count}
            for (before, after, way), count in sorted(matrix.items(), key=lambda item: _order_of(*item[0][:2]))
            if count
        ],
        "months": [
            {
                "period": period.text,
                "cells": _ways(now, place).total() - _ways(then, place).total(),
                "moves": {way: _ways(now, place)[way] - _ways(then, place)[way] for way in MOVES},
            }
            for place, period in enumerate(trial.periods)
        ],
    }


def _sensitivity_json(trial: PolicyTrial, thresholds: Sequence[Threshold], hanging: Hanging) -> dict[str, Any]:
    """What hangs on each threshold at the last period; a step that no policy can take is null."""
    return {
        "period": trial.periods[-1].text,
        "subjects": hanging.subjects,
        "of": trial.sample.size,
        "seed": SEED,
        "thresholds": [
            {
                "parameter": threshold.parameter,
                "path": threshold.path,
                "value": threshold.value,
                "step": threshold.step,
                "within": None
                if threshold.measure is None
                else {side: hanging.near[place, side] for side in ("below", "above")},
                **{way: _moving_json(hanging, place, way) for way in (LOWER, HIGHER)},
            }
            for place, threshold in enumerate(thresholds)
        ],
    }


def _moving_json(hanging: Hanging, place: int, way: str) -> dict[str, int] | None:
    if (place, way) not in hanging.tried:
        return None
    return {move: hanging.moving[place, way, move] for move in MOVES if move != SAME}
