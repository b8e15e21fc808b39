"""Signing requests as Standard Webhooks has it: HMAC-SHA256 over `id.timestamp.body`, a signature for each secret.

An HMAC is made with the secret itself, so that it has to be kept: no hash of it would do, as it does for tokens.
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from replay.errors import UsageError

SECRET_BEGINS: Final = "whsec_"
NEW_BYTES: Final = 32
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
_SECRET_FILE_BYTES: Final = 4_096


def new_secret() -> str:
    """A secret of chance."""
    return SECRET_BEGINS + b64encode(secrets.token_bytes(NEW_BYTES)).decode()


def secret_in_file(path: Path) -> str:
    """The secret that a file holds. Raises OSError where it cannot be read, UsageError where it holds none."""
    with path.open("rb") as file:
        text = file.read(_SECRET_FILE_BYTES).decode("ascii", "replace").strip()
    try:
        is_one = text.startswith(SECRET_BEGINS) and LEAST_BYTES <= len(_key(text)) <= MOST_BYTES
    except ValueError:
        is_one = False
    if not is_one:
        raise UsageError(
            f"{path} holds no secret of a webhook: {SECRET_BEGINS} and the base64 of {LEAST_BYTES} to {MOST_BYTES}"
            " bytes are needed"
        )
    return text


def signatures(known: Iterable[str], message_id: str, at_s: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: one for each secret, so that receivers can change over."""
    signed = b".".join((message_id.encode(), str(at_s).encode(), body))
    return " ".join(f"v1,{b64encode(hmac.digest(_key(secret), signed, 'sha256')).decode()}" for secret in known)


def _key(secret: str) -> bytes:
    return b64decode(secret.removeprefix(SECRET_BEGINS), validate=True)
