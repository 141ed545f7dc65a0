"""Pass connections to a loopback port on to a unix socket. Run as text in a sidecar: standard library, Python 3.9.

    python3 -c TEXT PORT SOCKET

First it says `GET /_door` to the socket, over and over until that answers: the gateway then knows that the door is
open. Bytes are passed as they come, in both directions, with half-closed connections and back-pressure kept.
"""

from __future__ import annotations

import asyncio
import sys

HELLO = b"GET /_door HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n"
EVERY_S = 0.1


class End(asyncio.Protocol):
    """One end of a passed connection."""

    def __init__(self, other: End | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if self.other is not None:
            self.other.other = self

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)  # type: ignore[union-attr]

    def eof_received(self) -> bool:
        if self.other is not None and self.other.transport.can_write_eof():  # type: ignore[union-attr]
            self.other.transport.write_eof()  # type: ignore[union-attr]
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is None or self.other.transport is None:
            return
        if error is None:
            self.other.transport.close()
        else:
            self.other.transport.abort()

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()  # type: ignore[union-attr]

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()  # type: ignore[union-attr]


class Entered(End):
    """The end in the box. What it says before the socket has answered is kept, and so is what it says until that is
    written: `connect` goes on a turn of the loop after the other end is there, and bytes may come in between.

    Pausing it instead is no way: until Python 3.11.4 a transport paused in `connection_made` reads all the same.
    """

    def __init__(self, socket: str) -> None:
        super().__init__()
        self.socket = socket
        self.early: list[bytes] = []
        self.ended = False
        self.flushed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.task = asyncio.ensure_future(self.connect())

    def data_received(self, data: bytes) -> None:
        if self.flushed:
            super().data_received(data)
        else:
            self.early.append(data)

    def eof_received(self) -> bool:
        if self.flushed:
            return super().eof_received()
        self.ended = True
        return True

    async def connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: End(self), self.socket)
        except OSError:
            self.transport.abort()  # type: ignore[union-attr]
            return
        if self.transport.is_closing():  # type: ignore[union-attr]
            self.other.transport.abort()  # type: ignore[union-attr]
            return
        self.other.transport.writelines(self.early)  # type: ignore[union-attr]
        self.early.clear()
        self.flushed = True
        if self.ended:
            super().eof_received()


async def serve(port: int, socket: str) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Entered(socket), "127.0.0.1", port, backlog=512)
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(socket)
            writer.write(HELLO)
            answered = await reader.read(12)
            writer.close()
            if answered:
                break
        except OSError:
            pass
        await asyncio.sleep(EVERY_S)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
