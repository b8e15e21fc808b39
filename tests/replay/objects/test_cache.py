"""What is kept of storage on this machine: so many bytes, and nothing that anything rests on."""

import os
from pathlib import Path

import pytest

from replay.errors import UsageError
from replay.objects import cache as caching
from replay.objects.cache import CACHE_VARIABLE, SIZE_VARIABLE, ObjectCache, cache_of_this_machine

KEYS = [f"{number:02x}ab" for number in range(60)]


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def kept(cache: ObjectCache, key: str) -> bytes | None:
    found = cache.get(key)
    return None if found is None else bytes(found)


def test_no_more_is_kept_than_was_said_and_what_is_asked_for_stays(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "kept", 16_000)
    for place, key in enumerate(KEYS):
        cache.put(key, bytes([place]) * 900)
        for path in (tmp_path / "kept").rglob("*"):
            age = path.stat().st_mtime - 1
            os.utime(path, (age, age))
        assert kept(cache, KEYS[0]) == bytes(900), "it was asked for each time"
        assert bytes_in(tmp_path / "kept") <= 16_000
    assert kept(cache, KEYS[-1]) == bytes([59]) * 900 and cache.get(KEYS[1]) is None
    cache.put("ffff", bytes(2_000))
    assert cache.get("ffff") is None, "it would be more than a sixteenth"
    (file,) = (tmp_path / "kept").rglob(KEYS[0])
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700


def test_two_who_add_look_again_how_much_there_is(tmp_path: Path) -> None:
    one, other = ObjectCache(tmp_path, 16_000), ObjectCache(tmp_path, 16_000)
    for place, key in enumerate(KEYS):
        (one if place % 2 else other).put(key, bytes(900))
        assert bytes_in(tmp_path) <= 16_000 + 2 * 1_000


def test_nothing_is_kept_where_nothing_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file" / "below"):
        cache = ObjectCache(folder, 10_000)
        cache.put("abab", b"x")
        assert cache.get("abab") is None
    monkeypatch.setenv(CACHE_VARIABLE, "")
    cache = cache_of_this_machine()
    cache.put("abab", b"x")
    assert cache.get("abab") is None


def test_who_asks_for_much_looks_through_the_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    files = caching._files

    def looked(folder: Path) -> "list[tuple[Path, os.stat_result]]":
        looks.append(folder)
        return files(folder)

    monkeypatch.setattr(caching, "_files", looked)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "once"))
    for key in KEYS:  # as each file of archived records does
        cache_of_this_machine().put(key, bytes(900))
    assert looks == [tmp_path / "once" / "objects"]


def test_settings_say_where_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "named"))
    monkeypatch.setenv(SIZE_VARIABLE, "1")
    cache_of_this_machine().put("abab", b"x")
    assert [path.name for path in (tmp_path / "named" / "objects").rglob("abab")] == ["abab"]
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    assert cache_of_this_machine().get("abab") is None
    for wrong in ("-1", "4 GB", "\u0664"):
        monkeypatch.setenv(SIZE_VARIABLE, wrong)
        with pytest.raises(UsageError, match="; give how many megabytes are kept, such as 4096, or 0"):
            cache_of_this_machine()
