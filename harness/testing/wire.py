"""A wire-true model server as a real process: Anthropic Messages, OpenAI Responses, OpenAI Chat Completions,
Gemini.

    python -m harness.testing.wire --port 0 [--latency-ms 5] [--jitter-ms 2] [--log FILE]

prints the port when it is ready. In tests, `WireServer` starts and ends it. What it answers: `wire_script.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from harness.testing.wire_script import Call, Step, Tokens
from harness.testing.wire_server import Connection, State

__all__ = ["Call", "Step", "Tokens", "WireServer"]

_START_S = 15.0


class WireServer:
    """The server as a child process, for as long as the context lasts.

    `url` has no trailing slash and no `/v1`: an Anthropic `base_url` is `url`, an OpenAI one is `url + "/v1"`.
    The child also ends when this process dies.
    """

    def __init__(self, *, latency_ms: float = 0.0, jitter_ms: float = 0.0, log: Path | None = None) -> None:
        self._argv = [sys.executable, "-m", "harness.testing.wire", "--port", "0", "--until-eof"]
        self._argv += ["--latency-ms", str(latency_ms), "--jitter-ms", str(jitter_ms)]
        if log is not None:
            self._argv += ["--log", str(log)]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> WireServer:
        root = str(Path(__file__).resolve().parents[2])
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self.__exit__(None, None, None)
            raise RuntimeError(f"the wire server did not start: {line!r}")
        self.url = f"http://127.0.0.1:{line.strip()}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def script(self, *steps: Step, model: str = "") -> None:
        """Queue answers for a model name, or for any. They are used in order, then the name's rule holds again."""
        self._call("/_script", {"model": model, "steps": msgspec.to_builtins(steps)})

    def log(self) -> list[dict[str, Any]]:
        """The last requests: `n`, `path`, `headers` (lower case, keys masked), `body`."""
        found: list[dict[str, Any]] = self._call("/_log")
        return found

    def reset(self) -> None:
        """Forget scripts and the log."""
        self._call("/_reset", {})

    def _call(self, path: str, body: object = None) -> Any:
        return call(self.url, path, body)


def call(url: str, path: str, body: object = None) -> Any:
    """One control call (`/_script`, `/_log`, `/_reset`) to a wire server, whoever started it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_START_S) as response:
        return json.load(response)


async def _serve(port: int, state: State, *, until_eof: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    if until_eof:
        await loop.run_in_executor(None, sys.stdin.buffer.read)
    else:
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m harness.testing.wire", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="before every answer")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="up to so much more, by a fixed seed")
    parser.add_argument("--log", type=Path, help="append one JSON line for each answered request")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input closes")
    args = parser.parse_args(argv)
    state = State(latency_ms=args.latency_ms, jitter_ms=args.jitter_ms)
    if args.log:
        state.log_fd = os.open(args.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(args.port, state, until_eof=args.until_eof))
    return 0


if __name__ == "__main__":
    sys.exit(main())
