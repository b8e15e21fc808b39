"""Small ledgers in which a level is disputed, and the evidence of it: of every kind of subject and of claim."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Final

from replay.policies.catalog import shipped
from tests.oracles.evidence_files import WITNESSES, File, Ledger, Signer, evidence, trust_text

AS_OF: Final = 1_671_163_200_000_000
AS_OF_TEXT: Final = "2022-12-16T04:00:00.000000Z"
OWN: Final = "0123456789abcdef" * 2
OTHER: Final = "fedcba9876543210" * 2
TRUST: Final = trust_text([OWN, OTHER], WITNESSES, "group both all w1 w2", "quorum both").encode()
MERCHANT, CREATOR, AGENCY = "merchant/m-1", "creator/c-1", "mcn/a-1"


@dataclass(frozen=True)
class Case:
    """A good file, and what its makers had at hand."""

    name: str
    file: File
    ledger: Ledger
    seal: int
    header: Mapping[str, Any]
    policies: tuple[str, ...] = ()
    withheld: tuple[int, ...] = ()

    def again(
        self,
        witnesses: Iterable[Signer] = tuple(WITNESSES.values()),
        withheld: Iterable[int] | None = None,
        keys: Iterable[str] | None = None,
        ledger: Ledger | None = None,
        seal: int = 0,
        **changed: Any,
    ) -> File:
        """The same evidence made anew, with some things otherwise; fields of the header by their names."""
        hidden = self.withheld if withheld is None else withheld
        made, place, header = ledger or self.ledger, seal or self.seal, {**self.header, **changed}
        return evidence(made, header, place, witnesses=witnesses, withheld=hidden, policies=self.policies, keys=keys)


def case(name: str, ledger: Ledger, seal: int, header: Mapping[str, Any], **made: Any) -> Case:
    file = evidence(ledger, header, seal, witnesses=WITNESSES.values(), **made)
    return Case(name, file, ledger, seal, header, tuple(made.get("policies", ())), tuple(made.get("withheld", ())))


def decision(ledger: Ledger, subject: str, scheme: str, policy: str, position: int, policy_hash: str) -> int:
    """A level decided as of AS_OF, knowing the records up to a position."""
    told = {
        "as_of": AS_OF_TEXT,
        "chain": "00" * 32,
        "digest_v": 2,
        "facts": "11" * 32,
        "findings": "22" * 32,
        "known_at": "2022-12-17T00:00:00.000000Z",
        "level": None,
        "period": "2022-11",
        "policy": policy,
        "policy_hash": policy_hash,
        "position": position,
        "run": "run-1",
        "scheme": scheme,
        "score": 497,
    }
    return ledger.add(subject, "level.decided", told | {"state": "rated"})


def run(ledger: Ledger, scheme: str, phase: str, position: int) -> int:
    told = {"as_of": AS_OF_TEXT, "chain": "00" * 32, "decided": 2 if phase == "finished" else None}
    told |= {"known_at": "2022-12-17T00:00:00.000000Z", "period": "2022-11", "phase": phase, "position": position}
    return ledger.add("ledger/decisions", "decisions.run", told | {"reason": None, "run": "run-1", "scheme": scheme})


def adopted(ledger: Ledger, scheme: str, content: str) -> str:
    """Adopt a policy; gives its hash."""
    named = sha256(content.encode()).hexdigest()
    told = {"content": content, "hash": named, "id": shipped(scheme)[0].id, "program": "1.0", "scheme": scheme}
    ledger.add(f"policy/{scheme}", "policy.adopted", told)
    return named


def retraction(ledger: Ledger, stream: str, position: int, event_id: str = "") -> int:
    data = {"case": "c-1", "event": f"e-{position}", "reason": '买家 "wrong"\n', "source": "urn:test"}
    return ledger.add(stream, "event.retracted", data, event_id=event_id)


def orders(ledger: Ledger, merchant: str, numbers: range) -> None:
    for number in numbers:
        paid = {"amount": 12_900 + number, "buyer": "ab" * 16, "kind": "normal", "order": f"o-{number}"}
        ledger.add(merchant, "order.paid", paid | {"payment": "online"})
        ledger.add(merchant, "order.received", {"order": f"o-{number}"})


@cache
def merchant_case() -> Case:
    """A decision that is disputed, by an adopted policy; a run of another scheme is withheld; an older seal."""
    scheme, ledger = "merchant-reputation", Ledger(OWN)
    for merchant in (MERCHANT, "merchant/m-2"):
        ledger.add(merchant, "merchant.onboarded", {"category": "fresh-food"})
        orders(ledger, merchant, range(2))
    retraction(ledger, MERCHANT, 3)
    ledger.seal()
    orders(ledger, MERCHANT, range(2, 4))
    position = len(ledger.records)
    hidden = run(ledger, "merchant-tier", "begun", position)
    run(ledger, scheme, "begun", position)
    named = adopted(ledger, scheme, shipped(scheme)[0].content)
    claim = decision(ledger, MERCHANT, scheme, shipped(scheme)[0].id, position, named)
    decision(ledger, "merchant/m-2", scheme, shipped(scheme)[0].id, position, named)
    run(ledger, scheme, "finished", position)
    orders(ledger, MERCHANT, range(4, 5))
    seal = ledger.seal()
    orders(ledger, "merchant/m-2", range(5, 7))
    header = {"as_of": AS_OF, "claim": claim, "position": position, "scheme": scheme, "subject": MERCHANT}
    return case("merchant", ledger, seal, header, withheld=[hidden])


@cache
def creator_case() -> Case:
    """An announcement that is disputed; no policy was adopted: two that the program ships are given."""
    ledger = Ledger(OWN)
    for creator in (CREATOR, "creator/c-2"):
        ledger.add(creator, "creator.registered", {})
        ledger.add(creator, "creator.scored", {"score": "reputation", "value": "4.80"})
    sale = {"amount": 5, "channel": "live", "good_goods": True, "order": "o-1", "worry_free": False}
    ledger.add(CREATOR, "sale.settled", sale)
    claim = ledger.add(CREATOR, "level.announced", {"level": "L2", "period": "2022-11", "scheme": "creator-level"})
    run(ledger, "merchant-tier", "begun", claim)
    ledger.add(CREATOR, "sale.refunded", {"amount": 5, "order": "o-1"})
    seal = ledger.seal()
    header = {"as_of": AS_OF, "claim": claim, "position": seal - 1, "scheme": "creator-level", "subject": CREATOR}
    contents = [policy.content for policy in shipped("creator-level")]
    return case("creator", ledger, seal, header, policies=contents)


@cache
def agency_case() -> Case:
    """A replay that nothing claims, of an agency whose creators were bound by others, and these bindings retracted."""
    ledger = Ledger(OWN)
    ledger.add(AGENCY, "mcn.onboarded", {})
    ledger.add("mcn/a-2", "mcn.onboarded", {})
    ledger.add(AGENCY, "creator.bound", {"creator": "c-1"})
    ledger.add(CREATOR, "points.earned", {"points": 50, "task": "t-1"})
    taken = ledger.add("mcn/a-2", "creator.bound", {"creator": "c-1"})
    back = retraction(ledger, "mcn/a-2", taken)
    retraction(ledger, "mcn/a-2", back)
    ledger.add("mcn/a-2", "creator.unbound", {"creator": "c-1"})
    ledger.add(AGENCY, "creator.bound", {"creator": "c-3"})
    ledger.add("mcn/a-2", "creator.bound", {"creator": "c-2"})
    adopted(ledger, "mcn-level", shipped("mcn-level")[0].content)
    adopted(ledger, "creator-level", shipped("creator-level")[0].content)
    seal = ledger.seal()
    header = {"as_of": AS_OF, "claim": None, "position": seal - 1, "scheme": "mcn-level", "subject": AGENCY}
    return case("agency", ledger, seal, header)


@cache
def lone_case() -> Case:
    """A ledger of one key, whose seal is the last record: every path is empty."""
    ledger = Ledger(OWN)
    ledger.add(CREATOR, "points.earned", {"points": 50, "task": "t-1"})
    seal = ledger.seal()
    header = {"as_of": AS_OF, "claim": None, "position": 1, "scheme": "creator-firefly", "subject": CREATOR}
    return case("lone", ledger, seal, header, policies=[shipped("creator-firefly")[0].content])


@cache
def other_case() -> Case:
    """Evidence of a subject and a scheme of the same names in another ledger."""
    mine, ledger = merchant_case(), Ledger(OTHER)
    ledger.add("merchant/m-3", "merchant.onboarded", {"category": "fresh"})
    ledger.add(MERCHANT, "merchant.onboarded", {"category": "fresh"})
    orders(ledger, MERCHANT, range(6))
    position = len(ledger.records)
    named = adopted(ledger, "merchant-reputation", shipped("merchant-reputation")[0].content)
    claim = decision(ledger, MERCHANT, "merchant-reputation", "x", position, named)
    seal = ledger.seal()
    return case("other", ledger, seal, {**mine.header, "claim": claim, "position": position})


def cases() -> list[Case]:
    return [merchant_case(), creator_case(), agency_case(), lone_case(), other_case()]
