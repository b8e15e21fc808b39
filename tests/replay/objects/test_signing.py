"""Requests that are signed here are signed as AWS's own client signs them."""

from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from replay.errors import StoreError
from replay.objects.creating import Creating
from replay.objects.naming import ObjectsUrl
from replay.objects.signing import AccessKeys, keys_for, quoted, signed_headers
from replay.objects.storage import storage_at

PLAIN = ObjectsUrl("s3://bucket/segments")
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of profiles that is not there, and no keys in the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    return path


@pytest.mark.parametrize("token", [None, "a token/+="])
@pytest.mark.parametrize("path", ["/bucket/a/manifests/000000001.json", "/bucket/\u5e97 a+b=c&d%e~/x"])
def test_a_signature_is_that_of_the_client_of_aws(path: str, token: str | None) -> None:
    keys, content = AccessKeys("AKIA1", "sec/ret+", token), b"some bytes"
    made = signed_headers("PUT", "host:9000", quoted(path), {"if-none-match": "*"}, content, keys, "eu-central-1")
    told = {name: made[name] for name in ("if-none-match", "x-amz-content-sha256")}
    request = AWSRequest("PUT", f"https://host:9000{quoted(path)}", headers=told, data=content)
    request.context |= {"timestamp": made["x-amz-date"], "payload_signing_enabled": True}
    theirs = S3SigV4Auth(Credentials(keys.key, keys.secret, token), "s3", "eu-central-1")
    request.headers["X-Amz-Date"] = made["x-amz-date"]
    if token is not None:
        request.headers["X-Amz-Security-Token"] = token
    canonical = theirs.canonical_request(request)
    assert theirs.signature(theirs.string_to_sign(request, canonical), request) == made["authorization"][-64:]
    assert theirs.signed_headers(theirs.headers_to_sign(request)) in made["authorization"]


def test_keys_are_those_that_arrow_takes(no_keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys_for(PLAIN) is None
    no_keys.write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b%\n"
        "[other]\naws_access_key_id = c\naws_secret_access_key = d\naws_session_token = t\n"
        "[half]\naws_access_key_id=x\n"
    )
    assert keys_for(PLAIN) == ("a", "b%", None)
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert keys_for(PLAIN) == ("c", "d", "t")
    for name in ("half", "none"):
        monkeypatch.setenv("AWS_PROFILE", name)
        assert keys_for(PLAIN) is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "e")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "f")
    assert keys_for(PLAIN) == ("e", "f", None)
    assert keys_for(ObjectsUrl("s3://g%2F:h%40@bucket/x")) == ("g/", "h@", None)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("s3://levels/x?region=eu-central-1", (False, "s3.eu-central-1.amazonaws.com", "eu-central-1")),
        ("s3://levels/x?region=cn-north-1", (False, "s3.cn-north-1.amazonaws.com.cn", "cn-north-1")),
        ("s3://levels/x?region=r&scheme=http&endpoint_override=host:9000", (True, "host:9000", "r")),
        ("s3://levels/x?region=r&endpoint_override=http%3A%2F%2Fhost%3A9000%2F", (True, "host:9000", "r")),
    ],
)
def test_the_server_that_arrow_asks_is_asked(
    url: str, server: tuple[bool, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    assert Creating(storage_at(ObjectsUrl(url), StoreError), ObjectsUrl(url))._server() == server
