"""The pages of the rules at a glance: all that the answer says, two versions side by side, links that lead there."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from projections.http.settings import Settings
from projections.text.words import Words
from replay.answers.rules import AtHand, RulesAsked, rules_json
from replay.policies.catalog import revisions
from replay.schemes.registry import SCHEMES
from tests.support.serving import demo_ledger, serving

HTML = {"Accept": "text/html"}
NOW = 1_700_000_000_000_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("rules")
    demo_ledger(str(folder / "ledger.db"), folder)
    with serving(Settings(str(folder / "ledger.db"))) as found:
        yield found


def page(client: TestClient, path: str, status: int = 200) -> str:
    answer = client.get(path, headers=HTML)
    client.cookies.clear()
    assert answer.status_code == status, answer.text
    return answer.text


def told(text: str) -> str:
    """What stands on a page, without its tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", text))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_of_a_scheme_tells_all_that_the_answer_says(client: TestClient, scheme: str, language: str) -> None:
    shown, words = told(page(client, f"/rules/{scheme}?lang={language}")), Words(language, {})
    found = rules_json(AtHand(revisions(None, None, scheme), NOW), RulesAsked(), language)
    rows = [row for section in found["sections"] for row in section["rows"]]
    texts = [text for row in rows for cell in row["cells"] for text in cell["texts"]]
    texts += [section["title"] for section in found["sections"]]
    texts += [words.code("source", basis["shown"]["source"]) for basis in found["bases"]]
    texts += [words.status(basis["shown"]["status"]) for basis in found["bases"]]
    assert [text for text in texts if text not in shown] == []


def test_two_versions_stand_side_by_side_and_what_differs_is_marked(client: TestClient) -> None:
    text = page(client, "/rules/creator-level?policy=2022-07-19&against=2021&lang=en")
    marked = [html.unescape(item) for item in re.findall(r"<mark>(.*?)</mark>", text)]
    assert {"sales 100 %, behaviour 0 %", "sales 80 %, behaviour 20 %"} <= {*marked}
    assert "L0" not in marked and "first as in 2021, then as in 2022-07-19" in told(text)
    assert "text of 2022-07-19, later than this version" in told(text)
    same = page(client, "/rules/merchant-tier?against=2022-09-09&lang=en")
    assert "<mark>" not in same and "nothing differs" in told(same)
    alone = page(client, "/rules/creator-level?as_of=2022-05-01&lang=en")
    assert "<mark>" not in alone and "open for preview" in told(alone)


def test_every_policy_s_hash_leads_to_its_rules(client: TestClient) -> None:
    for place in ("", "/differences?as_of=2022-12-16&known_at=2022-12-16"):
        text = page(client, f"/subjects/merchant/tea-house{place}")
        links = {html.unescape(link) for link in re.findall(r'href="(/rules/[^"]*policy=[^"]*)"', text)}
        assert any(link.startswith("/rules/merchant-reputation?policy=2022-10-26%40") for link in links)
        assert all(told(page(client, link)) for link in links)
    assert 'href="/rules"' in page(client, "/")
    assert {f"/rules/{scheme}" for scheme in SCHEMES} <= {*re.findall(r'href="(/rules/[^"?]*)', page(client, "/rules"))}


def test_what_cannot_be_shown_is_told_by_name(client: TestClient) -> None:
    assert "there is no policy" in told(page(client, "/rules/creator-level?policy=2024&lang=en", 400))
    assert "both say which version" in told(page(client, "/rules/creator-level?policy=2021&as_of=2022-05-01", 400))
    page(client, "/rules/luck", 404)
