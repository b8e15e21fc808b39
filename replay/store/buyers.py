"""Buyers are personal data: the ledger knows them by random aliases only, another one at each merchant.

The table `buyers` leads from a keyed hash of a buyer and the merchant to the alias. Without the key nobody can
test a name against it; without the row nobody can lead an alias back; and no alias stands under two merchants.
Both stand outside the chain. A seal, keyed too, binds the three, so that rows do not change places unseen.
"""

import hmac
import os
import secrets
from pathlib import Path
from typing import Final, NoReturn

from domain.limits import ALIAS_HEX_CHARS
from replay.errors import StoreError, UsageError
from replay.store.base.identity import KEY_BYTES, key_check
from replay.store.base.store import Store
from replay.store.beside import make_secret_file, secret_in, secret_of
from replay.store.reading.alias_form import SEAL_BYTES, AliasKey, AliasRow

KEY_VARIABLE: Final = "LEVELBOOK_BUYER_KEY"
SECRET: Final = "key for buyers"
ERASURES: Final = "ledger/erasures"
"""The stream of the receipts of erasures."""


def hash_buyer(key: bytes, buyer: str) -> bytes:
    """HMAC-SHA-256 of a buyer: 32 bytes."""
    return hmac.digest(key, buyer.encode(), "sha256")


def new_row(key: bytes, at: AliasKey) -> AliasRow:
    """A row with a new alias for a buyer at a merchant."""
    alias = secrets.token_hex(ALIAS_HEX_CHARS // 2)
    return AliasRow(at.buyer, at.merchant, alias, _seal(key, at, alias)[:SEAL_BYTES])


def is_sealed(key: bytes, row: AliasRow) -> bool:
    """Whether a row of the table is one that this ledger wrote with its key, its seal whole, as once, or half of it."""
    seal, length = _seal(key, AliasKey(row.key, row.merchant), row.alias), len(row.seal)
    return length in (SEAL_BYTES, len(seal)) and hmac.compare_digest(row.seal, seal[:length])


def _seal(key: bytes, at: AliasKey, alias: str) -> bytes:
    # The 0 at the beginning: no buyer's name begins so, and none can be made to give a seal as its hash.
    return hmac.digest(key, b"\x00".join((b"", at.buyer, at.merchant.encode(), alias.encode())), "sha256")


def key_of(store: Store) -> bytes:
    """The key for buyers, from the environment or the file beside the store.

    Raises UsageError when there is none, or when it is the key of another ledger: buyers would get
    second aliases unseen, and the cap on a pair of buyer and merchant would be lost.
    """
    key = key_from_environment()
    path = store.key_path()
    found_in = f"the environment variable {KEY_VARIABLE}"
    if key is None:
        key, found_in = _read_key(store, path), str(path)
    if key_check(store.identity.id, key) != store.identity.key_check:
        raise UsageError(f"the key for buyers in {found_in} belongs to another ledger; give the one of {store.name}")
    return key


def key_from_environment() -> bytes | None:
    """The key that LEVELBOOK_BUYER_KEY holds, if it is set."""
    text = os.environ.get(KEY_VARIABLE)
    return None if text is None else secret_of(text, f"the environment variable {KEY_VARIABLE}", SECRET)


def no_key() -> NoReturn:
    """Raises UsageError: a PostgreSQL store has no file beside it to keep a key in."""
    raise UsageError(
        f"a PostgreSQL store needs its key for buyers in {KEY_VARIABLE}: {KEY_BYTES * 2}"
        " hexadecimal digits that you make once and keep, as from 'openssl rand -hex 32'"
    )


def make_key(path: Path) -> bytes:
    """The key for a new ledger: from the environment, or from a file that is made, mode 0600."""
    key = key_from_environment()
    if key is not None:
        return key
    make_secret_file(path)
    return secret_in(path, SECRET)


def _read_key(store: Store, path: Path | None) -> bytes:
    if path is None:
        raise UsageError(
            f"the key for buyers of {store.name} is not set; put its 64 hexadecimal digits into {KEY_VARIABLE}"
        )
    try:
        return secret_in(path, SECRET)
    except FileNotFoundError:
        raise UsageError(
            f"the key for buyers is missing: {path}; bring it back from its copy, or set {KEY_VARIABLE}"
        ) from None
    except OSError as error:
        raise StoreError(f"the key for buyers {path} cannot be read: {error.strerror}") from None
