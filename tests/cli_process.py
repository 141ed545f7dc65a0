"""`harness` as a process of its own, forked from one that has its modules loaded: a start is 1 s of CPU else.

What a user starts is the same but for the loading: a process with its own environment, folder, arguments and streams,
which ends as an interpreter ends. Where Python's own environment differs (a hash seed, an encoding), a new interpreter
is started instead. Tests of starting itself do not go through here.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

FRESH = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "OPENBLAS", "OMP")
"""Words of the environment that are read when an interpreter starts, or a library is loaded."""
CARRIED = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
"""Of these, what is carried over or changes nothing that a command says."""
LOADED = ("numpy", "scipy.special", "jsonschema", "yaml", "harness.graders.match", "harness.harnesses.reference")
"""What most commands load, beside every command."""


def run_harness(
    args: Sequence[str], cwd: Path, env: Mapping[str, str], timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """`harness ARGS` to its end, as `subprocess.run` with its output as text."""
    if _needs_a_new_interpreter(env):
        argv = [sys.executable, "-m", "harness.cli.main", *args]
        return subprocess.run(argv, cwd=cwd, env=dict(env), capture_output=True, text=True, timeout=timeout_s)
    with Path(os.devnull).open("rb") as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _forked(args, cwd, env, [f.fileno() for f in (nothing, out, err)], timeout_s)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf-8").replace("\r\n", "\n"))
    return subprocess.CompletedProcess(list(args), code, *said)


@cache
def folder_of_harness() -> Path:
    """Has a program `harness`, for shells: it hands its streams, folder and environment over, then
    waits and passes signals on.
    """
    program = Path(_door()).parent / "harness"
    program.write_text(PROGRAM.format(python=sys.executable, door=_door()), encoding="utf-8")
    program.chmod(0o755)
    return program.parent


PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys
call = socket.socket(socket.AF_UNIX)
call.connect({door!r})
asked = json.dumps({{"args": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}).encode()
socket.send_fds(call, [len(asked).to_bytes(4, "big")], [0, 1, 2])
call.sendall(asked)
answer = call.makefile()
pid = int(answer.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = int(answer.readline())
sys.exit(code if code >= 0 else 128 - code)
"""


def _needs_a_new_interpreter(env: Mapping[str, str]) -> bool:
    keys = {k for k in (*env, *os.environ) if k.startswith(FRESH) and k not in CARRIED}
    return not hasattr(os, "fork") or any(env.get(k) != os.environ.get(k) for k in keys)


def _forked(args: Sequence[str], cwd: Path, env: Mapping[str, str], streams: list[int], timeout_s: float) -> int:
    with socket.socket(socket.AF_UNIX) as call:
        call.connect(_door())
        asked = json.dumps({"args": list(args), "cwd": str(cwd), "env": dict(env)}).encode()
        socket.send_fds(call, [len(asked).to_bytes(4)], streams)
        call.sendall(asked)
        call.settimeout(timeout_s)
        answer = call.makefile("r")
        pid = int(answer.readline())
        try:
            return int(answer.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(args), timeout_s) from None


@cache
def _door() -> str:
    """Where this test process asks for processes; its starter ends with it."""
    path = str(Path(tempfile.mkdtemp(prefix="hp-")) / "door")
    starter = subprocess.Popen(
        [sys.executable, __file__, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", text=True
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == "ready\n"
    _STARTERS.append(starter)
    return path


_STARTERS: list[subprocess.Popen[str]] = []


def _serve(path: str) -> tuple[list[str], str] | None:
    """Answer calls until the test process has gone. Returns in each process that is to be `harness`."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        print("ready", flush=True)
        while door in select.select([door, sys.stdin], [], [])[0]:
            call, _ = door.accept()
            with call:
                if os.fork() == 0:
                    door.close()
                    return _keep(call)
    shutil.rmtree(Path(path).parent)
    return None


def _keep(call: socket.socket) -> tuple[list[str], str]:
    """Start the process, wait for it and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(call, 4, 3)
    asked = json.loads(call.makefile("rb").read(int.from_bytes(head)))
    pid = os.fork()
    if pid == 0:
        call.close()
        return _become(asked, streams)
    call.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # the caller has not waited
        call.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(asked: dict[str, Any], streams: list[int]) -> tuple[list[str], str]:
    """Take the place that was asked for: streams, folder, environment, module path."""
    for own, stream in enumerate(streams):
        os.dup2(stream, own)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    more = [p for p in asked["env"].get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.path[:1] = [asked["cwd"], *more]
    return asked["args"], asked["cwd"]


def _load() -> None:
    import harness.cli

    for found in pkgutil.iter_modules(harness.cli.__path__):
        import_module(f"harness.cli.{found.name}")
    for name in LOADED:
        import_module(name)
    gc.freeze()  # what is loaded stays shared with the process it was loaded in


if __name__ == "__main__":
    _load()
    if (job := _serve(sys.argv[1])) is not None:
        from harness.cli.main import main

        sys.argv = [sys.argv[0], *job[0]]
        sys.exit(main())
