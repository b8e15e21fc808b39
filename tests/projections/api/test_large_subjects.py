"""What is shown of a subject of many records: by the service, on the desk and by the commands the same as of few."""

from pathlib import Path

import pytest

from fixtures.demo import HARBOUR, LIN, MERCHANT
from projections.http.settings import Settings
from replay.columnar import size
from replay.history.timeline import Asked, resolve
from replay.schemes.registry import SCHEMES
from replay.schemes.replaying import replay_subject
from replay.store.opening import open_store
from tests.support.running import run
from tests.support.serving import demo_ledger, serving

SUBJECTS = {"merchant": MERCHANT, "creator": LIN, "mcn": HARBOUR}
MOMENT = "as_of=2023-05-20"
MONTHS = {"merchant": "2022-11", "creator": "2023-04", "mcn": "2023-04"}
PATHS = (
    "/v1/subjects/{subject}/levels/{scheme}?{moment}",
    "/v1/subjects/{subject}/explanation?scheme={scheme}&month={month}&limit=7&{moment}",
    "/v1/subjects/{subject}/history?scheme={scheme}&{moment}",
    "/v1/subjects/{subject}/diff?scheme={scheme}&as_of=2023-04-30&position=300&to_position={head}",
    "/subjects/{subject}?{moment}",
    "/subjects/{subject}/why?scheme={scheme}&month={month}&{moment}",
    "/subjects/{subject}/timeline?scheme={scheme}&{moment}",
)
COMMANDS = (
    ("replay", "--as-of", "2023-05-20"),
    ("explain", "--month", "{month}", "--as-of", "2023-05-20"),
    ("history", "--as-of", "2023-05-20"),
    ("diff", "--position", "300", "--as-of", "2023-04-30"),
    ("events", "--as-of", "2023-05-20"),
    ("appeal", "--{unit}", "{period}"),
)


@pytest.mark.slow
def test_a_large_subject_is_shown_as_a_small_one_is(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo_ledger(location, tmp_path, with_views=False)
    with open_store(location) as store:
        head = store.head().position
    plain = shown(location, head)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    with open_store(location) as store:
        moment = resolve(store, Asked(position=head))
        for scheme in SCHEMES.values():
            assert type(replay_subject(store, SUBJECTS[scheme.kind], moment, scheme.code)) is not scheme.replay
    large = shown(location, head)
    for asked, answer in plain.items():
        assert large[asked] == answer, asked


def shown(location: str, head: int) -> dict[str, str]:
    """Every page and answer of each scheme, by what was asked."""
    found = {}
    with serving(Settings(location)) as client:
        for scheme in SCHEMES.values():
            subject, month = SUBJECTS[scheme.kind], MONTHS[scheme.kind]
            unit = scheme.periods.unit
            period = month if unit == "month" else f"{month}-30"
            named = {"subject": subject, "scheme": scheme.code, "month": month, "head": head}
            named |= {"unit": unit, "period": period}
            for path in PATHS:
                asked = path.format(**named, moment=f"{MOMENT}&position={head}")
                answer = client.get(asked)
                assert answer.status_code == 200, (asked, answer.text[:300])
                found[asked] = answer.text
            for words in COMMANDS:
                line = [word.format(**named) for word in (words[0], subject, *words[1:])]
                found[" ".join(line)] = run(*line, "--scheme", scheme.code, "--store", location)
    return found
