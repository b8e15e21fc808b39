"""Names of levels and benefits: beside the policies, in every language, and in no hash."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import parse_month
from domain.languages import LANGUAGES
from domain.policy import Policy
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import open_views
from replay.answers.diff import diff_json
from replay.answers.explain import explain_json
from replay.answers.history import history_json
from replay.answers.replay import replay_json
from replay.decisions.application import Ledger
from replay.decisions.audit import Selection, audit_json
from replay.decisions.decide import decide, period_of
from replay.errors import FaultyPolicy
from replay.history.timeline import Moment
from replay.policies import catalog, names
from replay.policies.benefits import BENEFIT_PREFIX
from replay.policies.catalog import Choice, adopted_policies, shipped, shipped_revisions
from replay.policies.document import faults_of
from replay.policies.names import benefit_names, level_names, shipped_names
from replay.policies.reading import read_folder, read_policy
from replay.replaying.base import Part, Policies, Replay
from replay.schemes.registry import SCHEMES
from replay.schemes.replaying import replay_subject
from replay.store.base.store import Store
from tests import ROOT
from tests.conftest import SOAK, by_turns
from tests.support.making import event, ingest_events, paid
from tests.support.policies import toml_of, with_faults
from tests.support.views import proof_of
from tests.worlds.ledgers import END, World
from tests.worlds.merchant_reputation import with_values

SHIPPED = [policy for code in SCHEMES for policy in shipped_revisions(code)]
COUNTING = {policy.hash for code in SCHEMES for policy in shipped(code)}
REPLACED = [policy for policy in SHIPPED if policy.hash not in COUNTING]
"""The revisions that a later one of the same version replaced."""
FIRST = [policy for policy in REPLACED if re.search(r'"(en|zh)":', policy.content)]
"""Those of them that have their names within."""


def level_codes(policy: Policy) -> list[str]:
    return [*SCHEMES[policy.scheme].replay.level_codes(policy)]


def benefit_codes(policy: Policy) -> list[str]:
    return [name.removeprefix(BENEFIT_PREFIX) for name in policy.parameters if name.startswith(BENEFIT_PREFIX)]


def revision_of(policy: Policy) -> Policy:
    """The first revision of a policy's version that has no names within."""
    versions = [item for item in shipped_revisions(policy.scheme) if item.id == policy.id]
    return next(item for item in versions if item.hash not in {first.hash for first in FIRST})


# --- what comes with the program --------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("policy", SHIPPED, ids=lambda policy: f"{policy.scheme}-{policy.revision}")
def test_every_level_and_benefit_has_a_name_in_every_language(policy: Policy, language: str) -> None:
    found = shipped_names(policy.scheme, language)
    assert [code for code in level_codes(policy) if not found.levels.get(code)] == []
    assert [code for code in benefit_codes(policy) if not found.benefits.get(code)] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_name_is_of_a_code_that_there_is_not_and_no_language_has_others(scheme: str, language: str) -> None:
    found, policies = shipped_names(scheme, language), shipped_revisions(scheme)
    assert {*found.levels} == {code for policy in policies for code in level_codes(policy)}
    assert {*found.benefits} == {code for policy in policies for code in benefit_codes(policy)}
    folder = ROOT / "domain" / scheme.replace("-", "_") / "names"
    assert {path.name for path in folder.iterdir()} == {f"{code}.toml" for code in LANGUAGES}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_policies_that_count_hold_no_names(scheme: str) -> None:
    called = {name for language in LANGUAGES for group in shipped_names(scheme, language) for name in group.values()}
    codes = {code for policy in shipped(scheme) for code in (*level_codes(policy), *benefit_codes(policy))}
    for policy in shipped(scheme):
        assert [name for name in called - codes if json.dumps(name, ensure_ascii=False) in policy.content] == []


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what comes with the program, in whose place it is read."""
    copy = shutil.copytree(ROOT / "domain", tmp_path / "domain")
    for module in (catalog, names):
        monkeypatch.setattr(module, "files", lambda _: copy)
    caches = (shipped, shipped_revisions, shipped_names)
    for cached in caches:
        cached.cache_clear()
    yield copy
    for cached in caches:
        cached.cache_clear()


def test_a_translation_changes_no_hash_and_is_what_is_told(edited: Path) -> None:
    for path in edited.glob("*/names/*.toml"):
        path.write_text(re.sub(r' = "(.*)"', r' = "\1, said otherwise"', path.read_text()))
    assert [policy.hash for code in SCHEMES for policy in shipped_revisions(code)] == [item.hash for item in SHIPPED]
    for code, scheme in SCHEMES.items():
        for language in LANGUAGES:
            told = scheme.replay.level_names_of(Policies(shipped(code)), language)
            assert told and all(name.endswith(", said otherwise") for name in told.values())


# --- the revisions without names judge like those with them -----------------------------------------------------------


def test_revisions_say_the_same_but_for_the_names() -> None:
    assert {policy.scheme for policy in FIRST} == {"merchant-reputation", "creator-level", "mcn-level"}
    for old in FIRST:
        new = revision_of(old)
        said = json.loads(re.sub(r'"(en|zh)":"[^"]*",?|,"zh":"[^"]*"', "", old.content).replace(",}", "}"))
        assert said == json.loads(new.content) and old.hash != new.hash


MENDED = {
    "专属客服": "客服服务",
    "粉星电商优质作者认证": "粉星“电商优质作者”认证",
    "certified quality creator": "pink-star certification as a quality e-commerce creator",
}
"""Names in the first policies that were not those of the rule text, as they were mended beside the later ones."""


def told(replay: Replay) -> str:
    """All that is told of a replay, with hashes of policies as their ids."""
    answers: list[Any] = [history_json(replay), diff_json(replay, replay)]
    for language in LANGUAGES:
        answers += [replay_json(replay, language), explain_json(replay, Part(), language)]
    text = json.dumps(answers, ensure_ascii=False)
    for policy in SHIPPED:
        text = text.replace(policy.hash, policy.id).replace(policy.revision, policy.id)
    for within, mended in MENDED.items():
        text = text.replace(within, mended)
    return text


def moment_of(store: Store) -> Moment:
    head = store.head()
    return Moment(END, head.recorded_at, head.position)


@pytest.mark.parametrize(("location", "seed"), by_turns(range(6 * SOAK)), indirect=["location"])
def test_old_and_new_revisions_judge_every_random_world_the_same(store: Store, tmp_path: Path, seed: int) -> None:
    ingest_events(store, World(seed).events(250), tmp_path)
    moment, compared = moment_of(store), 0
    for old in FIRST:
        kind = SCHEMES[old.scheme].kind
        for number in range(1, 4):
            subject = {"merchant": f"merchant/m-{number}", "creator": f"creator/c-{number}", "mcn": "mcn/a-1"}[kind]
            was, now = (
                replay_subject(store, subject, moment, old.scheme, Choice(f"{old.id}@{item.hash}"))
                for item in (old, revision_of(old))
            )
            assert (was.policy.hash, now.policy.hash) == (old.hash, revision_of(old).hash)
            assert told(was) == told(now)
            compared += len(was.judged)
    assert compared


def test_a_ledger_that_adopted_the_old_revisions_goes_on_as_one_that_did_not(store: Store, tmp_path: Path) -> None:
    """It replays, explains, decides, audits and has views by what it adopted; nothing else is told."""
    ingest_events(store, World(1).events(400), tmp_path)
    subjects = [("merchant/m-1", "merchant-reputation"), ("creator/c-1", "creator-level"), ("mcn/a-1", "mcn-level")]
    for policy in FIRST:
        Ledger(store).adopt(policy)
    for subject, scheme in subjects:
        replay = replay_subject(store, subject, moment_of(store), scheme)
        assert {item.hash for group in replay.policies for item in group} <= {item.hash for item in FIRST}
        new = Policies(*([revision_of(policy) for policy in group] for group in replay.policies))
        assert told(replay) == told(SCHEMES[scheme].replay(subject, replay.known, replay.moment, new))
        decide(store, scheme, period_of(store, scheme, parse_month("2023-05"), None))
    audited = audit_json(store, Selection())
    assert audited["reproduced"] == audited["audited"] > len(subjects)
    with open_views(store, make=True) as views:
        rebuild(views, Asked())
        assert proof_of(views).problems == []
    adopted = {item.policy.hash for _, scheme in subjects for item in adopted_policies(store, scheme)}
    assert adopted == {policy.hash for policy in FIRST}, "and no other since"


def test_the_third_revision_for_agencies_adds_the_benefits_of_high_levels_alone() -> None:
    second, third = (item for item in shipped_revisions("mcn-level") if item.hash not in {old.hash for old in FIRST})
    added = {*third.parameters} - {*second.parameters}
    assert added == {"benefit_marketing_resources", "benefit_star_rooms"}
    assert {name: third.parameters[name] for name in second.parameters} == second.parameters
    assert third.in_force_from == second.in_force_from


# --- which name is told -----------------------------------------------------------------------------------------------

(OLD,) = (policy for policy in FIRST if policy.scheme == "merchant-reputation")
NEW = revision_of(OLD)
NAMED = [{"code": "bronze-1", "zh": "铁", "en": "Iron", "from_tenths": 10}]


def levels_named(*codes: str) -> list[dict[str, Any]]:
    return [{"code": code, "from_tenths": 1 + 500 * rank} for rank, code in enumerate(codes)]


def own(tmp_path: Path, policy: Policy, **by_language: str) -> Path:
    """A folder that holds a policy and, beside it, names by language."""
    folder = tmp_path / "own"
    (folder / "names").mkdir(parents=True)
    toml_of(policy, folder / "tin.toml")
    for language, text in by_language.items():
        (folder / "names" / f"{language}.toml").write_text(text)
    return folder


def test_a_code_without_a_name_is_told_as_it_is_and_one_of_the_program_s_as_the_program_does(tmp_path: Path) -> None:
    tin = with_values(NEW, levels=levels_named("tin-1", "bronze-1"), growth_caps=[{"from": ""}])
    assert level_names(tin, ["tin-1", "bronze-1"], "zh") == {"tin-1": "tin-1", "bronze-1": "铜Lv1"}
    assert benefit_names(tin, "nothing", {}) == {"en": "nothing", "zh": "nothing"}


def test_names_beside_a_policy_come_before_those_of_the_program(tmp_path: Path) -> None:
    tin = with_values(NEW, levels=levels_named("tin-1", "bronze-1"), growth_caps=[{"from": ""}])
    folder = own(tmp_path, tin, en='levels = { tin-1 = "Tin", bronze-1 = "Brass" }\nbenefits = { tea = "Tea" }\n')
    (found,) = read_folder(folder)
    assert found.hash == tin.hash, "names are no part of it"
    assert read_policy(folder / "tin.toml").names == found.names
    assert level_names(found, ["tin-1", "bronze-1"], "en") == {"tin-1": "Tin", "bronze-1": "Brass"}
    assert level_names(found, ["tin-1", "bronze-1"], "zh") == {"tin-1": "tin-1", "bronze-1": "铜Lv1"}
    assert benefit_names(found, "tea", {}) == {"en": "Tea", "zh": "tea"}


def test_a_folder_called_names_can_hold_policies(tmp_path: Path) -> None:
    folder = own(tmp_path, NEW).rename(tmp_path / "names")
    assert [item.hash for item in read_folder(folder)] == [NEW.hash]


def test_answers_by_a_folder_tell_its_names(store: Store, tmp_path: Path) -> None:
    story = [event("merchant.onboarded", "open", category="fresh"), paid("o-1")]
    ingest_events(store, [*story, event("review.posted", "review", order="o-1", quality=5)], tmp_path)
    tin = with_values(NEW, levels=levels_named("tin-1"), growth_caps=[{"from": ""}])
    folder = own(tmp_path, tin, zh='[levels]\ntin-1 = "锡"\n')
    replay = replay_subject(store, "merchant/m-1", moment_of(store), NEW.scheme, Choice(folder=folder))
    found = [replay_json(replay, language) for language in LANGUAGES]
    assert [(item["level"], item["level_name"]) for item in found] == [("tin-1", "tin-1"), ("tin-1", "锡")]


def test_the_names_within_a_policy_of_the_first_form_come_before_all(tmp_path: Path) -> None:
    iron = with_values(OLD, levels=NAMED, growth_caps=[{"from": ""}])
    assert faults_of(iron.content) == []
    folder = own(tmp_path, iron, en='levels = { bronze-1 = "Brass" }')
    (found,) = read_folder(folder)
    assert [level_names(found, ["bronze-1"], language)["bronze-1"] for language in ("en", "zh")] == ["Iron", "铁"]
    creators = next(policy for policy in FIRST if policy.scheme == "creator-level")
    lucky = creators.parameters["benefit_super_lucky_bag"].value
    assert benefit_names(creators, "super_lucky_bag", lucky | {"en": "bag"}) == {"en": "bag", "zh": "超级福袋"}


def test_several_policies_name_a_level_as_the_last_that_has_it(tmp_path: Path) -> None:
    replay = SCHEMES[NEW.scheme].replay
    iron = with_values(OLD, levels=NAMED, growth_caps=[{"from": ""}])
    assert replay.level_names_of(Policies([NEW, iron]), "en")["bronze-1"] == "Iron"
    assert replay.level_names_of(Policies([iron, NEW]), "en")["bronze-1"] == "Bronze Lv1"


# --- what is refused --------------------------------------------------------------------------------------------------

CREATORS = shipped("creator-level")[-1]
AGENCIES = shipped("mcn-level")[-1]
BESIDE = "a policy has codes and no names, which would change its hash; put the name into names/{}.toml beside"


def test_a_name_in_a_policy_is_refused_by_name() -> None:
    levels = [*NEW.parameters["levels"].value]
    levels[3] = levels[3] | {"zh": "锡"}
    (fault,) = faults_of(with_faults(NEW, levels=levels))
    assert fault == f'parameters.levels.value.3.zh: {BESIDE.format("zh")} the policy, under [levels], found "锡"'
    (fault,) = faults_of(with_faults(CREATORS, benefit_firefly_plan={"from_rank": 2, "en": "plan"}))
    assert fault.startswith(
        f"parameters.benefit_firefly_plan.value.en: {BESIDE.format('en')} the policy, under [benefits]"
    )
    levels = [level | {"en": "V", "zh": "V"} for level in AGENCIES.parameters["levels"].value]
    assert len(faults_of(with_faults(AGENCIES, levels=levels))) == 2 * len(levels), "never were there names"


def test_a_policy_of_the_first_form_is_read_whole_or_not_at_all() -> None:
    assert [faults_of(policy.content) for policy in FIRST] == [[]] * len(FIRST)
    levels = OLD.parameters["levels"].value
    some = faults_of(with_faults(OLD, levels=[{"code": "bronze-0", "from_tenths": 1}, *levels]))
    assert len(some) == 2 * len(levels) and all("put the name into names/" in fault for fault in some)
    for name, fault in ((None, "missing data for required field"), ("", "must be a text of 1 to 32"), (7, "must be")):
        (found,) = faults_of(with_faults(OLD, levels=[levels[0] | {"en": name}, *levels[1:]]))
        assert found.startswith(f"parameters.levels.value.0.en: {fault}")


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("fr", "levels = {}", "there is no language 'fr'; names of levels and benefits stand in a file a language: en"),
        ("en", "levels = 1", "levels: not a valid mapping type, found 1"),
        ("en", 'levels = { tin-1 = "" }', "levels.tin-1.value: length must be between 1 and 32"),
        ("en", "levels = { tin-1 = 3 }", "levels.tin-1.value: not a valid string"),
        ("en", 'tin-1 = "Tin"', 'tin-1: unknown field, found "Tin"'),
        ("zh", 'levels = { tin-1 = "a\u202eb" }', "holds the character U+202E, which cannot be seen; remove it"),
        ("zh", "levels = ", "is not TOML"),
    ],
)
def test_faults_of_names_are_told(tmp_path: Path, language: str, text: str, fault: str) -> None:
    folder = own(tmp_path, NEW, **{language: text})
    toml_of(NEW, folder / "tin-r2.toml")
    with pytest.raises(FaultyPolicy) as error:
        read_folder(folder)
    assert str(error.value).startswith(f"{folder / 'names' / language}.toml: {fault}"), error.value
    assert len(str(error.value).splitlines()) == 1, "once, though it stands beside two policies"
