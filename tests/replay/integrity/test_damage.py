"""Bytes that change at random in a store's file are noticed by verify, or change no answer of any reader."""

from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from cli import main
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.making import ingest_events
from tests.worlds.ledgers import World

DAMAGES = 12 * SOAK
READERS = (
    ("events", "{}", "--position", "60"),
    ("replay", "{}", "--as-of", "2023-06-01", "--position", "60"),
    ("explain", "{}", "--as-of", "2023-06-01", "--position", "60"),
    ("subjects",),
    ("audit",),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    create_store(str(folder / "ledger.db"))
    with open_store(str(folder / "ledger.db")) as store:
        ingest_events(store, World(3).events(60), folder)
    return folder / "ledger.db"


def answers(location: Path) -> list[tuple[int, str]]:
    with open_store(str(location)) as store:
        subjects = [stream for (stream,) in store._query("SELECT DISTINCT stream FROM records NOT INDEXED ORDER BY 1")]
    merchants = [subject for subject in subjects if subject.startswith("merchant/")]
    lines = [[word.format(merchants[0]) for word in words] for words in READERS]
    found = [CliRunner().invoke(main, [*words, "--store", str(location)]) for words in lines]
    return [(done.exit_code, done.output) for done in found]


@pytest.mark.parametrize("seed", range(DAMAGES))
def test_a_byte_that_changes_is_noticed_or_changes_no_answer(sound: Path, tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    content = bytearray(sound.read_bytes())
    for _ in range(chance.choice((1, 1, 4))):
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
    damaged = tmp_path / "ledger.db"
    damaged.write_bytes(content)
    (tmp_path / "ledger.db.key").write_bytes(Path(f"{sound}.key").read_bytes())
    verified = CliRunner().invoke(main, ["verify", "--store", str(damaged)])
    assert verified.exception is None or isinstance(verified.exception, SystemExit), verified.exception
    if verified.exit_code == 0:
        expected = answers(sound)
        assert [status for status, _ in expected] == [0, 0, 0, 0, 1]  # a level was announced otherwise, says the audit
        assert answers(damaged) == expected
