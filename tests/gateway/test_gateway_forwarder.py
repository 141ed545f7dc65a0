"""The text that a sidecar runs: what goes in at the port comes out of the socket, byte for byte and in its order."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from gate_bench import GateBench, a_model

from harness.errors import NoModelCall
from harness.sandboxes._door import FORWARDER

BURSTS = 40


def a_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def forwarded(path: Path) -> AsyncIterator[int]:
    """A port that leads to the socket, as soon as the forwarder listens on it."""
    port = a_port()
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FORWARDER.read_text(encoding="utf-8"), str(port), str(path)
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield port
    finally:
        program.kill()
        await program.wait()


@pytest.mark.parametrize("size", [1_000, 200_000, 1_000_000])
@pytest.mark.parametrize("ends", [True, False])
def test_a_burst_on_a_new_connection_keeps_its_order(short: Path, size: int, ends: bool) -> None:
    """All of it is sent before the socket has answered; with `ends` the client's half is closed as well."""
    heard: dict[str, int] = {}

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(5)
        if first == b"GET /":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        elif first:
            data = first + (await reader.read() if ends else await reader.readexactly(size - len(first)))
            digest = hashlib.sha256(data).hexdigest()
            heard[digest] = heard.get(digest, 0) + 1
            writer.write(digest.encode())
        writer.close()

    async def go() -> None:
        server = await asyncio.start_unix_server(hear, str(short / "gw.sock"))
        async with asyncio.timeout(120), forwarded(short / "gw.sock") as port:
            for _ in range(BURSTS):
                burst = os.urandom(size)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(burst)
                if ends:
                    writer.write_eof()
                assert await reader.read() == hashlib.sha256(burst).hexdigest().encode()
                writer.close()
        server.close()
        assert len(heard) == BURSTS

    asyncio.run(go())


def test_bytes_that_are_no_request_are_told_of(gate: GateBench) -> None:
    """An agent whose requests cannot be read has called: it is not said to have never done so."""

    async def go() -> None:
        with pytest.raises(NoModelCall, match="none of its requests could be read at the door: ") as ended:
            async with gate.door(a_model("scripted", name="s", answer="x"), must_call=True) as visit:
                reader, writer = await asyncio.open_unix_connection(str(visit.socket))
                writer.write(b'content":"the middle of a body"}\r\nPOST /v1/responses HTTP/1.1\r\n\r\n')
                assert b"400" in await reader.read()
                writer.close()
                assert sum("bytes that are no request" in str(e) for e in visit.state.events) == 1
        assert "one request" not in str(ended.value)
        with pytest.raises(NoModelCall, match="without one request"):
            async with gate.door(a_model("scripted", name="s", answer="x"), must_call=True):
                pass
        await gate.server.aclose()

    asyncio.run(go())


def test_a_large_request_arrives_whole(gate: GateBench, short: Path) -> None:
    """Through the forwarder, the gateway and back, on a new connection each time."""

    async def go() -> None:
        async with gate.door(a_model("scripted", name="s", answer="x")) as visit, forwarded(visit.socket) as port:
            body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"%s"}]}' % (b"word " * 60_000)
            head = f"POST /v1/messages HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            for _ in range(BURSTS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(head.encode() + body)
                assert (await reader.read()).startswith(b"HTTP/1.1 200")
                writer.close()
            assert [e.bytes_in for e in visit.room.exchanges] == [len(body)] * BURSTS
            assert not visit.room.unread
        await gate.server.aclose()

    asyncio.run(go())
