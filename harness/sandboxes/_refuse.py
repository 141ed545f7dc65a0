"""Refuse networks in this network namespace by rules of routing, and try whether they are. Run as text in a fence,
which alone has NET_ADMIN in the namespace: standard library, Python 3.9.

    python3 -c TEXT NETWORK ...

Names (port 53) are asked for everywhere: some clouds answer them at a refused address. The namespace's own network,
with the services on it, is reached; the host's address on it is not where a refused network holds it.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NEW_ROUTE, NEW_NEIGHBOUR, NEW_RULE = 24, 28, 32
MAKE = 0x605
"""Flags: a request that is acknowledged; make it, and fail where it is there."""
DST, PRIORITY, TABLE, DEVICE, PROTOCOL, PORTS = 1, 6, 15, 17, 22, 24
"""Attributes of a rule (linux/fib_rules.h)."""
LOOK_UP, UNREACHABLE = 1, 7
MAIN, NOWHERE = 254, 169
"""Tables: the namespace's own, and one whose only route leads to a neighbour that is not there."""
NAMES, HOST, HOST_AT_ALL, NEIGHBOURS, REFUSED, REFUSED_AT_ALL = range(1000, 1006)
"""Priorities, in the order in which rules are asked."""
DNS = 53
TRIED = 80
ANYBODY = ipaddress.IPv4Address("169.254.255.254")
NO_MAC = bytes.fromhex("020000000000")


def refuse(networks: Iterable[Network]) -> None:
    """Lay down the rules. A socket bound to a device would pass over an unreachable network as if it were next door
    (the kernel: "routing tables are wrong, assume on link"), so it is led to nobody instead."""
    devices, host, near = _own()
    for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        ports = _attribute(PORTS, struct.pack("=HH", DNS, DNS))
        for family in (socket.AF_INET, socket.AF_INET6):
            _rule(NAMES, family, LOOK_UP, None, _number(TABLE, MAIN), _protocol(protocol), ports)
    for device in devices:
        _lead_nowhere(device)
    for network in networks:
        for address in host:
            if address in network:
                for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):  # not ARP, which the way out is found by
                    _refuse(HOST, devices, ipaddress.ip_network(address), _protocol(protocol))
        _refuse(REFUSED, devices, network)
    for network in near:
        _rule(NEIGHBOURS, socket.AF_INET, LOOK_UP, network, _number(TABLE, MAIN))


def reached(networks: Iterable[Network]) -> Iterator[str]:
    """Refused networks that a program can send to all the same. An older kernel passes over what it does not know."""
    _, host, near = _own()
    for network in networks:
        ends = {network[0], network[-1]}
        tried = [a for a in sorted(ends) if not any(a in own for own in near)] + [a for a in host if a in network]
        for address in tried:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(_family(network), kind) as one:
                    one.setblocking(False)
                    if one.connect_ex((str(address), TRIED)) in (0, errno.EINPROGRESS):
                        yield str(network)


def _own() -> tuple[list[str], list[ipaddress.IPv4Address], list[ipaddress.IPv4Network]]:
    """From the routes that are there: devices, next hops, and networks that are next door."""
    rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    host = {_address(row[2]) for row in rows if int(row[2], 16)}
    near = {ipaddress.IPv4Network(f"{_address(row[1])}/{_address(row[7])}") for row in rows if not int(row[2], 16)}
    return sorted({row[0] for row in rows}), sorted(host), sorted(near)


def _address(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(struct.pack("=I", int(text, 16)))


def _family(network: Network) -> int:
    return socket.AF_INET if network.version == 4 else socket.AF_INET6


def _refuse(priority: int, devices: Iterable[str], network: Network, *more: bytes) -> None:
    """For sockets bound to a device, and for all others. IPv6 does not assume anything to be on link."""
    for device in devices if network.version == 4 else ():
        bound = _attribute(DEVICE, device.encode() + b"\0")
        _rule(priority, socket.AF_INET, LOOK_UP, network, _number(TABLE, NOWHERE), bound, *more)
    _rule(priority + 1, _family(network), UNREACHABLE, network, *more)


def _rule(priority: int, family: int, action: int, network: Network | None, *more: bytes) -> None:
    bits, to = (network.prefixlen, _attribute(DST, network.network_address.packed)) if network else (0, b"")
    head = struct.pack("=8BI", family, bits, 0, 0, 0, 0, 0, action, 0)
    try:
        _ask(NEW_RULE, head + _number(PRIORITY, priority) + to + b"".join(more))
    except OSError as e:
        if family == socket.AF_INET or e.errno not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            raise  # a kernel without IPv6 reaches nothing by it


def _lead_nowhere(device: str) -> None:
    """A route of a table of its own, by way of a neighbour whose hardware address nobody has."""
    index = socket.if_nametoindex(device)
    head = struct.pack("=BBHiHBB", socket.AF_INET, 0, 0, index, 0x80, 0, 0)  # permanent
    _ask(NEW_NEIGHBOUR, head + _attribute(1, ANYBODY.packed) + _attribute(2, NO_MAC))
    head = struct.pack("=8BI", socket.AF_INET, 0, 0, 0, NOWHERE, 4, 0, 1, 4)  # static, everywhere, unicast, on link
    _ask(NEW_ROUTE, head + _attribute(5, ANYBODY.packed) + _number(4, index))


def _ask(what: int, body: bytes) -> None:
    """One request to the kernel. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), what, MAKE, 1, 0) + body)
        answer = int(struct.unpack_from("=i", kernel.recv(65536), 16)[0])
    if answer:
        raise OSError(-answer, f"{errno.errorcode.get(-answer, answer)} for request {what}")


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _protocol(number: int) -> bytes:
    return _attribute(PROTOCOL, bytes([number]))


if __name__ == "__main__":
    wanted = [ipaddress.ip_network(word) for word in sys.argv[1:]]
    refuse(wanted)
    sys.exit(", ".join(sorted(set(reached(wanted)))) or None)
