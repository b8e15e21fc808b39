"""No request goes into this machine or its network unless that was allowed, whatever a name says."""

import pytest

from projections.delivering.addresses import METADATA, SafeAddresses, chosen, kind_of

PUBLIC = ("93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2002:0101:0101::1")
OTHERS = {
    "127.0.0.1": "loopback",
    "127.9.9.9": "loopback",
    "::1": "loopback",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "fd00::1": "private",
    "169.254.169.254": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "255.255.255.255": "reserved",
    "240.0.0.1": "reserved",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:169.254.169.254": "link-local",
    "2002:0a00:0001::1": "private",
    "2002:7f00:0001::1": "loopback",
    "2001:0:0a00:1:0:0:f5ff:fffe": "private",
    "64:ff9b::10.0.0.1": "reserved",
    "::10.0.0.1": "reserved",
    "2001:db8::1": "private",
    "100.100.100.200": METADATA,
    "::ffff:100.100.100.200": METADATA,
    "192.0.0.192": METADATA,
    "fd00:ec2::254": METADATA,
    "fd00:ec2::23": METADATA,
    "fd20:ce::254": METADATA,
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_sent_to(address: str) -> None:
    assert kind_of(address) is None


@pytest.mark.parametrize("address", OTHERS)
def test_others_are_not(address: str) -> None:
    assert kind_of(address) == OTHERS[address]
    found = chosen("receiver.example", 443, lambda *_: ["1.1.1.1", address], allow_private=False)
    assert found.addresses == () and found.problem is not None
    assert found.problem.startswith(f"receiver.example leads to {address}, which is {OTHERS[address]}: nothing is sent")


def test_what_is_allowed_is_private_and_loopback_alone() -> None:
    for address, kind in OTHERS.items():
        found = chosen("receiver.example", 443, lambda *_, one=address: [one], allow_private=True)
        assert (found.problem is None) == (kind in ("private", "loopback")), address


def test_a_name_without_an_address_is_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError

    assert chosen("nowhere.example", 443, unknown, allow_private=True).problem == (
        "the name nowhere.example cannot be resolved"
    )
    assert chosen("nowhere.example", 443, lambda *_: [], allow_private=False) == SafeAddresses(
        (), "the name nowhere.example has no address"
    )
