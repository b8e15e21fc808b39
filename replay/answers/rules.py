"""The rules of a scheme at a glance as JSON: a version whole, or two side by side with what differs marked."""

from typing import Any, Final, NamedTuple

from domain.calendar import parse_moment, shanghai_text
from domain.policy import Policy
from domain.version import PROGRAM_VERSION
from replay.errors import UsageError
from replay.history.timeline import asked_instant
from replay.policies.benefits import every_benefit
from replay.policies.catalog import Revision, in_force_at, named_revision
from replay.policies.names import level_names
from replay.rendering.glance.beside import SAME, bases_json, sections_json
from replay.rendering.glance.texts import Texts
from replay.rendering.glance.whole import RulesGlance, glance_of
from replay.schemes.registry import scheme_of

IN_FORCE: Final = "in_force"
PREVIEW: Final = "preview"
TO_COME: Final = "to_come"
REPLACED: Final = "replaced"
UNUSED: Final = "unused"
FORCES: Final = (IN_FORCE, PREVIEW, TO_COME, REPLACED, UNUSED)
"""Whether a version judges at an instant: it does; it can be previewed; it is to come; a later version does; another
revision of the same version counts.
"""


class RulesAsked(NamedTuple):
    """Which rules were asked for: texts as given, None where left out."""

    as_of: str | None = None
    """A day or instant: the version in force then."""
    policy: str | None = None
    """In its place ID, or ID@HASH."""
    against: str | None = None
    """The other version: ID, ID@HASH, or a day or instant."""


class AtHand(NamedTuple):
    """The revisions of a scheme's policy that there are, and now."""

    known: list[Revision]
    now: int
    position: int | None = None
    """Of the ledger that adopted some; None without a ledger."""


def rules_json(at_hand: AtHand, asked: RulesAsked, language: str) -> dict[str, Any]:
    """The rules of a scheme as some version of those at hand has them, beside another where one is asked for.

    Raises UsageError for a version that is not there, for malformed instants, and for both of policy and as_of.
    """
    known, now = at_hand.known, at_hand.now
    if asked.as_of is not None and asked.policy is not None:
        raise UsageError("--policy and --as-of both say which version; give one of them")
    given = asked_instant("--as-of", asked.as_of, now)
    as_of = now if given is None else given
    shown = in_force_at(as_of, known) if asked.policy is None else named_revision(asked.policy, known)
    against = None if asked.against is None else _other(asked.against, known, now)
    texts = Texts(shown.scheme, language)
    glance = _glance(shown, texts)
    other = None if against is None else _glance(against, texts)
    return {
        "scheme": shown.scheme,
        "program": PROGRAM_VERSION,
        "position": at_hand.position,
        "as_of": shanghai_text(as_of),
        **_version_json(shown, known, as_of),
        "assumed": shown.assumed,
        "against": None if against is None else _version_json(against, known, as_of),
        "levels": _levels_json(glance, language),
        "benefits": [*every_benefit(shown)],
        "sections": sections_json(glance, other),
        "bases": bases_json(glance, other),
        "versions": [
            _version_json(item.policy, known, as_of) | item.adopted_json() | {"used": item.used} for item in known
        ],
    }


def differs(found: dict[str, Any]) -> bool:
    """Whether two versions that stand side by side say anything else."""
    rows = [row for section in found["sections"] for row in section["rows"]]
    return any(item["change"] != SAME for item in (*rows, *found["bases"]))


def _glance(policy: Policy, texts: Texts) -> RulesGlance:
    scheme = scheme_of(policy.scheme)
    codes = [*scheme.replay.level_codes(policy)]
    return glance_of(policy, texts, scheme.glance(policy, texts), codes, scheme.periods)


def _levels_json(glance: RulesGlance, language: str) -> list[dict[str, Any]]:
    """Every level, the lowest first, with the codes of the benefits that it brings where what they also need is met."""
    names, benefits = level_names(glance.policy, glance.codes, language), every_benefit(glance.policy)
    return [
        {
            "rank": rank,
            "code": code,
            "name": names[code],
            "benefits": [item["code"] for item in benefits if item["from_rank"] <= rank],
        }
        for rank, code in enumerate(glance.codes)
    ]


def _version_json(policy: Policy, known: list[Revision], as_of: int) -> dict[str, Any]:
    def told(instant: int | None) -> str | None:
        return None if instant is None else shanghai_text(instant)

    return {
        "policy": policy.id,
        "policy_hash": policy.hash,
        "in_force_from": told(policy.in_force_from),
        "preview_from": told(policy.preview_from),
        "recalculates_from": told(policy.recalculates_from),
        "force": _force(policy, known, as_of),
    }


def _force(policy: Policy, known: list[Revision], as_of: int) -> str:
    if not any(item.used and item.policy.hash == policy.hash for item in known):
        return UNUSED
    if as_of < policy.in_force_from:
        return PREVIEW if policy.preview_from is not None and policy.preview_from <= as_of else TO_COME
    return IN_FORCE if in_force_at(as_of, known).hash == policy.hash else REPLACED


def _other(text: str, known: list[Revision], now: int) -> Policy:
    """The other version: by its id where there is one of that name, which may look like a day; else by an instant."""
    if "@" in text or any(item.policy.id == text for item in known):
        return named_revision(text, known)
    try:
        return in_force_at(parse_moment(text, now), known)
    except ValueError as error:
        names = ", ".join(dict.fromkeys(item.policy.id for item in known))
        raise UsageError(
            f"--against {text!r} names no version ({names}), and as a day or an instant it {error}"
        ) from None
