"""Images of boxes and services: how long they are kept, and those of services built from a Dockerfile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest
from box_lab import WithDocker, left_of, opened

from harness.api import Healthcheck, Held, Purpose, SandboxError, SandboxSpec, Service
from harness.sandboxes._images import mark_used
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker


def listed() -> str:
    """What `harness sandbox list` prints."""
    argv = [sys.executable, "-m", "harness.cli.main", "sandbox", "list"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_cached_images_are_kept_as_long_as_they_are_used(docker: WithDocker, purpose: Purpose) -> None:
    spec = SandboxSpec(setup=(f"true {purpose.run}; head -c 100000 /dev/zero > /work/zeros",))

    async def cached(sandbox: Docker, name: str) -> list[Held]:
        return [h for h in await sandbox.held() if h.name == name]

    async def body(sandbox: Docker) -> None:
        before = time.time()
        async with sandbox.open(spec, purpose) as box:
            assert sandbox._shop is not None
            [name] = sandbox._shop.engine.api.inspect_image(box.image_digest)["RepoTags"]
        told = listed()
        [line] = [line for line in told.splitlines() if name in line]
        assert line.split()[-2:] == ["MB", "cached"] and "prune --images" in told, line
        [image] = await cached(sandbox, name)
        assert image.used >= before - 1 and 100_000 <= image.size < 1_000_000, image
        mark_used(name.rpartition(":")[2], before - 31 * 86400)
        await sandbox.prune(unused_days=32)
        async with opened(keep_images_days=0) as keeper:
            assert await keeper.available() == "" and await cached(keeper, name)
        async with opened() as fresh, fresh.open(spec, purpose):
            pass
        assert await cached(sandbox, name), "a run that uses an image starts by removing old ones"

    docker(body)


def test_a_default_box_without_its_base_says_how_that_is_made(
    docker: WithDocker, purpose: Purpose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.sandboxes._images.LOCAL_BASE", "harness-base:no-such-tag")
    (purpose.workspace / "Dockerfile").write_text("ARG BASE=localhost:1/none\nFROM ${BASE} AS sandbox\n")

    async def body(sandbox: Docker) -> None:
        with pytest.raises(SandboxError) as e:
            async with sandbox.open(SandboxSpec(), purpose):
                pass
        assert e.value.fault == "image" and "does not build" in str(e.value)
        assert (
            str(e.value).splitlines()[-1].startswith("harness-base:bookworm is not here: scripts/base-image makes it")
        )

    docker(body)


def test_an_image_nobody_used_for_a_month_goes_at_the_next_start(docker: WithDocker, purpose: Purpose) -> None:
    spec = SandboxSpec(setup=(f"true {purpose.run}",))

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(spec, purpose) as box:
            assert sandbox._shop is not None
            [name] = sandbox._shop.engine.api.inspect_image(box.image_digest)["RepoTags"]
        mark_used(name.rpartition(":")[2], time.time() - 31 * 86400)
        async with opened() as next_start:
            assert await next_start.available() == ""
            assert [h for h in await next_start.held() if h.name == name] == []

    docker(body)


SERVED = "import http.server as h\nprint('up')\nh.test(h.SimpleHTTPRequestHandler, port=8000)\n"


def test_a_service_is_built_from_a_dockerfile_of_its_own(docker: WithDocker, purpose: Purpose) -> None:
    """Its user, folder, command and healthcheck are the image's or the task's; what is beside the file is in it."""
    folder = purpose.workspace / "db"
    folder.mkdir()
    (folder / "serve.py").write_text(SERVED)
    (folder / "word").write_text(f"from {purpose.run}\n")
    (folder / "Dockerfile").write_text(
        f"ARG BASE=debian:bookworm-slim\nFROM ${{BASE}}\nENV RUN={purpose.run}\nRUN useradd --uid 1234 db\n"
        'COPY . /srv/data\nWORKDIR /srv/data\nUSER db\nCMD ["python3", "serve.py"]\n'
    )
    check = Healthcheck("python3 -c \"import urllib.request as u; u.urlopen('http://localhost:8000/word')\"")
    service = Service("db", dockerfile="db", healthcheck=check)
    spec = SandboxSpec(network="internal", services=(service,))

    async def body(sandbox: Docker) -> None:
        await sandbox.warm([spec], purpose.workspace)
        async with sandbox.open(spec, purpose) as box:
            ask = "import urllib.request as u; print(u.urlopen('http://db:8000/word').read().decode(), end='')"
            done = await box.exec(["python3", "-c", ask])
            assert done.stdout.decode() == f"from {purpose.run}\n"
            assert sandbox._shop is not None
            api = sandbox._shop.engine.api
            names = [h.name for h in await sandbox.held() if h.run == purpose.run and h.what == "container"]
            [beside] = [about for n in names if (about := api.inspect_container(n))["Config"]["User"] == "db"]
            assert beside["HostConfig"]["CapDrop"] == ["ALL"]
        assert await left_of(sandbox, purpose) == []

    docker(body)


def test_a_service_whose_dockerfile_does_not_build_is_told(docker: WithDocker, purpose: Purpose) -> None:
    folder = purpose.workspace / "db"
    folder.mkdir()
    (folder / "Dockerfile").write_text("ARG BASE=debian\nFROM ${BASE}\nRUN echo no such package; exit 5\n")
    spec = SandboxSpec(network="internal", services=(Service("db", dockerfile="db"),))

    async def body(sandbox: Docker) -> None:
        with pytest.raises(SandboxError) as e:
            async with sandbox.open(spec, purpose):
                pass
        assert e.value.fault == "image" and "no such package" in str(e.value) and "db does not build" in str(e.value)
        assert await left_of(sandbox, purpose) == []

    docker(body)


def test_an_image_that_somebody_made_of_ours_is_theirs(docker: WithDocker, purpose: Purpose) -> None:
    """It inherits our label. Of two names only ours is listed, and removed."""
    spec = SandboxSpec(setup=(f"true {purpose.run}",))

    async def body(sandbox: Docker) -> None:
        async with sandbox.open(spec, purpose) as box:
            ours = box.image_digest
        assert sandbox._shop is not None
        api = sandbox._shop.engine.api
        api.tag(ours, f"theirs-{purpose.run}", "1")
        names = [h.name for h in await sandbox.held() if h.what == "image"]
        assert not [name for name in names if name.startswith("theirs-")]
        [own] = [name for name in api.inspect_image(ours)["RepoTags"] if name in names]
        mark_used(own.rpartition(":")[2], time.time() - 31 * 86400)
        await sandbox.prune()
        assert api.inspect_image(ours)["RepoTags"] == [f"theirs-{purpose.run}:1"]

    docker(body)


def test_many_may_ask_at_once_what_is_on_the_engine(docker: WithDocker) -> None:
    """The engine refuses a second question about disk usage while it answers one; each asker waits for its turn."""

    async def body(sandbox: Docker) -> None:
        async def ask() -> None:
            for _ in range(10):
                await sandbox.held()

        await asyncio.gather(*(ask() for _ in range(6)))

    docker(body)
