"""A workspace in which judges are asked through the real engine: suite, runner, store, and judges that obey a rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.config.load import load_suite
from harness.config.suite import Suite
from harness.engine.prepare import make_manifest, preflight
from harness.engine.retry import RetryPolicy
from harness.engine.run import Ending, Runner
from harness.engine.select import select_systems
from harness.engine.session import Job, run_job
from harness.prices import PriceBook
from harness.records.judgement import Judgement
from harness.records.outcome import Attempt
from harness.store.folder import RunFolder
from harness.store.judgements import iter_judgements
from harness.store.manifest import Selection
from harness.store.read import Settled, iter_attempts, settled

PLANTED = '''
from planted_judges import Planted as _Planted


class Planted(_Planted):
    """A judge that obeys one rule."""
'''
"""The workspace's judge: a class of its own there, as the loader asks, around the rules in planted_judges.py."""


class JudgeLab:
    """Tasks judged by planted judges. `folder` is that of the last run."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.folder = Path()
        self.told: list[str] = []
        (workspace / "graders").mkdir(parents=True, exist_ok=True)
        (workspace / "tasks" / "lab").mkdir(parents=True, exist_ok=True)
        (workspace / "graders" / "planted.py").write_text(PLANTED)

    def suite(self, grader: dict[str, Any], answers: dict[str, str], **more: Any) -> Suite:
        """A suite with one system for each name, which always gives that answer; the task can be changed by `task`."""
        systems = [
            {"name": name, "harness": "single_turn", "model": {"use": "scripted", "name": f"of-{name}", "answer": text}}
            for name, text in answers.items()
        ]
        task = {"id": "t1", "prompt": "How long may goods be returned?", "graders": [grader], **more.pop("task", {})}
        tasks = [{**task, "id": f"t{i}"} for i in range(1, more.pop("tasks", 1) + 1)]
        said = {"suite": "lab", "systems": systems, "tasks": tasks, "seed": 3, **more}
        (self.workspace / "tasks" / "lab" / "suite.yaml").write_text(yaml.safe_dump(said, allow_unicode=True))
        return load_suite(self.workspace, "lab")

    def run(self, suite: Suite, resume: bool = False, systems: Sequence[str] = ()) -> Ending:
        """Run, or go on with the last run."""
        chosen = select_systems(suite, list(systems))
        prices = PriceBook.load(None)
        preflight(suite, chosen, suite.tasks, prices, allow_unpriced=True)
        if resume:
            folder, done = RunFolder.open(self.folder), settled(self.folder)
        else:
            manifest = make_manifest(suite, suite.tasks, chosen, Selection(tasks_in_suite=len(suite.tasks)))
            folder = RunFolder.create(self.workspace / "runs", manifest)
            done = Settled(frozenset(), {}, 0.0, 0.0, 0)
        self.folder = folder.path
        job = Job(suite, folder, suite.tasks, done, prices, RetryPolicy(tries=1))
        with folder:
            ending = run_job(job, _unwatched)
        self.told = job.told
        return ending

    def judgements(self, role: str = "") -> list[Judgement]:
        """What was recorded; of one role."""
        return [j for j in iter_judgements(self.folder) if not role or j.role == role]

    def attempts(self) -> list[Attempt]:
        """What was recorded, by task, system and epoch."""
        return sorted(iter_attempts(self.folder), key=lambda a: (a.task, a.system, a.epoch))

    def attempt(self, system: str) -> Attempt:
        """The one attempt of a system."""
        (found,) = [a for a in self.attempts() if a.system == system]
        return found

    def write(self, name: str, rows: Sequence[object]) -> str:
        """A JSONL file of the workspace."""
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        return name


def planted(rule: str, **more: Any) -> dict[str, Any]:
    """A judge that obeys a rule of planted_judges.py."""
    own = {k: more.pop(k) for k in ("rate", "returns_model", "usage", "fault") if k in more}
    model = {"use": "graders/planted.py:Planted", "name": f"planted-{rule}", "rule": rule, **own}
    return {"name": "planted", "model": model, "output": "json", **more}


def _unwatched(runner: Runner) -> Any:
    return lambda: None
