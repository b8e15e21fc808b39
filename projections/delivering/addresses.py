"""Which addresses requests are sent to: none that lead into this machine or its network, unless that was allowed.

A name is resolved once for a connection, every address of the answer is looked at, and the connection goes to one that
was: a name that leads elsewhere a moment later changes nothing.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name. Raises OSError where there is none."""
_UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is routed between networks; what translates IPv4 by other prefixes is not."""

_OF_CLOUDS: Final = (
    *(ip_network("100.100.100.200/32"), ip_network("192.0.0.192/32")),
    *(ip_network("fd00:ec2::/32"), ip_network("fd20:ce::254/128")),
)
"""Where clouds answer with credentials, in networks that are private otherwise."""
METADATA: Final = "of a cloud's metadata"


class SafeAddresses(NamedTuple):
    """The addresses of a name, or why none of them is connected to."""

    addresses: tuple[str, ...]
    problem: str | None


def resolved(host: str, port: int) -> list[str]:
    """What this machine's resolver gives, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def chosen(host: str, port: int, resolve: Resolve, *, allow_private: bool) -> SafeAddresses:
    """The addresses that may be connected to: all of a name's, or none where one of them may not be."""
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError):
        return SafeAddresses((), f"the name {host} cannot be resolved")
    for address in found:
        kind = kind_of(address)
        if kind is not None and not (allow_private and kind in ("private", "loopback")):
            more = "; --allow-private allows it" if kind in ("private", "loopback") else ""
            return SafeAddresses((), f"{host} leads to {address}, which is {kind}: nothing is sent there{more}")
    return SafeAddresses(tuple(found), None if found else f"the name {host} has no address")


def kind_of(text: str) -> str | None:
    """What keeps an address from being one of the public network; None for one that is."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        return _kind_of_6(address)
    return _kind_of_4(address)


def _kind_of_4(address: IPv4Address) -> str | None:
    for kind in ("unspecified", "loopback", "link_local", "multicast", "reserved"):
        if getattr(address, f"is_{kind}"):
            return kind.replace("_", "-")
    if _is_of_cloud(address):
        return METADATA
    return None if address.is_global else "private"


def _kind_of_6(address: IPv6Address) -> str | None:
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    for held in inner:
        if held is not None and (kind := _kind_of_4(held)) is not None:
            return kind
    if address.ipv4_mapped is not None or address.sixtofour is not None:  # Pythons differ in whether these are global
        return None
    for kind in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(address, f"is_{kind}"):
            return kind.replace("_", "-")
    if _is_of_cloud(address):
        return METADATA
    if address.is_private and not address.is_reserved:
        return "private"
    return None if address in _UNICAST and address.is_global else "reserved"


def _is_of_cloud(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in _OF_CLOUDS)
