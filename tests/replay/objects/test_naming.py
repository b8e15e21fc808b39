"""What names storage of objects, and what of it is shown."""

from pathlib import Path

import pytest

from replay.errors import NotExaminedError, StoreError, UsageError
from replay.objects.naming import ObjectsUrl, are_one, holds_key, masked_url, place_of, without_keys
from replay.objects.storage import storage_at


def test_what_names_no_storage_is_refused() -> None:
    with pytest.raises(UsageError, match=" is neither a folder nor known storage of objects; give a path"):
        place_of("ftp://key:secret@host/levels")
    with pytest.raises(UsageError, match=" names no bucket; write s3://BUCKET/PREFIX"):
        storage_at(ObjectsUrl("s3://?region=us-east-1"), StoreError)
    with pytest.raises(UsageError, match=" names no storage of objects: "):
        storage_at(ObjectsUrl("s3://levels/x?nothing=such"), StoreError)
    with pytest.raises(UsageError, match=" names no folder of this machine; write file:///PATH, or the path alone"):
        place_of("file://elsewhere/levels")
    with pytest.raises(UsageError, match="has two slashes in its prefix, between which nothing stands; write s3"):
        storage_at(ObjectsUrl("s3://levels//x?region=us-east-1"), StoreError)
    with pytest.raises(UsageError, match="an empty text names no place for files, nor does a variable that is not set"):
        place_of("")
    assert place_of("file:///tmp/a%20b") == Path("/tmp/a b")
    assert place_of("a/b") == Path("a/b") and isinstance(place_of("s3://levels/daily"), ObjectsUrl)


def test_which_names_are_of_one_place() -> None:
    here = Path("a/b")
    assert are_one(here, here.resolve() / ".." / "b") and not are_one(here, Path("a"))
    daily = ObjectsUrl("s3://key:secret@levels/daily/?region=us-east-1")
    assert are_one(daily, ObjectsUrl("s3://levels/daily?region=us-east-1")) and not are_one(daily, here)
    for other in ("s3://levels/dai?region=us-east-1", "s3://levels/daily", "s3://levels/daily?endpoint_override=x"):
        assert not are_one(daily, ObjectsUrl(other)) and not are_one(ObjectsUrl(other), daily)


def test_no_key_is_shown() -> None:
    assert (
        masked_url("s3://key:secret@levels/daily?access_key=a&region=us-east-1")
        == "s3://***@levels/daily?region=us-east-1"
    )
    assert masked_url("s3://levels/daily?secret_key=a") == "s3://levels/daily"
    place = ObjectsUrl("s3://key:secret@levels/daily")
    assert "secret" not in f"{place} {place!r}" and holds_key(place.given)
    with pytest.raises(UsageError) as refused:
        storage_at(ObjectsUrl("s3://key:secret@levels/x?nothing=such"), StoreError)
    assert "secret" not in str(refused.value)
    assert not holds_key("s3://levels/daily?region=us-east-1") and not holds_key("a/b?c")
    assert not holds_key("abfss://levels@account.dfs.core.windows.net/x") and not holds_key("s3://levels/team@home/x")
    for hidden in (
        "s3://key:hu/sh@levels/x",
        "s3://key:hu?sh@levels/x?region=us-east-1",
        "s3://key:hu@sh/y@levels/x",
        "abfss://levels:hush@account.dfs.core.windows.net/x",
        "s3://levels/x?endpoint_override=http://key:hush@host",
    ):
        assert "hu" not in masked_url(hidden) and "sh" not in masked_url(hidden) and holds_key(hidden)


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ("s3://key:hush@levels/team@home/x?region=us-east-1&a=b", "s3://levels/team@home/x?region=us-east-1"),
        ("s3://levels/team@home?region=us-east-1", "s3://levels/team@home?region=us-east-1"),
        ("gs://levels/team@home/x", "gs://levels/team@home/x"),
        (
            "abfss://levels:aHVzaA==@account.dfs.core.windows.net/x?account_key=a",
            "abfss://levels@account.dfs.core.windows.net/x",
        ),
        (
            "abfs://:aHVzaA==@account.blob.core.windows.net/levels/x",
            "abfs://account.blob.core.windows.net/levels/x",
        ),
        (
            "abfs://account:aHVzaA==@levels/x?blob_storage_authority=.x&dfs_storage_authority=.y&enable_tls=false",
            "abfs://account@levels/x?blob_storage_authority=.x&dfs_storage_authority=.y&enable_tls=false",
        ),
    ],
)
def test_what_is_noted_down_without_keys_names_the_same_place(given: str, noted: str) -> None:
    assert without_keys(given) == noted and "hush" not in masked_url(given)
    if not given.endswith("a=b") and "account_key" not in given:  # parameters that Arrow knows
        here, there = (storage_at(ObjectsUrl(name), StoreError) for name in (given, noted))
        assert here.prefix == there.prefix and here.files.type_name == there.files.type_name


def test_storage_that_does_not_say_its_region_was_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreached:
        @staticmethod
        def from_uri(url: str) -> None:
            raise OSError(f"When resolving the region of {url}: no network")

    monkeypatch.setattr("pyarrow.fs.FileSystem", Unreached)
    with pytest.raises(NotExaminedError, match=r"^When resolving the region of s3://\*\*\*@levels/x: no network"):
        storage_at(ObjectsUrl("s3://key:hush@levels/x"), NotExaminedError)
