"""The Docker sandbox on a real engine: images, services, users, what is left behind."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from box_lab import WithDocker, left_of, opened

from harness.api import File, Healthcheck, Purpose, SandboxError, SandboxSpec, Service
from harness.sandboxes._build import Made
from harness.sandboxes._watch import Watch
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker
OWN_IMAGES = ("/home/agent/deep/er",)
ROOT = Path(__file__).parents[2]
SERVE = ("python3", "-m", "http.server", "8000")
FETCH = "import urllib.request as u; print(len(u.urlopen('http://web:8000', timeout=5).read()) > 10)"
LISTENS = "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 8000))\""
WEB = Service("web", "sandbox", SERVE, healthcheck=Healthcheck(LISTENS))
KILLED = """
import asyncio, signal, sys
from harness.api import Purpose, SandboxSpec
from harness.sandboxes.docker import Docker

async def main():
    async with Docker().open(SandboxSpec(network="internal"), Purpose(run=sys.argv[1])) as box:
        print("open", flush=True)
        await box.exec(["sleep", "60"])

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background inherits it ignored
asyncio.run(main())
"""


def file_of(workspace: Path, name: str, text: str) -> File:
    (workspace / name).parent.mkdir(parents=True, exist_ok=True)
    (workspace / name).write_text(text)
    return File(name, name, "text/plain", hashlib.sha256(text.encode()).hexdigest())


def host_addresses() -> list[str]:
    said = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    return [address for address in said if ":" not in address]


def image_ids(sandbox: Docker, **filters: Any) -> set[str]:
    assert sandbox._shop is not None
    return {i["Id"] for i in sandbox._shop.engine.api.images(filters=filters)}


async def lasting(sandbox: Docker, before: set[str]) -> set[str]:
    """Images without a name that were not there before and do not go: those of other tests' builds do."""
    left = image_ids(sandbox, dangling=True, label="harness.image") - before
    for _ in range(120):
        if not left:
            break
        await asyncio.sleep(0.5)
        left &= image_ids(sandbox, dangling=True)
    return left


def test_files_and_setup_are_in_the_image_once_and_the_users(docker: WithDocker, purpose: Purpose) -> None:
    file = file_of(purpose.workspace, "data/in.txt", f"{purpose.run}\n")
    spec = SandboxSpec(
        files=(file,), setup=("mkdir made && date +%s%N > made/when", f"touch /etc/by-root; true {purpose.run}")
    )

    async def body(sandbox: Docker) -> None:
        await sandbox.warm([spec], purpose.workspace)
        said = []
        for _ in range(2):
            async with sandbox.open(spec, purpose) as box:
                line = (
                    "cat data/in.txt made/when; stat -c %U data data/in.txt made /etc/by-root /work; "
                    "ls -a / | grep -c box-begin"
                )
                said.append((await box.exec(["sh", "-c", line])).stdout.decode().split())
        assert said[0] == said[1]
        assert said[0][0] == purpose.run
        assert said[0][2:] == ["agent", "agent", "agent", "root", "agent", "0"]

    docker(body)


def test_folder_of_its_own_is_made_for_the_user(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(workdir="/home/agent/deep/er"), purpose) as box:
            done = await box.exec(["sh", "-c", "pwd; touch mine && stat -c %U ."])
            assert done.stdout.split() == [b"/home/agent/deep/er", b"agent"]

    docker(body)


def test_task_may_have_root_and_env(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(user="root", env={"COLOUR": "blue green"}), purpose) as box:
            await box.write("/root/new/file", b"x")
            done = await box.exec(["sh", "-c", "id -u; echo $COLOUR; stat -c %U /root/new/file; echo $HOME"])
            assert done.stdout.splitlines() == [b"0", b"blue green", b"root", b"/root"]
        with pytest.raises(SandboxError, match="no user 'nobody-here'"):
            async with sandbox.open(SandboxSpec(user="nobody-here"), purpose):
                pass
        assert await left_of(sandbox, purpose) == []

    docker(body)


def test_own_dockerfile_is_built_with_its_context(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        await sandbox.warm([SandboxSpec()])
        async with sandbox.open(SandboxSpec()) as box:
            base = box.image_digest
        env = purpose.workspace / "env"
        env.mkdir()
        (env / "Dockerfile").write_text(
            f'FROM {base}\nCOPY word /word\nWORKDIR /srv\nENTRYPOINT ["false"]\nENV RUN={purpose.run}\n'
        )
        digests = []
        for word in ("one", "two"):
            (env / "word").write_text(word + purpose.run)
            async with opened() as fresh, fresh.open(SandboxSpec(dockerfile="env"), purpose) as box:
                done = await box.exec(["sh", "-c", "cat /word; pwd"])
                assert done.stdout.decode() == f"{word}{purpose.run}/srv\n"
                digests.append(box.image_digest)
        assert len({base, *digests}) == 3

    docker(body)


@pytest.mark.parametrize(
    ("dockerfile", "setup", "said"),
    [
        (
            "FROM {base}\nRUN true {run}\nENV A={run}\nRUN echo so far && exit 9\n",
            (),
            ["env does not build", "so far", "code: 9"],
        ),
        ("FROM {base}\nRUNN true\n", (), ["env does not build", "unknown instruction"]),
        ("FROM {base}\nRUN true {run}\n", ("echo from setup; exit 4",), ["files and setup", "from setup", "code: 4"]),
    ],
)  # fmt: skip
def test_build_that_fails_shows_its_output_and_leaves_nothing(
    docker: WithDocker, purpose: Purpose, dockerfile: str, setup: tuple[str, ...], said: list[str]
) -> None:
    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(), purpose) as box:
            base = box.image_digest
        (purpose.workspace / "env").mkdir()
        (purpose.workspace / "env" / "Dockerfile").write_text(dockerfile.format(base=base, run=purpose.run))
        with pytest.raises(SandboxError) as e:
            async with sandbox.open(SandboxSpec(dockerfile="env", setup=setup), purpose):
                pass
        assert e.value.fault == "image"
        for words in said:
            assert words in str(e.value)
        assert sandbox._shop is not None
        made = Made()
        for line in str(e.value).splitlines():
            made.hear(line)
        api = sandbox._shop.engine.api
        dangling = {i.removeprefix("sha256:")[:12] for i in image_ids(sandbox, dangling=True)}
        assert not dangling & {m[:12] for m in made.images}
        assert not [c for c in api.containers(all=True) if any(m[:12] in c["Image"] for m in made.images)]

    docker(body)


def test_two_processes_build_an_image_once(purpose: Purpose) -> None:
    setup = (f"sleep 1; date +%s%N > /work/when; true {purpose.run}",)
    script = (
        "import asyncio, sys\nfrom harness.api import SandboxSpec\nfrom harness.sandboxes.docker import Docker\n"
        "async def main():\n  d = Docker()\n  async with d.open(SandboxSpec(setup=(sys.argv[1],))) as box:\n"
        "    print(box.image_digest, (await box.exec(['cat', '/work/when'])).stdout)\n  await d.aclose()\n"
        "asyncio.run(main())"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, *setup], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    said = [p.communicate(timeout=90)[0] for p in both]
    assert said[0] == said[1] != ""


def test_image_removed_since_it_was_found_is_made_again(docker: WithDocker, purpose: Purpose) -> None:
    spec = SandboxSpec(setup=(f"true {purpose.run}",))

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(spec, purpose) as box:
            first = box.image_digest
        assert sandbox._shop is not None
        sandbox._shop.engine.api.remove_image(first, force=True)
        async with sandbox.open(spec, purpose) as box:
            assert (await box.exec(["true"])).exit_code == 0

    docker(body)


def test_service_is_reached_by_name_and_nothing_else_is(docker: WithDocker, purpose: Purpose) -> None:
    from harness.testing.sandbox_attacks import REACH

    spec = SandboxSpec(network="internal", services=(WEB,), healthcheck=Healthcheck("test -d /work"))

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(spec, purpose) as box:
            assert (await box.exec(["python3", "-c", FETCH])).stdout == b"True\n"
            (own,) = [h.name for h in await sandbox.held() if h.run == purpose.run and h.what == "network"]
            assert sandbox._shop is not None
            (subnet,) = sandbox._shop.engine.api.inspect_network(own)["IPAM"]["Config"]
            done = await box.exec(
                ["python3", "-c", REACH, subnet["Gateway"], *host_addresses()], timeout_s=60, user="root"
            )
            assert done.stdout == b"tried\n"
            assert len(await left_of(sandbox, purpose)) == 3
        assert await left_of(sandbox, purpose) == []

    docker(body)


def test_private_networks_do_not_meet(docker: WithDocker, purpose: Purpose) -> None:
    spec = SandboxSpec(network="internal", services=(WEB,))
    look = "import socket; print(socket.gethostbyname('web'))"

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(spec, purpose) as one, sandbox.open(SandboxSpec(network="internal"), purpose) as other:
            address = (await one.exec(["python3", "-c", look])).stdout.decode().strip()
            try_it = f"import socket; socket.create_connection(('{address}', 8000), timeout=3)"
            assert (await one.exec(["python3", "-c", try_it])).exit_code == 0
            assert (await other.exec(["python3", "-c", try_it])).exit_code == 1

    docker(body)


@pytest.mark.parametrize(
    ("command", "check", "said"),
    [
        ("echo no such cluster; exit 3", Healthcheck("true"), "no such cluster"),
        ("echo starting; sleep 60", Healthcheck("echo not yet; false", wait_s=1), "not yet"),
        ("echo nobody asks me; exit 3", None, "nobody asks me"),
    ],
)  # fmt: skip
def test_service_that_does_not_come_up_is_told_with_its_log(
    docker: WithDocker, purpose: Purpose, command: str, check: Healthcheck | None, said: str
) -> None:
    service = Service("db", "sandbox", ("sh", "-c", command), healthcheck=check)

    async def body(sandbox: Docker) -> None:
        with pytest.raises(SandboxError) as e:
            async with sandbox.open(SandboxSpec(network="internal", services=(service,)), purpose):
                pass
        assert e.value.fault == "healthcheck"
        assert "service 'db' is not healthy" in str(e.value)
        assert said in str(e.value)
        assert "Container " not in str(e.value), "two attempts of one fault are told in the same words"
        assert await left_of(sandbox, purpose) == []

    docker(body)


def test_service_that_does_its_work_and_ends_is_no_fault(docker: WithDocker, purpose: Purpose) -> None:
    service = Service("seed", "sandbox", ("true",))

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(network="internal", services=(service,)), purpose) as box:
            assert (await box.exec(["true"])).exit_code == 0

    docker(body)


def test_many_boxes_at_once_leave_nothing(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        before = image_ids(sandbox, dangling=True) if await sandbox.available() == "" else set()
        places = asyncio.Semaphore(6)

        async def trial(i: int) -> int:
            network = "internal" if i % 5 == 0 else "none"
            async with places, sandbox.open(SandboxSpec(network=network, memory=64 * 1024**2), purpose) as box:
                if i % 7 == 3:
                    raise ZeroDivisionError
                return int((await box.exec(["sh", "-c", f"echo {i}"])).stdout)

        done = await asyncio.gather(*(trial(i) for i in range(20)), return_exceptions=True)
        assert [d for d in done if isinstance(d, int)] == [i for i in range(20) if i % 7 != 3]
        assert await left_of(sandbox, purpose) == []
        assert sandbox._shop is not None
        assert not sandbox._shop.engine._in_use | sandbox._shop.engine._left_over
        assert await lasting(sandbox, before) == set()

    docker(body)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ended_process_leaves_nothing_for_long(docker: WithDocker, purpose: Purpose, how: signal.Signals) -> None:
    words = [sys.executable, "-c", KILLED, purpose.run]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
    assert child.stdout is not None
    assert child.stdout.readline() == b"open\n"

    async def body(sandbox: Docker) -> None:
        held = [h for h in await sandbox.held() if h.run == purpose.run]
        assert {h.what for h in held} == {"container", "network"}
        assert all(h.alive for h in held)
        await sandbox.prune()
        assert len(await left_of(sandbox, purpose)) == 2
        child.send_signal(how)
        child.wait(30)
        if how == signal.SIGKILL:
            assert not any(h.alive for h in await sandbox.held() if h.run == purpose.run)
            async with opened() as next_start:
                assert await next_start.available() == ""
        assert await left_of(sandbox, purpose) == []

    docker(body)
    child.stdout.close()


def test_everything_carries_its_run_and_owner(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        began = time.time()
        async with sandbox.open(SandboxSpec(), purpose):
            (held,) = [h for h in await sandbox.held() if h.run == purpose.run]
            assert (held.what, held.trial, held.alive) == ("container", purpose.trial, True)
            assert began - 1 < held.created < time.time() + 1
            assert sandbox._shop is not None
            labels = sandbox._shop.engine.api.inspect_container(held.name)["Config"]["Labels"]
            assert labels["harness.pid"] == str(os.getpid())

    docker(body)


def test_memory_kill_is_also_found_in_the_engines_events(docker: WithDocker, purpose: Purpose) -> None:
    """For an engine on another machine, whose cgroups cannot be read from here."""

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(memory=64 * 1024**2), purpose) as box:
            watch: Watch = box._watch  # type: ignore[attr-defined]
            watch._counter = None
            hog = await box.exec(["python3", "-c", "x = bytearray(300 * 1024 * 1024)"])
            other = await box.exec(["false"])
            assert (hog.oom_killed, other.oom_killed) == (True, False)

    docker(body)


def test_limits_reach_the_engine_and_cpus_are_at_most_the_machines(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(cpus=512, memory=64 * 1024**2, pids=50), purpose):
            (held,) = [h for h in await sandbox.held() if h.run == purpose.run]
            assert sandbox._shop is not None
            limits = sandbox._shop.engine.api.inspect_container(held.name)["HostConfig"]
            assert limits["NanoCpus"] == int(sandbox._shop.engine.cpus * 1e9)
            assert (limits["Memory"], limits["MemorySwap"], limits["PidsLimit"]) == (64 * 1024**2, 64 * 1024**2, 50)
            assert (limits["Privileged"], limits["Binds"], limits["NetworkMode"]) == (False, None, "none")

    docker(body)


def test_loop_is_free_while_commands_run(docker: WithDocker, purpose: Purpose) -> None:
    async def body(sandbox: Docker) -> None:
        gaps, last, stop = [0.0], time.monotonic(), False

        async def beat() -> None:
            nonlocal last
            while not stop:
                await asyncio.sleep(0.01)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()

        await sandbox.warm([SandboxSpec()])
        beating = asyncio.create_task(beat())
        async with sandbox.open(SandboxSpec(), purpose) as box:
            await asyncio.gather(*(box.exec(["sleep", "0.3"]) for _ in range(20)))
            await box.exec(["head", "-c", "5000000", "/dev/zero"])
        stop = True
        await beating
        assert sorted(gaps)[int(len(gaps) * 0.9)] < 0.25

    docker(body)


def test_archive_with_owner_and_mode_is_laid_down(docker: WithDocker, purpose: Purpose) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("tool")
        member.mode, member.uid, member.gid = 0o750, 1000, 1000
        tar.addfile(member)

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(), purpose) as box:
            await box.put_archive("/work", out.getvalue())
            assert (await box.exec(["stat", "-c", "%U %a", "tool"])).stdout == b"agent 750\n"

    docker(body)


def test_what_a_command_wrote_before_its_end_is_read_however_late(docker: WithDocker, purpose: Purpose) -> None:
    """On a busy machine the end of a command is known before its last output is read. A fifth of this was cut off."""

    async def use(sandbox: Docker) -> None:
        async with sandbox.open(SandboxSpec(output_bytes=8_000_000), purpose) as box:
            burst = ["sh", "-c", "head -c 1500000 /dev/zero | tr '\\0' x"]
            ran = await box.exec(burst, on_output=lambda _: time.sleep(0.15))
            assert (ran.exit_code, len(ran.stdout), ran.truncated) == (0, 1_500_000, False)

    docker(use)
