"""What names storage of objects, and what of it is shown."""

from pathlib import Path

import pytest

from replay.errors import StoreError, UsageError
from replay.objects.naming import ObjectsUrl, holds_key, masked_url, place_of
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
    assert place_of("file:///tmp/a%20b") == Path("/tmp/a b")
    assert place_of("a/b") == Path("a/b") and isinstance(place_of("s3://levels/daily"), ObjectsUrl)


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
