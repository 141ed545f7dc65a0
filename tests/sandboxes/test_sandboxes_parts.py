"""Parts of the Docker sandbox that need no engine: kept output, owners, contexts, faults, a missing engine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import File, MissingRequirement, SandboxError, SandboxSpec, Service
from harness.sandboxes._context import Base, folder_recipe, layer_recipe, stage_of, stage_recipe
from harness.sandboxes._output import Kept
from harness.sandboxes._owner import is_alive, this_process
from harness.sandboxes._settle import settled
from harness.sandboxes.docker import Docker

PIECES = st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=30)
BASE = Base("sha256:0", "agent", "/work")


@given(pieces=PIECES, limit=st.integers(min_value=1, max_value=300))
def test_output_is_whole_or_its_two_ends_within_the_cap(pieces: list[tuple[bool, bytes]], limit: int) -> None:
    seen: list[bytes] = []
    kept = Kept(limit, seen.append)
    for is_stderr, data in pieces:
        kept.take(is_stderr, data)
    whole = {of: b"".join(d for s, d in pieces if s is of) for of in (False, True)}
    assert b"".join(seen) == b"".join(d for _, d in pieces)
    assert kept.truncated == (sum(map(len, whole.values())) > limit)
    size = 0
    for of, written in whole.items():
        got = kept.stream(of)
        head, gap, rest = got.partition(b"\n[... ")
        if not gap:
            assert got == written
            size += len(got)
            continue
        dropped, _, tail = rest.partition(b" bytes left out ...]\n")
        assert written.startswith(head)
        assert written.endswith(tail)
        assert len(head) + len(tail) + int(dropped) == len(written)
        size += len(head) + len(tail)
    assert size <= limit


def test_owner_of_this_process_is_alive_and_of_an_ended_one_is_not() -> None:
    assert is_alive(this_process())
    said = subprocess.run(
        [sys.executable, "-c", "from harness.sandboxes._owner import this_process; print(this_process())"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    ).stdout.strip()  # fmt: skip
    assert said.split("/")[:3] == this_process().split("/")[:3]
    assert not is_alive(said)


def test_reused_pid_is_another_owner() -> None:
    host, boot, space, pid, started = this_process().split("/")
    assert not is_alive("/".join((host, boot, space, pid, str(int(started) + 1))))


def test_owner_before_the_last_boot_is_dead_and_one_elsewhere_is_left_alone() -> None:
    host, boot, space, pid, _ = this_process().split("/")
    assert not is_alive(f"{host}/another-boot/{space}/{pid}/1")
    assert is_alive(f"another-{host}/{boot}/{space}/{pid}/1")
    assert is_alive(f"{host}/{boot}/another-space/{pid}/1")
    assert not is_alive("no owner at all")


def test_stage_ends_where_the_next_one_begins() -> None:
    text = "ARG BASE=x\nFROM ${BASE} AS sandbox\nRUN true\nFROM sandbox AS runner\nCOPY . .\n"
    assert stage_of(text) == "ARG BASE=x\nFROM ${BASE} AS sandbox\nRUN true\n"
    said = "FROM x AS sandbox\nRUN true\n"
    assert stage_of(said + "\n# the next one\nFROM y AS runner\n") == said, (
        "what is said above a stage is not the last one's"
    )
    assert stage_of("FROM x AS other\n") == ""
    assert stage_of("from x as sandbox\n") == "from x as sandbox\n"


def test_later_stages_do_not_change_the_default_image(tmp_path: Path) -> None:
    first = "FROM x AS sandbox\nRUN true\n"
    (tmp_path / "Dockerfile").write_text(first)
    before = stage_recipe(tmp_path, "", "").key
    (tmp_path / "Dockerfile").write_text(first + "FROM y AS runner\n")
    assert stage_recipe(tmp_path, "", "").key == before
    (tmp_path / "Dockerfile").write_text(first + "RUN false\n")
    assert stage_recipe(tmp_path, "", "").key != before


def test_workspace_without_the_stage_gets_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x AS app\n")
    shipped = Path(__file__).parents[2] / "Dockerfile"
    assert stage_of(shipped.read_text()).rstrip().endswith('CMD ["bash"]')
    assert stage_recipe(tmp_path, "base:1", "id").args == {"BASE": "base:1"}


def test_context_address_follows_content_and_not_times(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "data").write_text("1")
    (tmp_path / "notes").write_text("1")
    (tmp_path / ".dockerignore").write_text("# not these\nnotes\n")
    before = folder_recipe(tmp_path, "d", "", "")
    os.utime(tmp_path / "data", (1, 1))
    (tmp_path / "notes").write_text("2")
    assert folder_recipe(tmp_path, "d", "", "") == before
    (tmp_path / "data").chmod(0o755)
    executable = folder_recipe(tmp_path, "d", "", "").key
    (tmp_path / "data").write_text("2")
    assert len({before.key, executable, folder_recipe(tmp_path, "d", "", "").key}) == 3
    with pytest.raises(SandboxError, match="no such Dockerfile: here"):
        folder_recipe(tmp_path / "nowhere", "here", "", "")


@pytest.mark.parametrize(
    ("text", "follows"),
    [
        ("ARG BASE\nFROM ${BASE}\n", True), ("ARG BASE=x\nFROM ${BASE}\n", True), ("FROM local:1 AS a\n", True),
        ("FROM --platform=linux/amd64 local:1\n", True), ("FROM x\n", False), ("FROM local:12\n", False),
        ("FROM x\n# FROM local:1\nARG BASED=1\n", False),
    ],
)  # fmt: skip
def test_an_image_of_the_local_base_follows_it(tmp_path: Path, text: str, follows: bool) -> None:
    """The base is made on this machine: with another one under its name, what stands on it is another image."""
    (tmp_path / "Dockerfile").write_text(text)
    one, two = (folder_recipe(tmp_path, "d", "local:1", id).key for id in ("sha256:1", "sha256:2"))
    assert (one != two) is follows


def test_layer_is_made_only_for_what_a_spec_adds(tmp_path: Path) -> None:
    assert layer_recipe(BASE, SandboxSpec(), tmp_path) is None
    assert layer_recipe(BASE, SandboxSpec(workdir="/work", user="root"), tmp_path) is None
    specs = [
        SandboxSpec(setup=("a",)), SandboxSpec(setup=("b",)), SandboxSpec(setup=("a", "b")), SandboxSpec(workdir="/x"),
        SandboxSpec(setup=("a",), user="root"),
    ]  # fmt: skip
    keys = [recipe.key for spec in specs if (recipe := layer_recipe(BASE, spec, tmp_path))]
    assert len(set(keys)) == len(specs)


def test_changed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("new")
    file = File("f.txt", "f.txt", "text/plain", hashlib.sha256(b"old").hexdigest())
    with pytest.raises(SandboxError, match=r"f\.txt changed since the run began"):
        layer_recipe(BASE, SandboxSpec(files=(file,)), tmp_path)


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        (SandboxSpec(), []),
        (SandboxSpec(memory=1, cpus=0, pids=1), ["memory is 1 bytes", "cpus is 0", "pids is 1"]),
        (SandboxSpec(disk=0, output_bytes=0, command_timeout_s=-1), ["disk is", "output_bytes", "timeout"]),
        (SandboxSpec(workdir="here"), ["workdir 'here' is not an absolute path"]),
        (SandboxSpec(dockerfile="../x"), ["dockerfile '../x' is outside the workspace"]),
        (SandboxSpec(dockerfile="env", image="x"), ["no such Dockerfile: env", "image and dockerfile are both given"]),
        (SandboxSpec(files=(File("../a", "a", "", ""),)), ["no such file: a", "file name '../a' leads out"]),
        (SandboxSpec(services=(Service("db", "x"),)), ["services need a network"]),
        (
            SandboxSpec(network="internal", services=(Service("DB", "x"), Service("box", "x"))),
            ["service name 'DB' is not a host name", "service name 'box' is taken"],
        ),
        (
            SandboxSpec(network="internal", services=(Service("db", dockerfile="no"), Service("mq"))),
            ["service 'db': no such Dockerfile: no", "service 'mq' has neither image nor dockerfile"],
        ),
        (SandboxSpec(options={"gpu": 1}), ["sandbox docker has no option 'gpu'"]),
    ],
)  # fmt: skip
def test_every_fault_of_a_spec_is_told_at_once(tmp_path: Path, spec: SandboxSpec, faults: list[str]) -> None:
    found = Docker().check_spec(spec, tmp_path)
    assert len(found) == len(faults)
    for fault in faults:
        assert any(fault in said for said in found), (fault, found)


def test_missing_engine_is_a_missing_requirement_with_its_address(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/no.sock"

    async def body() -> None:
        sandbox = Docker(host=address)
        why = await sandbox.available()
        assert f"no container engine answers at {address} (no such file or directory)" in why
        assert "DOCKER_HOST" in why
        with pytest.raises(MissingRequirement) as e:
            async with sandbox.open(SandboxSpec()):
                pass
        assert e.value.requirement == "engine"
        await sandbox.warm([SandboxSpec()])
        await sandbox.aclose()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DOCKER_HOST": "rubbish"}, "port is required: rubbish"),
        ({"DOCKER_HOST": "tcp://here:no"}, "'no'"),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/no/such/folder"}, "cert"),
    ],
)
def test_an_address_that_is_none_is_a_missing_requirement(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    why = asyncio.run(Docker().available())
    assert why.startswith("no container engine can be reached as said (") and words in why and "DOCKER_HOST" in why


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (b'{"ApiVersion": "1.40", "Version": "19.03", "Os": "linux"}', "19.03: 20.10 or newer is needed"),
        (b'{"ApiVersion": "1.45", "Version": "26.0", "Os": "windows"}', "windows containers: linux is needed"),
    ],
)
def test_engine_that_will_not_do_says_why(tmp_path: Path, about: bytes, why: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(about)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + about)
        await writer.drain()
        writer.close()

    async def hung_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    async def body() -> None:
        server = await asyncio.start_unix_server(hung_up, tmp_path / "e.sock")
        async with server:
            sandbox = Docker(host=f"unix://{tmp_path}/e.sock")
            assert why in await sandbox.available()
            await sandbox.aclose()

    asyncio.run(body())


def test_tcp_address_without_an_engine_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert f"tcp://127.0.0.1:{port}" in asyncio.run(Docker(host=f"tcp://127.0.0.1:{port}").available())


def test_ssh_engine_is_refused_with_advice() -> None:
    assert "ssh -L" in asyncio.run(Docker(host="ssh://me@there").available())


def test_cancelled_waiter_waits_for_the_work() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        work: asyncio.Future[int] = loop.create_future()
        waiter = asyncio.create_task(settled(work))
        for _ in range(3):
            await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.sleep(0)
            assert not waiter.done()
        work.set_result(1)
        with pytest.raises(asyncio.CancelledError):
            await waiter

    asyncio.run(body())
