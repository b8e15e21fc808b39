"""Load for a service from a process of its own: requests at a steady rate over many connections, and latencies."""

import asyncio
import time
from multiprocessing import get_context
from typing import NamedTuple


class Load(NamedTuple):
    """What came of the requests."""

    latencies: list[float]
    """Seconds from the moment at which each was due, also where the one before it was late."""
    failed: int
    builds: set[str]
    """The builds that the answers' ETags named."""


def offer_requests(port: int, paths: list[str], *, a_second: int, connections: int, seconds: float) -> Load:
    """Offer requests to paths in turn, and wait for all answers."""
    ours, theirs = get_context("spawn").Pipe()
    asking = get_context("spawn").Process(target=_send, args=(port, paths, a_second, connections, seconds, theirs))
    asking.start()
    found = Load(*ours.recv())
    asking.join()
    return found


def _send(port: int, paths: list[str], a_second: int, connections: int, seconds: float, told_to: object) -> None:
    found = asyncio.run(_all(port, paths, a_second, connections, seconds))
    told_to.send(tuple(found))  # type: ignore[attr-defined]


async def _all(port: int, paths: list[str], a_second: int, connections: int, seconds: float) -> Load:
    load = Load([], 0, set())
    failed = await asyncio.gather(
        *(
            _one(port, paths[number::connections] or paths, number, a_second, connections, seconds, load)
            for number in range(connections)
        )
    )
    return load._replace(failed=sum(failed))


async def _one(
    port: int, paths: list[str], number: int, a_second: int, connections: int, seconds: float, load: Load
) -> int:
    """One connection: a request whenever one is due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    apart = connections / a_second
    begin, failed, turn = time.perf_counter() + apart * number / connections, 0, 0
    while turn * apart < seconds:
        due = begin + turn * apart
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        path = paths[turn % len(paths)]
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        await reader.readexactly(length)
        load.latencies.append(time.perf_counter() - due)
        failed += not head.startswith("http/1.1 200")
        load.builds.add(head.partition("etag: ")[2].partition("\r\n")[0].split(".")[3])
        turn += 1
    writer.close()
    return failed
