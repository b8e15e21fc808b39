"""A subject as the views hold it: of this the keys are made that only its scheme's answers have, without a replay."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from domain.policy import Policy
from projections.views.rows import SubjectRows
from replay.history.readers import Reader
from replay.replaying.base import Policies
from replay.store.base.store import Store


class StoredLevel(Protocol):
    """A row of `levels`."""

    @property
    def state(self) -> str: ...

    @property
    def level(self) -> str | None: ...

    @property
    def score(self) -> int | None: ...

    @property
    def policy_hash(self) -> str: ...


class Viewed(NamedTuple):
    """One subject in one scheme, where the views stand."""

    subject: str
    stored: StoredLevel
    policies: Policies
    """The versions that judged, and those that could be previewed."""
    as_of: int
    position: int
    reader: Reader
    rows: SubjectRows
    by_hash: Mapping[str, Policy]
    """Every version that rows may name."""
    store: Store

    @property
    def policy(self) -> Policy:
        """The version that judged the level."""
        return self.by_hash[self.stored.policy_hash]
