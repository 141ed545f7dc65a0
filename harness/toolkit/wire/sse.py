"""Server-sent events (WHATWG HTML, 9.2.6): their data, without comments, names and ids."""

from __future__ import annotations

from collections.abc import Iterator


def event_data(stream: bytes) -> Iterator[bytes]:
    """The data of each whole event of a stream that was received."""
    data: list[bytes] = []
    for line in stream.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield data[0] if len(data) == 1 else b"\n".join(data)
            data = []
    if data:  # some servers leave out the empty line after the last event
        yield b"\n".join(data)
