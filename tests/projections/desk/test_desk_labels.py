"""Labels that must not say what is not so: of schemes, phases and outcomes that the demo's merchant does not show."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from projections.desk.drawing.places import SMALL, WIDE, Frame
from projections.desk.framing.language import words_of
from projections.desk.schemes.facet import formulas
from projections.desk.schemes.registry import pages_of
from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild
from projections.text.words import Words
from projections.views.database import open_views
from replay.policies.catalog import shipped
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events
from tests.support.serving import serving

LETTER_PIXELS = 7
"""About the widest that a letter of 12 pixels is, on average."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A creator announced otherwise and never decided, a shop cleared out, an agency in its first month."""
    folder = tmp_path_factory.mktemp("labels")
    path, opened = str(folder / "ledger.db"), "2022-01-01T10:00:00+08:00"
    create_store(path)
    with open_store(path) as store:
        sold = {"order": "s-1", "amount": 3_500_000, "good_goods": True, "channel": "live"}
        told = {"scheme": "creator-level", "period": "2022-10", "level": "L4"}
        made = [
            event("creator.registered", "r", opened, subject="creator/gail"),
            event("sale.settled", "s", "2022-03-05T10:00:00+08:00", subject="creator/gail", **sold),
            event("level.announced", "told", "2022-11-01T10:00:00+08:00", subject="creator/gail", **told),
            event("merchant.onboarded", "o", opened, subject="merchant/van", category="fresh"),
            event("merchant.tier_set", "n-1", "2022-07-01T10:00:00+08:00", subject="merchant/van", level="LV0"),
            event("merchant.tier_set", "n-2", "2022-07-09T10:00:00+08:00", subject="merchant/van", level="LV0"),
            event("mcn.onboarded", "m", "2023-05-05T10:00:00+08:00", subject="mcn/new"),
        ]
        ingest_events(store, made, folder)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
    with serving(Settings(path)) as found:
        yield found


def shown(client: TestClient, path: str) -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_score_is_said_to_be_made_as_the_version_makes_it(client: TestClient) -> None:
    """Under the old version sales alone weigh: S 3 and B 7 are 15, which 4 S + B is not."""
    assert "score 15 (5 S)" in shown(client, "/subjects/creator/gail?as_of=2022-04-01&lang=en")
    assert "The score (2021: 5 S; 2022-07-19: 4 S + B), with" in shown(
        client, "/subjects/creator/gail/timeline?scheme=creator-level&lang=en"
    )
    assert formulas(pages_of("creator-level"), shipped("creator-level")[-1:], Words("en", {})) == "4 S + B"
    assert formulas(pages_of("mcn-level"), shipped("mcn-level"), Words("en", {})) == ""
    both = formulas(pages_of("creator-level"), shipped("creator-level"), Words("zh", {}))
    assert both == "2021：5 S；2022-07-19：4 S + B"


def test_what_was_announced_and_never_decided_has_its_differences(client: TestClient) -> None:
    standing = shown(client, "/subjects/creator/gail?lang=en")
    link = "/subjects/creator/gail/differences?scheme=creator-level&amp;period=2022-10&amp;lang=en"
    assert link in standing
    text = shown(client, link.replace("&amp;", "&"))
    assert "L4 was announced, which is NOT what the rules give by what was known then" in text
    assert "nothing decided" in text and "Nothing differs:" in text and '<table class="steps">' not in text
    refused = client.get(link.replace("&amp;", "&").replace("2022-10", "2022-09"), headers={"Accept": "text/html"})
    assert refused.status_code == 400 and "was neither decided nor announced for creator/gail" in refused.text


def test_a_shop_that_was_cleared_out_says_since_when_it_stood_lowest(client: TestClient) -> None:
    text = shown(client, "/subjects/merchant/van?lang=en")
    assert "cleared out for good at the close of 2022-08-30: in LV0 since 2022-07-01" in text
    assert "complaint rate" not in text


def test_a_novice_is_told_what_a_level_asks_before_its_first_evaluation(client: TestClient) -> None:
    text = shown(client, "/subjects/mcn/new?as_of=2023-05-20&lang=en")
    assert "up to and including 2023-06; a level then asks for both of these" in text
    assert "service: no figures &gt;= 140" in text and "credit: no figures &gt;= 80" in text


def test_an_evaluation_before_its_rules_were_in_force_is_called_a_reconstruction(client: TestClient) -> None:
    why = shown(client, "/subjects/merchant/van/why?scheme=merchant-tier&day=2022-08-30&lang=en")
    assert "a reconstruction" in why
    later = shown(client, "/subjects/merchant/van/why?scheme=merchant-tier&day=2022-11-30&lang=en")
    assert "a reconstruction" not in later


@pytest.mark.parametrize("frame", [WIDE, SMALL])
def test_the_names_of_the_lanes_fit_beside_the_drawing(frame: Frame) -> None:
    names = [words_of("en")(f"lane_{kind}") for kind in ("published_then", "published", "announced", "decided")]
    assert max(map(len, names)) * LETTER_PIXELS + 8 <= frame.left
