"""Ways on Standing: written down before they are shown, and without room told so, while the card stays."""

from pathlib import Path

import pytest

from projections.http.scopes import EXPLANATIONS, LEVELS
from projections.http.settings import Settings
from projections.http.token_store import open_keeping
from replay.store.opening import open_store
from tests.support.serving import demo_ledger, serving

PAGE = "/subjects/merchant/tea-house"
NOT_NOW = {
    "en": "the ways are not worked out: the service has no room now to replay for them",
    "zh": "升级途径未计算：服务目前没有余量重新计算",
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("ways")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_room_for_ways_the_card_is_shown_and_says_so(ledger: str, language: str) -> None:
    asked = f"{PAGE}?lang={language}"
    with serving(Settings(ledger)) as client:
        whole = client.get(asked, headers={"Accept": "text/html"})
        client.cookies.clear()
    with serving(Settings(ledger, replay_events=1)) as client:
        page = client.get(asked, headers={"Accept": "text/html"})
        assert client.get("/v1/ways/merchant/tea-house").status_code == 422
    assert whole.status_code == page.status_code == 200
    assert NOT_NOW[language] in page.text and NOT_NOW[language] not in whole.text
    assert page.text.count('class="card') == whole.text.count('class="card')


def test_ways_are_written_down_for_each_card_and_only_where_they_are_shown(ledger: str) -> None:
    with open_store(ledger) as store, open_keeping(store) as keeping:
        before = len(keeping.accesses(None))
        _, levels = keeping.new_token("levels", (LEVELS,), 100, 0)
        number, both = keeping.new_token("both", (LEVELS, EXPLANATIONS), 100, 0)
        with serving(Settings(ledger, token_required=True)) as client:
            for secret in (levels, both):
                headers = {"Authorization": f"Bearer {secret}", "Accept": "text/html"}
                assert client.get(PAGE, headers=headers).status_code == 200
        noted = [(item.token, item.what, item.subject, item.scheme) for item in keeping.accesses(None)[before:]]
    schemes = ("merchant-reputation", "merchant-tier")
    assert noted == [(number, "ways", "merchant/tea-house", scheme) for scheme in schemes]
