"""Suites with boxes on a real engine: one workspace, one run folder, the Docker plugin as a class."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine_bench import FAST, NOTHING, Bench

from harness.api import Grade, Grader, Harness, Output, Task
from harness.config.suite import BoundGrader, Suite
from harness.engine.lanes import Lanes
from harness.engine.plan import Plan
from harness.engine.prepare import make_manifest
from harness.engine.run import Recorder, Runner
from harness.engine.select import Filters, select_tasks
from harness.engine.services import Services
from harness.plugins.contracts import Sandbox
from harness.prices import PriceBook
from harness.records.outcome import Attempt
from harness.records.task import Collect, Repo, SandboxSpec, task_digest
from harness.records.transcript import Command, Transcript
from harness.sandboxes.docker import Docker
from harness.store.folder import RunFolder
from harness.store.read import Settled, iter_attempts, read_transcript

REPO = "/work/repo"


def git(folder: Path, *words: str) -> str:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, env=env, check=True)
    return done.stdout.strip()


def make_repo(folder: Path) -> str:
    """A repository with a past, a base and a future; the id of the base."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "old.txt").write_text("old\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "past")
    (folder / "src").mkdir()
    (folder / "src" / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (folder / "src" / "other.py").write_text("x = 1\n" * 50)
    (folder / "run.sh").write_text("#!/bin/sh\necho hi\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    (folder / "pic.bin").write_bytes(bytes(range(256)) * 4)
    (folder / "link").symlink_to("src/calc.py")
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("secret docs $Format:%H$\n")
    (folder / ".gitignore").write_text("build/\n*.log\n!keep.log\n")
    (folder / "tracked.log").write_text("tracked although ignored\n")
    (folder / ".gitattributes").write_text("docs export-ignore\n*.md text=auto\ndocs/a.md export-subst\n")
    git(folder, "add", "-A")
    git(folder, "add", "-f", "tracked.log")
    git(folder, "commit", "-qm", "base")
    base = git(folder, "rev-parse", "HEAD")
    git(folder, "tag", "v1")
    (folder / "src" / "calc.py").write_text("def add(a, b):\n    return a + b  # THE FUTURE FIX\n")
    git(folder, "commit", "-qam", "fix")
    git(folder, "tag", "v2")
    git(folder, "stash", "list")
    return base


class Shell(Harness):
    """Runs one script in its box, and says its output."""

    script: str = ""
    timeout_s: float = 60.0

    async def solve(self, task: Any, ctx: Any) -> Output:
        ctx.save(Output(answer="saved"))
        done = await ctx.box.exec(["bash", "-c", self.script], timeout_s=self.timeout_s)
        return Output(answer=done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace"))


class Took(Grader):
    """Passes where the artifact is there and holds `text`."""

    artifact: str = "patch"
    text: str = ""

    async def grade(self, work: Any) -> Grade:
        data = work.artifact(self.artifact)
        ok = data is not None and self.text.encode() in data
        return Grade(float(ok), ok, label="" if data is not None else "absent")


def box_task(id: str, *collect: Collect, spec: SandboxSpec | None = None, **more: Any) -> Task:
    made = Task(
        id=id, prompt="work", graders=("took",), family=id, sandbox=spec or SandboxSpec(), collect=collect, **more
    )
    return Task(**{**{f: getattr(made, f) for f in made.__struct_fields__}, "digest": task_digest(made)})


class BoxBench(Bench):
    """`play` runs tasks under harnesses; `attempts` and `artifact` read what was stored."""

    def play(
        self,
        tasks: Sequence[Task],
        harnesses: Mapping[str, Harness],
        grader: Grader | None = None,
        sandbox: Sandbox | None = None,
        during: Any = None,
        **more: Any,
    ) -> list[Attempt]:
        took = BoundGrader("took", grader or Took(), "g", {})
        suite = self.suite(tasks, harnesses, graders={"took": took}, **more)
        chosen, selection = select_tasks(suite, Filters())
        manifest = make_manifest(suite, chosen, suite.systems, selection)
        self.folder = RunFolder.create(self.root / "runs", manifest)
        with self.folder:
            self.ending = asyncio.run(self._play(suite, NOTHING, sandbox or Docker(), during))
        return list(iter_attempts(self.folder.path))

    async def _play(self, suite: Suite, before: Settled, sandbox: Sandbox, during: Any) -> str:
        assert self.folder is not None
        recorder = Recorder(self.folder)
        services = Services(
            suite, FAST, PriceBook.load(None), recorder, Lanes(4), sandbox=sandbox, run=self.folder.manifest.run
        )
        plan = Plan(suite.tasks, list(suite.systems), suite.epochs, suite.seed, before)
        self.runner = Runner(services, recorder, plan, before)
        meanwhile = asyncio.create_task(during(self.runner)) if during else None
        try:
            ending = await self.runner.run(suite.concurrency)
            if meanwhile:
                await meanwhile
        finally:
            self.folder.flush()
            await services.aclose()
        return ending

    def artifact(self, attempt: Attempt, name: str = "patch") -> bytes | None:
        assert self.folder is not None
        stored = {a.name: a.path for a in attempt.artifacts}
        return (self.folder.path / stored[name]).read_bytes() if name in stored else None

    def transcript(self, attempt: Attempt) -> Transcript:
        assert self.folder is not None
        return read_transcript(self.folder.path, attempt)

    def commands(self, attempt: Attempt) -> list[Command]:
        return [e for e in self.transcript(attempt).events if isinstance(e, Command)]

    def repo_spec(self, **more: Any) -> SandboxSpec:
        base = make_repo(self.root / "source")
        return SandboxSpec(repo=Repo("source", base, REPO), **more)

    def checkout(self, name: str = "check") -> Path:
        """The base as the author has it, to apply patches to."""
        folder = self.root / name
        git(self.root, "clone", "-q", "--no-checkout", str(self.root / "source"), str(folder))
        git(folder, "-c", "core.autocrlf=false", "checkout", "-q", "v1")
        return folder

    def held(self) -> list[str]:
        """Containers and networks of this run that are left on the engine."""
        assert self.folder is not None
        run = self.folder.manifest.run

        async def look() -> list[str]:
            sandbox = Docker()
            try:
                return [h.name for h in await sandbox.held() if h.run == run]
            finally:
                await sandbox.aclose()

        return asyncio.run(look())


def names_in(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {m.name: m for m in opened}
