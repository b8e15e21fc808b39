"""Recording the policies that decisions and views use, before they first use them (RULEBOOK §0, Policies)."""

from collections.abc import Iterable
from typing import Final

from eventsourcing.persistence import IntegrityError

from domain.policy import Policy
from replay.decisions.application import Ledger
from replay.errors import StoreError, UsageError
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.schemes.registry import SCHEMES, choose
from replay.store.base.store import Store
from replay.store.reading.asked import EVERYTHING

TRIES: Final = 5


def adopt_all(ledger: Ledger, policies: Iterable[Policy]) -> None:
    """Record those of whose version no revision was adopted yet. Raises IntegrityError where another process does."""
    for policy in policies:
        ledger.adopt_first(policy)


def adopt_used_by_views(store: Store, as_of: int) -> int:
    """Record what the views judge by at an instant; the instant from which on they judge by more.

    An empty ledger is left empty. Raises StoreError where something is to be recorded and cannot be.
    """
    ledger = Ledger(store)
    for _ in range(TRIES):
        if store.head().position == 0:
            return as_of
        missing = not_adopted(store, as_of, ledger)
        try:
            adopt_all(ledger, missing)
            return min((at for at in _beginnings() if at > as_of), default=EVERYTHING)
        except IntegrityError:  # another process adopts: what it adopted is what counts
            continue
        except (StoreError, UsageError) as error:
            names = " and ".join(f"{policy.scheme} {policy.revision}" for policy in missing)
            raise StoreError(
                f"a policy must be recorded before views judge by it, and this process may not record {names}"
                f" ({error}); let one who may write run 'levelbook policy adopt' for each"
            ) from error
    raise StoreError(f"the policies of {store.name} are adopted by other processes again and again; try again")


def not_adopted(store: Store, as_of: int, ledger: Ledger | None = None) -> list[Policy]:
    """What views judge by at an instant, and the ledger does not hold yet in any revision."""
    ledger = ledger or Ledger(store)
    return [policy for policy in _used(store, as_of) if policy.id not in ledger.policy_book(policy.scheme).latest]


def _used(store: Store, as_of: int) -> list[Policy]:
    """Each version that judges in some scheme's view, by the revision that counts."""
    head = store.head()
    moment = Moment(as_of, head.recorded_at, head.position)
    chosen = [choose(store, scheme.replay, moment) for scheme in SCHEMES.values()]
    found = {policy.hash: policy for policies in chosen for policy in (*policies.own, *policies.beside)}
    return list(found.values())


def _beginnings() -> Iterable[int]:
    """When the versions that come with the program come into force."""
    return [policy.in_force_from for scheme in SCHEMES for policy in shipped(scheme)]
