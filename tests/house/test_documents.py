"""The documents: every link leads somewhere, and the reference tells all that the program has."""

import json
import re
from itertools import product
from pathlib import Path
from typing import Final

import pytest
from jsonschema import Draft202012Validator

from docs.generated import pages
from domain.events import CATALOGUE
from domain.policy import Policy
from projections.api.openapi import specification
from projections.commands.asking import options
from projections.contract.events import event_schema
from projections.desk.pages import PAGES
from projections.projector import follow, verify
from projections.text.words.codes import code_name
from projections.views import belonging
from projections.views.tables import view_statements
from replay import errors
from replay.evidence import checking
from replay.policies.catalog import all_given, shipped
from tests import ROOT
from tests.support.commands import commands

DOCUMENTS: Final = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
CALL: Final = re.compile(r"\blevelbook ([a-z][a-z-]*(?: [a-z]+)?)([^|`\n>]*)")
LINK: Final = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(path: Path) -> str:
    """A document without its code."""
    return re.sub(r"(?ms)^```.*?^```$|^    .*?$|`[^`\n]*`", "", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(path: Path) -> list[str]:
    found = []
    for link in LINK.findall(prose(path)):
        if re.match(r"https?://", link):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page, of it\n[a](#a-page-of-it) [b](#b) [c](c.md)\n```\n[d](d.md)\n```\n`[e](e.md)`\n")
    assert broken_links(page) == ["#b", "c.md"]


def unknown_calls(path: Path) -> list[str]:
    """Commands, and options of them, that code of a document names and that there are not."""
    known = dict(commands())
    found = []
    for code in re.findall(r"(?ms)^```.*?^```|^    .*?$|`[^`\n]+`", path.read_text("utf-8")):
        for name, rest in CALL.findall(code):
            command = known.get(name) or known.get(name.split()[0])
            if command is None:
                found.append(name)
                continue
            there = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            asked = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest))
            found += [f"{name} {option}" for option in sorted(asked - there - {"--help"})]
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_commands_and_options_that_there_are(path: Path) -> None:
    assert unknown_calls(path) == []


def test_a_command_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`levelbook repaly m` and `levelbook token new --nam x`\n```\nlevelbook ingest --backfill a\n```\n")
    assert unknown_calls(page) == ["repaly m", "token new --nam"]


ROUTES: Final = (
    *specification()["paths"],
    *(page.path for page in PAGES),
    *("/docs", "/docs.css", "/healthz", "/login", "/logout", "/metrics", "/openapi.json", "/readyz", "/static/{name}"),
)
SERVED: Final = [re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(route))) for route in ROUTES]
NAMED: Final = re.compile(r"(?<![\w./-])(?:domain|replay|projections|fixtures|tests|docs)/[\w./*<>-]*[\w>]")
ASKED: Final = re.compile(
    r"(?:(?<![\w.:/])|(?<=:8020))/(?:v1|subjects|docs|openapi|healthz|readyz|metrics|log(?:in|out)|static)\b[^\s`\"'|)?#]*"
)


def is_served(route: str) -> bool:
    """Whether a request could be answered; of what a page cuts off with an ellipsis, whether one begins so."""
    before, cut, _ = route.partition("…")
    if cut:
        return any(known.startswith(before) for known in ROUTES)
    return any(served.fullmatch(route) for served in SERVED)


def unknown_places(path: Path) -> list[str]:
    """Files of the program and addresses of the service that code of a document names and that there are not."""
    found = []
    for code in re.findall(r"(?ms)^```.*?^```|^    .*?$|`[^`\n]+`", path.read_text("utf-8")):
        for name in NAMED.findall(code):
            place = re.sub(r"<[^>]*>", "*", name)
            if not any((*ROOT.glob(place), *ROOT.glob(f"{place}.py"))):
                found.append(name)
        found += [route for route in ASKED.findall(code) if not is_served(route)]
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_files_and_routes_that_there_are(path: Path) -> None:
    assert unknown_places(path) == []


def test_a_file_or_route_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`fixtures/demo.py` `domain/<scheme>/names/<language>.toml` `replay/history/timeline` `docs/nothing.md`\n"
        "```\ncurl http://127.0.0.1:8020/v1/subjects/merchant/m/levels?lang=zh\ncurl -s /v1/subject/m\n```\n"
    )
    assert unknown_places(page) == ["docs/nothing.md", "/v1/subject/m"]


def test_an_event_that_a_page_shows_can_be_ingested() -> None:
    shown = [
        line
        for path in DOCUMENTS
        for line in re.findall(r'(?m)^ *>? *(\{"specversion".*\})$', path.read_text("utf-8"))
        if '"quality":6' not in line  # of the tutorial in which it is refused
    ]
    assert len(shown) >= 4
    for line in shown:
        event = json.loads(line)
        assert not list(Draft202012Validator(event_schema(event["type"])).iter_errors(event)), line


def test_the_glossary_has_the_words_by_which_a_newcomer_searches() -> None:
    glossary = (ROOT / "docs" / "GLOSSARY.md").read_text("utf-8")
    for word in (
        *("aggregate", "backfill", "bitemporal", "checkpoint", "idempotent", "projection", "quarantine", "read model"),
        *("snapshot", "transaction time", "upcast", "valid time", "watermark"),
    ):
        assert re.search(rf"\b{word}", glossary), word


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def counting(policy: Policy) -> Policy:
    """The revision that counts of a policy's version."""
    return next(item for item in shipped(policy.scheme) if item.id == policy.id)


def test_the_reference_tells_all_that_the_program_has() -> None:
    made = pages()
    for name, row in CATALOGUE.items():
        assert (f"\n## {name}\n" in made["reference/events.md"]) is not row.internal
    for policy, end in product(all_given(None), ("", ".zh")):
        (told,) = re.findall(
            rf"(?ms)^## {policy.id}$(.*?)(?=^## |\Z)", made[f"reference/rules-{policy.scheme}{end}.md"]
        )
        assert policy.hash in told
        sources = {item.source for item in counting(policy).parameters.values()}
        assert {item for item in sources if code_name(end[1:] or "en", "source", item) not in told} == set()
    for view, _ in view_statements(1, None):
        assert f"\n## {view}\n" in made["reference/view-columns.md"]
    for path in specification()["paths"]:
        assert re.search(rf"(?m)^## (GET|POST) {re.escape(path)}$", made["reference/api.md"])


def test_the_page_of_exit_statuses_has_those_of_the_program() -> None:
    of_classes = {error.exit_status for error in (errors.LevelbookError, errors.UsageError, errors.StoreError)}
    of_evidence = {checking.EvidenceRefused.exit_status}
    of_views = {belonging.OtherHistory.exit_status, follow.ClockJumped.exit_status}
    constants = {
        value for module in (options, verify) for name, value in vars(module).items() if name.startswith("EXIT_")
    }
    page = (ROOT / "docs" / "reference" / "exit-statuses.md").read_text("utf-8")
    assert {int(status) for status in re.findall(r"(?m)^\| (\d+) \|", page)} == {
        0,
        *of_classes,
        *of_views,
        *of_evidence,
        *constants,
    }
