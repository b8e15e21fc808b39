"""The report of a trial as a document: whole in itself, in both languages, with the figures of the report."""

import json
import re
import shlex
from pathlib import Path
from random import Random

import pytest
from jsonschema import Draft202012Validator

from domain.calendar import parse_instant
from projections.desk.lab.document import trial_document
from projections.text.lab.trials import command_of
from replay.lab.report import report_hash
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.policies import toml_of
from tests.support.running import run
from tests.worlds.trials import late_ledger, version

SCHEMA = json.loads((ROOT / "docs" / "reference" / "trial.schema.json").read_text("utf-8"))
MONTHS = ("--from", "2022-11", "--to", "2023-01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger, and a candidate of each scheme."""
    path = tmp_path_factory.mktemp("trial")
    create_store(str(path / "ledger.db"))
    with open_store(str(path / "ledger.db")) as opened:
        late_ledger(opened, 3, path, 300)
    for scheme in ("merchant-reputation", "merchant-tier", "creator-level", "creator-firefly", "mcn-level"):
        toml_of(version(scheme, Random(1), "tried"), path / f"{scheme}.toml")
    return path


def tried(folder: Path, scheme: str, *options: str) -> str:
    return run("policy", "try", str(folder / f"{scheme}.toml"), "--store", str(folder / "ledger.db"), *options)


@pytest.mark.parametrize(
    "scheme", ["merchant-reputation", "merchant-tier", "creator-level", "creator-firefly", "mcn-level"]
)
def test_reports_are_as_the_schema_says(scheme: str, folder: Path) -> None:
    for options in (
        (*MONTHS, "--hindsight"),
        ("--as-of", "2023-01-10", "--no-sensitivity"),
        ("--sample", "2", *MONTHS),
    ):
        report = json.loads(tried(folder, scheme, *options, "--format", "json"))
        assert list(Draft202012Validator(SCHEMA).iter_errors(report)) == []
        assert report["report"] == report_hash(report)
        assert (report["sample"] is None) == ("--sample" not in options)
        assert (report["sensitivity"] is None) == ("--no-sensitivity" in options)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_document_needs_nothing_else(language: str, folder: Path) -> None:
    page = tried(folder, "creator-level", *MONTHS, "--hindsight", "--format", "html", "--lang", language)
    assert "<script" not in page and not re.search(r'(src|href)="(?!#)', page) and "url(" not in page
    report = json.loads(tried(folder, "creator-level", *MONTHS, "--hindsight", "--format", "json"))
    assert report["report"] in page and report["ledger"]["chain"] in page
    assert page == trial_document(report, language) + "\n"
    for found in (report["result"], report["hindsight"]):
        for item in found["groups"]:
            assert all(f">{group['cells']:,}</td>" in page for group in item["groups"])
        assert all(mover["subject"] in page for mover in found["movers"])
    if language == "zh":
        assert "规则试算" in page and "Trial" not in page


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--as-of", "2023-01-10", "--no-sensitivity"),
        (*MONTHS, "--by", "size", "--by", "level", "--sample", "2", "--hindsight"),
    ],
)
def test_the_command_of_a_report_gives_it_again(options: tuple[str, ...], folder: Path) -> None:
    report = json.loads(tried(folder, "creator-level", *options, "--format", "json"))
    program, *command = shlex.split(command_of(report))
    assert program == "levelbook"
    file = str(folder / "creator-level.toml")
    asked = [file if word == "tried.toml" else word for word in command]
    assert json.loads(run(*asked, "--store", str(folder / "ledger.db"), "--format", "json")) == report


def test_a_grouping_that_is_given_twice_counts_once(folder: Path) -> None:
    once, twice = (
        tried(folder, "creator-level", *MONTHS, *("--by", "level") * times, "--format", "json") for times in (1, 2)
    )
    assert once == twice


def test_levels_are_called_as_beside_the_candidate(folder: Path, tmp_path: Path) -> None:
    """By names that any page must escape."""
    codes = "abcde"
    (tmp_path / "names").mkdir()
    named = "".join(f'{code} = "<b>Spark</b>"\n' for code in codes)
    (tmp_path / "names" / "en.toml").write_text(f"[levels]\n{named}", "utf-8")
    file = tmp_path / "tried.toml"
    file.write_text((folder / "merchant-reputation.toml").read_text("utf-8"), "utf-8")
    asked = ("policy", "try", str(file), "--store", str(folder / "ledger.db"), *MONTHS, "--lang", "en", "--hindsight")
    report = json.loads(run(*asked, "--format", "json"))
    called = {item["level"]: item["en"] for item in report["levels"]}
    assert {called[code] for code in codes} == {"<b>Spark</b>"} and called["bronze-1"] == "Bronze Lv1"
    assert re.search(r"<b>Spark</b> \([a-e]\)", run(*asked))
    page = run(*asked, "--format", "html")
    assert re.search(r"&lt;b&gt;Spark&lt;/b&gt; \([a-e]\)", page) and "<b>Spark" not in page


def test_nobody_who_is_judged_is_said_to_be_so(folder: Path) -> None:
    for options, said in (((), "or their records came later"), (("--hindsight",), "Nobody is judged under either")):
        told = tried(folder, "mcn-level", "--from", "2020-06", "--to", "2020-06", *options, "--lang", "en")
        assert said in told


def test_one_subject_is_told_by_event(folder: Path) -> None:
    of_one = ("--subject", "merchant/m-1", "--no-sensitivity", "--format", "json")
    told = json.loads(tried(folder, "merchant-reputation", *MONTHS, *of_one))
    assert [step["step"] for step in told["steps"]][-1] == "policy"
    assert told["from"]["policy"] != told["to"]["policy"]
    assert told["from"]["as_of"] == told["to"]["as_of"] == "2023-01-31T23:59:59.999999+08:00"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--as-of", "2023-01-10", *MONTHS), "--as-of is one moment, --from and --to are months; give one of the two"),
        (("--from", "2023-02", "--to", "2023-01"), "--from 2023-02 is after --to 2023-01"),
        (("--from", "2020-05", "--to", "2020-07"), "--from 2020-05 is before 2020-06, when levels begin"),
        (("--to", "2999-01"), "2999-01 of merchant-reputation is not due before"),
        (("--to", "2999-01"), "; end with an earlier month (--to)"),
        (
            ("--from", "2022"),
            "--from '2022' is not of the form YYYY-MM, or does not exist in the calendar; give a month",
        ),
        (("--sample", "0"), "0 is not in the range x>=1"),
        (("--scheme", "merchant-tier"), "is a policy of merchant-reputation, on which no level of merchant-tier rests"),
        (("--scheme", "nothing"), "there is no scheme 'nothing'"),
        (("--subject", "creator/c-1"), "merchant-reputation does not judge creator/c-1"),
        (("--subject", "merchant/m-1", "--save"), "--subject shows one subject in place of a report; leave out --save"),
        (("--subject", "merchant/m-1", "--format", "html"), "in place of a report; leave out --format html"),
        (("--subject", "merchant/m-1", "--workers", "2"), "in place of a report; leave out --workers"),
        (
            ("--subject", "merchant/m-1", "--hindsight", "--by", "size", "--sensitivity", "--sample", "3"),
            "in place of a report; leave out --hindsight and --by and --sensitivity and --sample",
        ),
    ],
)
def test_what_is_no_trial_is_refused(options: tuple[str, ...], said: str, folder: Path) -> None:
    words = ("policy", "try", str(folder / "merchant-reputation.toml"), "--store", str(folder / "ledger.db"), *options)
    assert said in run(*words, status=2)


def test_files_that_fit_no_trial_are_refused(folder: Path, tmp_path: Path) -> None:
    store = ("--store", str(folder / "ledger.db"))
    one, other = (str(folder / f"{scheme}.toml") for scheme in ("merchant-reputation", "creator-level"))
    assert "is a second policy of merchant-reputation; try one of a scheme at a time" in run(
        "policy", "try", one, one, *store, status=2
    )
    assert "the files are policies of merchant-reputation and of creator-level; name one with --scheme" in run(
        "policy", "try", one, other, *store, status=2
    )
    agencies = json.loads(
        run("policy", "try", str(folder / "mcn-level.toml"), other, *store, *MONTHS, "--format", "json")
    )
    assert agencies["scheme"] == "mcn-level" and len(agencies["candidate"]) == 2
    create_store(str(tmp_path / "empty.db"))
    assert "holds no record; there is nothing to try a policy on" in run(
        "policy", "try", one, "--store", str(tmp_path / "empty.db"), status=2
    )


def test_the_head_is_where_it_was(folder: Path) -> None:
    with open_store(str(folder / "ledger.db")) as opened:
        head = opened.head()
    tried(folder, "merchant-reputation", *MONTHS, "--hindsight")
    with open_store(str(folder / "ledger.db")) as opened:
        assert opened.head() == head and head.recorded_at > parse_instant("2022-01-01T00:00:00Z")
