"""Requests to S3 signed by AWS's Signature Version 4, for what Arrow's calls have no words for."""

import configparser
import hmac
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from replay.objects.naming import ObjectsUrl

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class AccessKeys(NamedTuple):
    """Whose requests they are."""

    key: str
    secret: str
    token: str | None = None
    """Of keys that hold for a while."""


def keys_for(url: ObjectsUrl) -> AccessKeys | None:
    """The keys that Arrow takes for a URL: those in it, those of the environment, those of a profile.

    None where there are none of these, and only Arrow knows whence to have some: of a role, of the machine.
    """
    found = urlsplit(url.given)
    if found.username and found.password:
        return AccessKeys(unquote(found.username), unquote(found.password))
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        return AccessKeys(key, secret, os.environ.get("AWS_SESSION_TOKEN"))
    return _of_profile()


def _of_profile() -> AccessKeys | None:
    path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
    profiles = configparser.ConfigParser(interpolation=None)
    try:
        profiles.read(path.expanduser(), "utf-8")
        profile = profiles[os.environ.get("AWS_PROFILE") or "default"]
    except (configparser.Error, KeyError, OSError, RuntimeError, UnicodeDecodeError):
        return None
    key, secret = profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")
    return AccessKeys(key, secret, profile.get("aws_session_token")) if key and secret else None


def signed_headers(
    method: str, host: str, path: str, headers: Mapping[str, str], content: bytes, keys: AccessKeys, region: str
) -> dict[str, str]:
    """The headers of a request for a path, which is quoted already, with its signature as of now."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    content_hash = sha256(content).hexdigest()
    told = {**headers, "host": host, "x-amz-content-sha256": content_hash, "x-amz-date": at}
    if keys.token is not None:
        told["x-amz-security-token"] = keys.token
    names = sorted(told, key=str.lower)
    listed = ";".join(name.lower() for name in names)
    lines = "".join(f"{name.lower()}:{told[name].strip()}\n" for name in names)
    canonical = "\n".join((method, path, "", lines, listed, content_hash))
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join((_ALGORITHM, at, scope, sha256(canonical.encode()).hexdigest()))
    secret = f"AWS4{keys.secret}".encode()
    for part in (*scope.split("/"), to_sign):
        secret = hmac.digest(secret, part.encode(), "sha256")
    given = f"{_ALGORITHM} Credential={keys.key}/{scope}, SignedHeaders={listed}, Signature={secret.hex()}"
    return {**told, "authorization": given}


def quoted(path: str) -> str:
    """A path as it is signed and asked for."""
    return quote(path, safe="/-_.~")
