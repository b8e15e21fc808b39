"""The certificate and key of a service that ends TLS itself: looked at before it starts, and nothing is asked."""

import ssl
from pathlib import Path

from replay.errors import UsageError


class _PasswordNeeded(Exception):
    """The key is encrypted."""


def check_tls(certificate: Path, key: Path) -> None:
    """Raises UsageError, naming option and file, for what cannot be read or does not belong together."""
    for option, file in (("--tls-certificate", certificate), ("--tls-key", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise UsageError(f"{option} {file} cannot be read: {error.strerror}; name a PEM file") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise UsageError(f"--tls-certificate {certificate} holds no certificate in PEM; name one that does") from None
    try:
        context.load_cert_chain(certificate, key, _refused)
    except _PasswordNeeded:
        raise UsageError(
            f"--tls-key {key} is encrypted, and the service asks for no password; decrypt it into a file that only the"
            " service may read, such as by 'openssl pkcs8 -topk8 -nocrypt'"
        ) from None
    except ssl.SSLError as error:
        if str(error.reason).endswith("MISMATCH"):
            raise UsageError(
                f"--tls-key {key} is not the key of --tls-certificate {certificate}; give the two that belong together"
            ) from None
        raise UsageError(f"--tls-key {key} holds no private key in PEM; name one that does") from None


def _refused() -> str:
    raise _PasswordNeeded
