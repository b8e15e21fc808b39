"""How a store is named: a path, or a postgresql:// URL; and what of it may be shown."""

import re
from typing import Final

from replay.errors import UsageError

PARTIAL_SUFFIX: Final = ".partial-ledger"
"""How the name of a file ends that holds some records of a ledger alone, and of no other store."""
SET_SUFFIX: Final = ".shards"
"""How the name of a file ends that names the ledgers of a set, and of no store."""
SHOWN_PARAMETERS: Final = frozenset({"connect_timeout", "dbname", "host", "port", "sslmode", "user"})


def is_postgres(location: str) -> bool:
    return location.startswith(("postgresql://", "postgres://", "postgresql+psycopg://"))


def names_set(location: str) -> bool:
    """Whether a location is that of a set of ledgers, by its name."""
    return location.endswith(SET_SUFFIX) and not is_postgres(location)


def masked(location: str) -> str:
    """A location without its password, to be shown and logged: rather too little is shown than too much."""
    if not is_postgres(location):
        return location
    scheme, _, rest = location.partition("://")
    before, at, after = rest.rpartition("@")  # a password may hold '/', '?', '#' and even '@'
    user, colon, _ = before.partition(":")
    host, question, query = after.partition("?")
    if not at and not re.fullmatch(r"[^:]*(:[0-9]*)?(/[^:]*)?", host):
        host = "***"
    pairs = [pair.partition("=") for pair in query.split("&")] if question else []
    kept = "&".join(f"{name}={value if name in SHOWN_PARAMETERS else '***'}" for name, _, value in pairs)
    return f"{scheme}://{user}{':***' if colon else ''}{at}{host}{question}{kept}"


def holds_password(location: str) -> bool:
    """Whether a location holds a password, or is of a form in which one could stand."""
    _, _, rest = location.partition("://")
    before, at, after = rest.rpartition("@")
    names = [pair.partition("=")[0] for pair in after.partition("?")[2].split("&")]
    return is_postgres(location) and (
        bool(at and ":" in before) or any("pass" in name for name in names) or masked(location).endswith("://***")
    )


def refuse_broken_text(location: str) -> None:
    try:
        location.encode()
    except UnicodeEncodeError:
        raise UsageError("the name of the store is not valid UTF-8; give it another") from None


def refuse_unknown_scheme(location: str) -> None:
    """A location that is neither a path nor a postgresql:// URL must not become a file of that name."""
    if _OTHER_FORM.match(location) or "password=" in location:
        raise UsageError("the store is named by a connection string of another form; write postgresql://user@host/db")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", location)
    if scheme:
        raise UsageError(
            f"the store '{scheme[0]}…' is neither a path nor a postgresql:// URL; give one of these (a file whose name"
            " begins so is named with ./ before it)"
        )


_OTHER_FORM: Final = re.compile(
    r"\s*(postgres|postgresql|postgresql\+psycopg):|"
    r"\s*(application_name|connect_timeout|dbname|host|hostaddr|options|passfile|password|port|service|sslmode|user)\s*=",
    re.IGNORECASE,
)
"""A PostgreSQL URL that is not written as one, and keywords as PostgreSQL's library takes them."""
