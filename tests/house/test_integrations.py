"""The files by which others run and watch Levelbook: they name what there is, and what checks such files likes them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from projections.candidates.shadow import start
from projections.http.settings import Settings, check_settings
from projections.projector.rebuild import Asked, rebuild
from projections.upkeep.consumed import PartitionNote, open_consumed
from projections.views.database import open_views
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.commands import commands
from tests.support.making import ingest_events
from tests.support.promql import parse
from tests.support.running import run
from tests.support.serving import serving
from tests.worlds.ledgers import World, revised

INTEGRATIONS: Final = ROOT / "integrations"
UNITS: Final = sorted((INTEGRATIONS / "systemd").glob("*.service"))
EXPOSURE_MAX: Final = 20
"""Of systemd's own measure in tenths, of what a service may do beyond what it needs; 20 of 100 is little."""
RULES: Final = INTEGRATIONS / "prometheus" / "levelbook.rules.yml"
DASHBOARD: Final = INTEGRATIONS / "grafana" / "levelbook.json"
OF_PROMETHEUS: Final = {"up"}
WATCH: Final = ROOT / "docs" / "how-to" / "watch.md"


# --- systemd ----------------------------------------------------------------------------------------------------------


def unit(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The lines of a unit by section; a key may stand several times."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.append((key, value))
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_calls_a_command_that_there_is_and_is_hardened(path: Path) -> None:
    service = unit(path)["Service"]
    (start_line,) = [value for key, value in service if key == "ExecStart"]
    program, *words = start_line.split()
    assert program == "/opt/levelbook/bin/levelbook"
    options = [word for word in words if word.startswith("--")]
    command = dict(commands())[" ".join(words[: len(words) - len(options)])]
    assert {option.partition("=")[0] for option in options} <= {name for asked in command.params for name in asked.opts}
    asked = [option.partition("=")[0] for option in options]
    assert all(set(parameter.opts) & set(asked) for parameter in command.params if parameter.required)
    held = dict(service)
    assert held["ProtectSystem"] == "strict" and held["NoNewPrivileges"] == "yes" and held["User"] == "levelbook"
    assert held["CapabilityBoundingSet"] == "" and held["StateDirectoryMode"] == "0700"
    assert "2" in held["RestartPreventExitStatus"].split()
    assert "LEVELBOOK_STORE" in [value.partition("=")[0] for key, value in service if key == "Environment"]


def test_units_differ_in_what_they_run_alone() -> None:
    """Whoever hardens one hardens all."""
    assert {path.stem for path in UNITS} == {f"levelbook-{name}" for name in ("consume", "deliver", "follow", "serve")}
    own = {"ExecStart", "RestartPreventExitStatus", "TimeoutStopSec", "LimitNOFILE", "WorkingDirectory"}
    shared = [[line for line in unit(path)["Service"] if line[0] not in own] for path in UNITS]
    assert all(lines == shared[0] for lines in shared) and len(shared[0]) > 25


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Any]:
    """Units as systemd would find them where the program is installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")

    def put(path: Path) -> Path:
        program = tmp_path / "levelbook"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        copy = tmp_path / path.name
        copy.write_text(path.read_text("utf-8").replace("/opt/levelbook/bin/levelbook", str(program)), "utf-8")
        return copy

    yield put


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_takes_a_unit(path: Path, installed: Any) -> None:
    copy = installed(path)
    found = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    of_unit = [line for line in found.stderr.splitlines() if path.name in line]
    assert found.returncode == 0 and of_unit == [], found.stderr
    copy.write_text(copy.read_text().replace("ProtectSystem=strict", "ProtectSystem=stritc"))
    found = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert "Failed to parse protect system value" in found.stderr, "what is wrong is found"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_little_that_a_unit_may_do_beyond_its_need(path: Path, installed: Any) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager"]
    found = subprocess.run([*command, installed(path)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-300:] + found.stderr


# --- containers -------------------------------------------------------------------------------------------------------

CONTAINERFILE: Final = INTEGRATIONS / "container" / "Containerfile"


def linted(path: Path) -> tuple[int, str]:
    program = Path(sys.executable).parent / "hadolint"
    if not program.exists():
        pytest.skip("there is no hadolint here")
    found = subprocess.run([program, "--no-color", path], capture_output=True, text=True, check=False)
    return found.returncode, found.stdout + found.stderr


def test_a_linter_of_container_files_finds_nothing(tmp_path: Path) -> None:
    assert linted(CONTAINERFILE) == (0, "")
    (tmp_path / "Containerfile").write_text("FROM python:latest\nRUN pip install levelbook\n")
    status, told = linted(tmp_path / "Containerfile")
    assert status == 1 and "DL3007" in told


def test_the_container_is_nobodys_root_and_copies_what_is_built() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    assert re.findall(r"(?m)^USER (.*)$", text) == ["10001:10001"]
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-\S+", base) for base in re.findall(r"(?m)^FROM (\S+)", text))
    copied = {name for line in re.findall(r"(?m)^COPY (?!--)(.*) \S+$", text) for name in line.split()}
    assert {"cli.py", "domain", "replay", "projections", "fixtures", "pyproject.toml", "README.md", "LICENSE"} == copied
    assert all((ROOT / name).exists() for name in copied)


def test_the_container_starts_as_it_is_and_its_health_is_asked_by_a_name_that_it_answers_to() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    (asked,) = re.findall(r"(?m)^CMD (\[.*\])$", text)
    name, *options = json.loads(asked)
    (url,) = re.findall(r"(?m)^ +CMD \[.*urlopen\('([^']+)'", text)
    guide = (ROOT / "docs" / "how-to" / "container.md").read_text("utf-8")
    (other,) = re.findall(r"`serve (--[^`]*?) …`", guide)
    for given in (options, other.split()):
        parsed = dict(commands())[name].make_context(name, ["--store", "ledger.db", *given]).params
        settings = Settings(**{field: parsed[field] for field in Settings._fields if field in parsed})
        check_settings(settings)
        assert urlsplit(url).hostname in settings.hosts and urlsplit(url).port == settings.port, given
        assert settings.is_https and settings.needs_token


# --- metrics ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What a real answer names: each series with its labels, of a ledger of which there is everything to be told."""
    folder = tmp_path_factory.mktemp("measured")
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(8).events(300), folder)
        rebuild(views, Asked(sample=0))
        start(views, revised("creator-firefly", 6))
        with open_consumed(store) as consumed:
            consumed.note([PartitionNote("g", "orders", 0, 7, 1, store.now())])
    run("verify", "--store", location)
    run("audit", "--store", location, status=1)  # what was announced there was never decided
    run("rebuild", "--dry-run", "--sample", "0", "--store", location)
    run("deliver", "add", "http://127.0.0.1:1/", "--allow-private", "--allow-http", "--store", location)
    with serving(Settings(location)) as client:
        client.get("/v1/levels")
        client.get("/v1/levels", headers={"Host": "evil.example"})
        text = client.get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    assert group["name"] == "levelbook"
    found: list[dict[str, Any]] = group["rules"]
    return found


def targets() -> list[str]:
    return [
        target["expr"] for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] for target in panel["targets"]
    ]


def expressions() -> list[str]:
    return [*(rule["expr"] for rule in rules()), *targets()]


@pytest.mark.slow
def test_rules_and_dashboard_name_metrics_that_the_service_tells(measured: dict[str, set[str]]) -> None:
    assert len(expressions()) > 30
    given = {"job", "instance"}
    # Of what is set aside nothing is told where nothing is: the families have their names all the same.
    labels = {label for found in measured.values() for label in found} | {"scheme"} | given
    for expression in expressions():
        found = parse(expression)
        assert found.metrics - OF_PROMETHEUS <= measured.keys(), expression
        assert found.labels <= labels, expression


@pytest.mark.slow
def test_the_guide_names_every_metric_and_no_other(measured: dict[str, set[str]]) -> None:
    families = {name for name in measured if not name.endswith(("_bucket", "_count", "_sum", "_created"))}
    families = {f"{name}_total" if f"{name}_total" in families else name for name in families}
    named = set(re.findall(r"`(levelbook_\w+)`", WATCH.read_text("utf-8")))
    assert named == families


def test_every_alert_says_what_is_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 10
    known = {name for name, _ in commands()}
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "do"} and rule["labels"]["severity"] in ("page", "ticket")
        for call in re.findall(r"'levelbook ([a-z -]+?)(?: --[^']*)?'", rule["annotations"]["do"]):
            assert call in known, call
    (unusable,) = [rule["annotations"]["do"] for rule in rules() if rule["alert"] == "LevelbookViewsUnusable"]
    assert "'levelbook upgrade'" in unusable, "views of an earlier form are what there is after a new version came"


def test_the_dashboard_has_a_panel_a_place() -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_an_expression_that_is_none_is_found() -> None:
    assert parse('sum by (le) (rate(a_bucket{status=~"5.."}[5m])) / b > 0.02').metrics == {"a_bucket", "b"}
    for wrong in ("sum(", "a >", "rate(a)", "nosuch(a)", "a{b}", 'a{b="c"', "a b", "a[5m"):
        with pytest.raises(ValueError, match=r"\w"):
            parse(wrong)
