"""Work that may never end, in processes that can be killed.

A `Pool` keeps a few long-lived worker processes, started when first needed. A worker is a module run with `-m` that
calls `serve(handler)`: a line of JSON in, a line of JSON out. One that overruns its time is killed and replaced.
Workers end by themselves when the program does, however it does: stdin closes, and while they are busy the kernel's
alarm, which no Python code can delay (`9**9**9**9` holds the interpreter's lock), ends them soon after their time.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from harness.records.content import Json

START_S = 60.0
"""A worker that is not ready (imports done) after this many seconds is given up."""
MEMORY = 2 * 1024**3
"""Address space of a worker, in bytes (Linux)."""
MAX_REPLY = 1_000_000


class WorkerTimeout(Exception):
    """The job did not end in its time; its process was killed."""


class WorkerDied(Exception):
    """The worker ended without an answer (out of memory, a crash in native code) or could not be started."""


class Pool:
    """At most `size` workers running `module`. Safe to use from any thread and any event loop."""

    def __init__(self, module: str, size: int = 2) -> None:
        self._module = module
        self._size = size
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    async def call(self, job: Json, timeout_s: float) -> Json:
        """One job's answer. `timeout_s` counts from when a worker takes it. Raises WorkerTimeout, WorkerDied."""
        return await asyncio.get_running_loop().run_in_executor(self._executor(), self._run, job, timeout_s)

    def close(self) -> None:
        """Kill the idle workers. The next call starts new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
            threads, self._threads = self._threads, None
        for worker in idle:
            worker.kill()
        if threads:
            threads.shutdown(wait=False, cancel_futures=True)

    def pids(self) -> list[int]:
        """Process ids of the idle workers."""
        with self._lock:
            return [worker.process.pid for worker in self._idle]

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._size, thread_name_prefix=self._module.rpartition(".")[2])
                atexit.register(self.close)
            return self._threads

    def _run(self, job: Json, timeout_s: float) -> Json:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None or worker.process.poll() is not None:
            worker = _Worker(self._module)
        try:
            answer = worker.ask({"job": job, "alarm_s": int(timeout_s) + 3}, timeout_s)
        except BaseException:
            worker.kill()
            raise
        with self._lock:
            self._idle.append(worker)
        return answer


class _Worker:
    """One process. Its environment holds no secrets: only what Python needs to start."""

    def __init__(self, module: str) -> None:
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env["PYTHONPATH"] = os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, start_new_session=True,
        )  # fmt: skip
        try:
            self._read_line(START_S)
        except BaseException:
            self.kill()
            raise

    def ask(self, message: Json, timeout_s: float) -> Json:
        """Send a job and wait for its answer."""
        pipe = self.process.stdin
        try:
            if pipe is not None:
                pipe.write(json.dumps(message).encode() + b"\n")
                pipe.flush()
        except OSError as e:
            raise WorkerDied("the worker is gone") from e
        return json.loads(self._read_line(timeout_s))

    def kill(self) -> None:
        """End the process and what it may have started, and close its pipes."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()

    def _read_line(self, timeout_s: float) -> bytes:
        pipe = self.process.stdout
        if pipe is None:
            raise WorkerDied("the worker has no output")
        end, got = time.monotonic() + timeout_s, b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not got.endswith(b"\n"):
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise WorkerTimeout(f"no answer within {timeout_s:g} s")
                piece = os.read(pipe.fileno(), 65536)
                if not piece or len(got) > MAX_REPLY:
                    raise WorkerDied("the worker ended without an answer")
                got += piece
        return got


def serve(handler: Callable[[Json], Json]) -> None:
    """The worker's side: say `ready`, then answer jobs until stdin closes."""
    _limit_memory()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    out = sys.stdout.buffer
    out.write(b'"ready"\n')
    out.flush()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        signal.alarm(message["alarm_s"])
        answer = json.dumps(handler(message["job"])).encode()
        signal.alarm(0)
        out.write(answer + b"\n")
        out.flush()


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
