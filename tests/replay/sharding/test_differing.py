"""Policies that the ledgers of a set have not adopted alike are told, shard by shard."""

import json
from pathlib import Path

import pytest

from projections.sharding.building import AskedOfSet, rebuild_set
from replay.decisions.application import Ledger
from replay.errors import UsageError
from replay.policies.catalog import shipped
from replay.sharding.checking import check_set
from replay.sharding.differing import DifferingPolicy, differing_policies
from replay.sharding.opened import open_set
from tests.support.running import run
from tests.support.sets import made_set
from tests.worlds.ledgers import revised
from tests.worlds.merchant_reputation import with_values

SCHEME = "merchant-tier"


def test_what_some_lack_is_told_and_what_is_judged_otherwise_is_not_sound(tmp_path: Path) -> None:
    one, other, own = revised(SCHEME, 1), revised(SCHEME, 2), shipped(SCHEME)[-1]
    with open_set(made_set(tmp_path, 4)) as opened:
        ledgers = [Ledger(store) for store in opened.stores]
        assert differing_policies(opened) == []
        for number in (0, 2):
            ledgers[number].adopt(own)
        (found,) = differing_policies(opened)
        shown = own.revision
        assert found == DifferingPolicy(SCHEME, own.id, [shown, None, shown, None], [shown] * 4)
        assert not found.judges_otherwise and check_set(opened).is_sound, "the program has it, too"
        ledgers[2].adopt(one)
        (found,) = differing_policies(opened)
        assert found.counting == [shown, shown, one.revision, shown]
        assert found.judges_otherwise and not check_set(opened).is_sound
        for ledger in ledgers:
            ledger.adopt(one)
            ledger.adopt(other)
        assert differing_policies(opened) == []
        ledgers[1].adopt(one)
        (found,) = differing_policies(opened)
        assert found.adopted == [one.revision if number == 1 else other.revision for number in range(4)], "the last"


def test_a_version_that_the_program_has_not_is_lacked(tmp_path: Path) -> None:
    new = with_values(shipped(SCHEME)[-1], id="of-ours", in_force_from="2031-01-01T00:00:00+08:00")
    with open_set(made_set(tmp_path, 2)) as opened:
        Ledger(opened.stores[1]).adopt(new)
        assert differing_policies(opened) == [
            DifferingPolicy(SCHEME, "of-ours", [None, new.revision], [None, new.revision])
        ]
        assert not check_set(opened).is_sound
    told = run("shard", "check", str(tmp_path / "levels.shards"), status=1)
    assert "  shard 0 (" in told and ") lacks it\n" in told


def test_the_command_names_each_shard_and_what_to_do(tmp_path: Path) -> None:
    location = made_set(tmp_path, 2)
    revision, own = revised(SCHEME, 1), shipped(SCHEME)[-1]
    assert "policy" not in run("shard", "check", location)
    with open_set(location) as opened:
        Ledger(opened.stores[1]).adopt(own)
    told = run("shard", "check", location)
    assert f"not all shards have adopted the policy {own.id} of" in told and "lacks it" in told
    with open_set(location) as opened:
        Ledger(opened.stores[1]).adopt(revision)
        with pytest.raises(
            UsageError, match=r"have adopted different policies, .* as 'levelbook shard check .*' names"
        ):
            rebuild_set(opened, AskedOfSet(sample=0))
    told = run("shard", "check", location, status=1)
    assert f"by different revisions of the policy {own.id}; run 'levelbook policy adopt' with" in told
    assert f"shard 1 ({tmp_path / 'levels-1.db'}) has adopted {revision.revision}" in told
    assert f"shard 0 ({tmp_path / 'levels-0.db'}) has adopted {own.revision}" in told, "the rebuild did"
    (found,) = json.loads(run("shard", "check", location, "--format", "json", status=1))["policies_differing"]
    assert found["scheme"] == SCHEME and found["judges_otherwise"]
    assert found["adopted"] == [own.revision, revision.revision]
    assert "各分片评定" in run("shard", "check", location, "--lang", "zh", status=1)
