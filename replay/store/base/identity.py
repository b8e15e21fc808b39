"""Which ledger a store holds, and where that ledger stands."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from replay.errors import UsageError
from replay.schema.versions import ARCHIVED, ONE_ALIAS_EVERYWHERE, ROWS_LEFT, SCHEMA_VERSION
from replay.store.reading.row import CHAIN_START, encode_json

KEY_BYTES: Final = 32


class Head(NamedTuple):
    """Where a ledger stands: its last record; where there is none, position 0 and the start of the chain."""

    position: int
    recorded_at: int
    chain: bytes

    def text(self, ledger: str) -> str:
        """As it is noted down and given to `verify --head`: N:HASH:LEDGER."""
        return f"{self.position}:{self.chain.hex()}:{ledger}"


EMPTY: Final = Head(0, 0, CHAIN_START)


class Identity(NamedTuple):
    """Which ledger a store holds."""

    id: str
    created_at: int
    key_check: bytes
    version: int = SCHEMA_VERSION

    @property
    def chain_start(self) -> bytes:
        """What the first record is linked to: a hash of the identity, so that none of it can be changed unseen."""
        if self.version == ONE_ALIAS_EVERYWHERE:
            return CHAIN_START
        said = {
            "created_at": self.created_at,
            "id": self.id,
            "key_check": self.key_check.hex(),
            "schema_version": self.version,
        }
        return sha256(b"levelbook ledger\x00" + encode_json(said)).digest()


HEAD_SQL: Final = "SELECT position, recorded_at, chain FROM records ORDER BY position DESC LIMIT 1"


def have_left(identity_rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether rows have left the store whose rows of IDENTITY_SQL these are."""
    return bool(identity_rows) and identity_rows[0][1] == ROWS_LEFT


def refuse_one_alias_everywhere(identity: Identity, name: str) -> None:
    """Raises UsageError for a store whose buyers have one alias at all merchants."""
    if identity.version == ONE_ALIAS_EVERYWHERE:
        raise UsageError(
            f"{name} was made when a buyer had one alias at all merchants, by which merchants could match their buyers;"
            " it can be read, backed up and verified, but nothing more is recorded in it: ingest its sources again into"
            " a new store (with --backfill they keep their recordedtime), or go on with the levelbook that made it"
        )


def new_identity(key: bytes, now: int) -> Identity:
    """The identity of a ledger that is made at the instant `now`."""
    ledger_id = secrets.token_hex(16)
    return Identity(ledger_id, now, key_check(ledger_id, key))


def identity_row(identity: Identity) -> tuple[int, str, int, int, bytes]:
    """The row of the table `ledger`."""
    return (1, identity.id, identity.version, identity.created_at, identity.key_check)


def identity_of(rows: list[tuple[Any, ...]], name: str) -> Identity:
    """Read the row of the table `ledger`; raises UsageError for another schema version."""
    if len(rows) != 1:
        raise UsageError(f"{name} is not a Levelbook store: it names no ledger")
    ledger_id, version, created_at, check = rows[0]
    if version not in (ONE_ALIAS_EVERYWHERE, SCHEMA_VERSION, ARCHIVED, ROWS_LEFT):
        raise UsageError(
            f"{name} has schema version {version}, this levelbook reads versions {ONE_ALIAS_EVERYWHERE} to"
            f" {ROWS_LEFT}; use the levelbook that made it or a newer one"
        )
    # Of a store from which records have left, the ledger is what it was, and so is the start of its chain.
    return Identity(ledger_id, created_at, check, min(version, SCHEMA_VERSION))


IDENTITY_SQL: Final = "SELECT id, schema_version, created_at, key_check FROM ledger"


def key_check(ledger_id: str, key: bytes) -> bytes:
    """Tells whether a key is the ledger's own without giving it away."""
    return sha256(b"levelbook buyer key\x00" + ledger_id.encode() + key).digest()
