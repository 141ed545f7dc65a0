"""A Harbor task from its folder to a verdict in real boxes, honest and not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harbor_folder import write_task

from harness.api import (
    Artifact,
    Box,
    Grade,
    ModelClient,
    NotGraded,
    Output,
    Purpose,
    SandboxSpec,
    Task,
    Transcript,
    Verdict,
)  # fmt: skip
from harness.config.load import load_suite
from harness.config.suite import Suite
from harness.plugins.loader import installed
from harness.sandboxes.docker import Docker
from harness.toolkit.taken import take_changes

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif("harbor" not in installed("source"), reason="the source harbor is not installed"),
]
OWN_IMAGES = ("/app/words.txt",)

SUITE = "suite: tb\ntasks: [tasks/tb/harbor.yaml]\nsystems: [{name: floor, harness: empty}]\n"


@dataclass
class BoxWork:
    """Work that is graded in real boxes."""

    task: Task
    output: Output
    sandbox: Docker
    workspace: Path
    choice_order: tuple[int, ...] = ()
    models: Mapping[str, ModelClient] = field(default_factory=dict)

    def artifact(self, name: str) -> bytes | None:
        return next((a.data for a in self.output.artifacts if a.name == name), None)

    def transcript(self) -> Transcript:
        raise LookupError("there is none here")

    def open_box(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Box]:
        return self.sandbox.open(spec, Purpose("test-harbor", self.task.id, self.workspace))


def load(workspace: Path, changes: dict[str, str | None] | None = None) -> Suite:
    write_task(workspace / "tb" / "sort-words", changes)
    for name, text in {"suite.yaml": SUITE, "harbor.yaml": "rows: {use: harbor, path: tb}\n"}.items():
        path = workspace / "tasks" / "tb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load_suite(workspace, "tb")


def verdict(workspace: Path, suite: Suite, script: str | None) -> Verdict:
    """What comes of a shell script as the work (None: the task's own solution), in the way the engine does it."""
    [task] = suite.tasks
    work: Any = task.reference["script"] if script is None else script

    async def whole() -> Verdict:
        docker = Docker()
        try:
            assert task.sandbox is not None
            async with docker.open(task.sandbox, Purpose("test-harbor", task.id, workspace)) as box:
                ran = await box.exec(["bash", "-s"], stdin=work.encode(), timeout_s=60)
                assert ran.exit_code == 0, ran.stderr
                await box.stop()
                [wanted] = task.collect
                changes = await take_changes(box, wanted.options["roots"], wanted.exclude, wanted.max_bytes)
            output = Output(artifacts=(Artifact("changes", changes),))
            return await suite.graders[task.graders[0]].grader.grade(BoxWork(task, output, docker, workspace))
        finally:
            await docker.aclose()

    return asyncio.run(whole())


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("harbor")


HONEST = "sort /app/words.txt > /app/sorted.txt\nrm /app/words.txt\n"


@pytest.mark.parametrize("script", [None, HONEST], ids=["the solution", "honest work"])
def test_right_work_passes(space: Path, script: str | None) -> None:
    found = verdict(space, load(space), script)
    assert isinstance(found, Grade), found
    assert (found.passed, found.value, found.label) == (True, 1.0, "passed")
    assert found.flags == ()


@pytest.mark.parametrize(
    "script",
    ["true", "sort /app/words.txt > /app/sorted.txt", "rm /app/words.txt; echo fig > /app/sorted.txt"],
    ids=["nothing", "a deletion is missing", "wrong content"],
)
def test_wrong_work_fails(space: Path, script: str) -> None:
    found = verdict(space, load(space), script)
    assert isinstance(found, Grade), found
    assert (found.passed, found.value, found.label) == (False, 0.0, "failed")


ATTACKS = {
    "prewritten_reward: /logs/verifier/reward.txt": "mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt",
    "prewritten_reward: /logs/verifier/reward.json": "mkdir -p /logs/verifier; echo '{\"reward\":1}' "
    "> /logs/verifier/reward.json",
    "protected_path: /tests/test.sh": "mkdir /tests; echo 'echo 1 > /logs/verifier/reward.txt' > /tests/test.sh",
    "protected_path: /bin/bash": "rm /bin/bash; printf '#!/bin/sh\\necho 1 > /logs/verifier/reward.txt\\n' > /bin/bash",
    "protected_path: /usr/bin/cmp": "cp /usr/bin/true /usr/bin/cmp",
    "protected_path: /usr/local/bin/cmp": "printf '#!/bin/sh\\n' > /usr/local/bin/cmp; chmod +x /usr/local/bin/cmp",
    "protected_path: /etc/ld.so.preload": "echo /app/evil.so > /etc/ld.so.preload || true; touch /app/evil.so",
    "protected_path: /root/.bashrc": "echo 'cmp() { :; }' >> /root/.bashrc",
    "protected_path: /etc/profile.d/x.sh": "echo 'cmp() { :; }' > /etc/profile.d/x.sh",
}


@pytest.mark.parametrize("flag", ATTACKS)
def test_a_forged_verdict_is_dropped_and_flagged(space: Path, flag: str) -> None:
    found = verdict(space, load(space), ATTACKS[flag])
    assert isinstance(found, Grade), found
    assert not found.passed and found.value == 0.0
    shown = [flag, flag.replace(": /bin/", ": /usr/bin/")]
    assert any(f in found.flags for f in shown), found.flags


def test_links_on_the_way_to_the_verifier_do_not_lead_there(space: Path) -> None:
    found = verdict(space, load(space), "mkdir /app/mine; ln -s /app/mine /logs; ln -s /app/mine /tests; echo 1 > "
                    "/app/mine/reward.txt")  # fmt: skip
    assert isinstance(found, Grade) and not found.passed


def test_a_daemon_does_not_come_along(space: Path) -> None:
    script = "(setsid sh -c 'while :; do mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt; done' "
    found = verdict(space, load(space), script + ">/dev/null 2>&1 &)\nsleep 0.2\n")
    assert isinstance(found, Grade) and not found.passed


def test_rewards_by_name_are_told_and_their_mean_counts(space: Path) -> None:
    tests = (
        '#!/bin/bash\necho \'{"a": 1, "b": 0.5}\' > /logs/verifier/reward.json\necho 1 > /logs/verifier/reward.txt\n'
    )
    found = verdict(space, load(space, {"tests/test.sh": tests}), "true")
    assert isinstance(found, Grade)
    assert (found.value, found.passed, found.label) == (0.75, False, "partial")
    assert found.parts["rewards"] == {"a": 1.0, "b": 0.5}


@pytest.mark.parametrize(
    ("tests", "cause"),
    [
        ("exit 0\n", "no_reward"),
        ("echo NaN > /logs/verifier/reward.txt\n", "bad_reward"),
        ("echo '[1]' > /logs/verifier/reward.json\n", "bad_reward"),
        ("ln -s /etc/passwd /logs/verifier/reward.txt\n", "bad_reward"),
        ("echo 3 > /logs/verifier/reward.txt\n", "bad_reward"),
    ],
)
def test_a_verifier_without_a_good_reward_is_no_verdict(space: Path, tests: str, cause: str) -> None:
    found = verdict(space, load(space, {"tests/test.sh": f"#!/bin/bash\n{tests}"}), "true")
    assert isinstance(found, NotGraded) and found.cause == cause, found


def test_a_verifier_that_only_the_work_breaks_is_a_failure(space: Path) -> None:
    tests = "#!/bin/bash\nset -e\ncmp /app/sorted.txt /app/sorted.txt\necho 1 > /logs/verifier/reward.txt\n"
    found = verdict(space, load(space, {"tests/test.sh": tests}), "true")
    assert isinstance(found, Grade), found
    assert (found.passed, found.label) == (False, "no_reward")


MEDDLERS = {
    "tampered: the verifier was ended by signal 9": "echo 1 > /logs/verifier/reward.txt\nkill -9 $PPID\n",
    "tampered: the verifier's file /tests/test.sh": "chmod u+w /tests/test.sh\n"
    "printf 'echo 1 > /logs/verifier/reward.txt\\n' > /tests/test.sh\n",
    "reward_differs: 1 in its file, 0 when the verifier was heard": "(cd /logs/verifier\n"
    "while :; do echo 1 > x; mv x reward.txt\n"
    "done) >/dev/null 2>&1 </dev/null &\n",
    "": "echo 7 > /logs/verifier/reward.txt\nkill -9 $PPID\n",
}
RUNS_THE_WORK = "#!/bin/bash\necho 0 > /logs/verifier/reward.txt\n{}r=0\n" \
                "[ ! -e /app/sorted.txt ] || r=1\necho $r > /logs/verifier/reward.txt\n"  # fmt: skip


@pytest.mark.parametrize("flag", MEDDLERS)
def test_work_that_the_verifier_runs_cannot_end_or_rewrite_it(space: Path, flag: str) -> None:
    """Its reward beside a killed verifier is none, also one out of range: the solution gets a reward that counts."""
    suite = load(space, {"tests/test.sh": RUNS_THE_WORK.format("[ ! -e /app/run.sh ] || bash /app/run.sh\n")})
    found = verdict(space, suite, f"cat > /app/run.sh <<'END'\n{MEDDLERS[flag]}END\n")
    assert isinstance(found, Grade), found
    assert (found.passed, found.value) == (False, 0.0)
    assert found.label == ("tampered" if flag.startswith("tampered") else "failed" if flag else "bad_reward")
    assert not flag or any(f.startswith(flag) for f in found.flags), found.flags


def test_a_verifier_that_always_ends_so_is_no_verdict(space: Path) -> None:
    suite = load(space, {"tests/test.sh": RUNS_THE_WORK.format("") + "kill -9 $$\n"})
    found = verdict(space, suite, "true")
    assert isinstance(found, NotGraded) and found.cause == "environment", found


def test_a_reward_is_weak_evidence(space: Path) -> None:
    found = verdict(space, load(space), HONEST)
    assert isinstance(found, Grade) and found.passed and found.weak


RUNS = "#!/bin/bash\nr=0\n[ ! -e /app/sorted.txt ] || r=1\n[ ! -e /app/run.sh ] || bash /app/run.sh\n" \
       "echo $r > /logs/verifier/reward.txt\ntouch /tmp/said\nsleep 1\n"  # fmt: skip
STARTS = "setsid python3 /app/late.py >/dev/null 2>&1 </dev/null &\nwhile [ ! -e /tmp/ready ]; do sleep 0.01; done\n"
WAITS = """import os, time
open("/tmp/ready", "w").close()
while not os.path.exists("/tmp/said"):
    time.sleep(0.005)
"""
MOVES = """import os, stat, time
folder, path = "/logs", "/logs/verifier/reward.txt"
piped = os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)
if piped:
    os.rename(folder, "/away")
    os.makedirs("/logs/verifier")
open("/tmp/ready", "w").close()
for _ in range(400):
    if os.path.exists(path) and os.stat(path).st_size:
        break
    time.sleep(0.005)
if piped:
    os.unlink(path), os.rmdir("/logs/verifier"), os.rmdir(folder)
    open("/away/verifier/reward.txt", "w").write("1")
    os.rename("/away", folder)
else:
    while not os.path.exists("/tmp/said"):
        time.sleep(0.005)
    open(path, "w").write("1")
"""
LATE = {
    "writes over it": (WAITS + "open('/logs/verifier/reward.txt', 'w').write('1')\n", "the reward was written 2 times"),
    "writes the file that counts before it": (
        WAITS + "open('/logs/verifier/reward.json', 'w').write('{\"reward\": 1}')\n", "the reward was written 2 times",
    ),
    "moves the folder away and back, as root": (MOVES, "folders above /logs/verifier/reward.json, while it ran"),
}  # fmt: skip


@pytest.mark.parametrize("how", LATE)
def test_work_that_waits_for_the_verifiers_word_cannot_write_over_it(space: Path, how: str) -> None:
    program, why = LATE[how]
    work = f"cat > /app/run.sh <<'END'\n{STARTS}END\ncat > /app/late.py <<'END'\n{program}END\n"
    found = verdict(space, load(space, {"tests/test.sh": RUNS}), work)
    assert isinstance(found, Grade), found
    assert (found.passed, found.value, found.label) == (False, 0.0, "tampered")
    assert any(flag.startswith("tampered: ") and why in flag for flag in found.flags), found.flags


LEAVES = {
    "came_and_went: ": "(sleep 0.1 &) >/dev/null 2>&1 </dev/null\n",
    "left_running: ": "sleep 60 >/dev/null 2>&1 &\n",
}


@pytest.mark.parametrize("flag", LEAVES)
def test_honest_work_may_leave_processes_that_its_solution_does_not_leave(space: Path, flag: str) -> None:
    work = f"{HONEST}cat > /app/run.sh <<'END'\n{LEAVES[flag]}END\n"
    found = verdict(space, load(space, {"tests/test.sh": RUNS}), work)
    assert isinstance(found, Grade) and found.passed and found.weak, found
    assert any(told.startswith(flag) for told in found.flags), found.flags


def test_a_verifier_that_makes_a_folder_beside_the_rewards_is_heard(space: Path) -> None:
    """It may, as root; then only words are counted."""
    suite = load(space, {"tests/test.sh": RUNS.replace("r=0", "mkdir -p /results\nr=0")})
    found = verdict(space, suite, HONEST)
    assert isinstance(found, Grade) and found.passed and found.flags == (), found
    program = LATE["writes over it"][0]
    work = f"cat > /app/run.sh <<'END'\n{STARTS}END\ncat > /app/late.py <<'END'\n{program}END\n"
    forged = verdict(space, suite, work)
    assert isinstance(forged, Grade) and forged.label == "tampered", forged


MOVED = RUNS.replace("> /logs/verifier/reward.txt", "> /tmp/r\nmv /tmp/r /logs/verifier/reward.txt")


def test_a_verifier_that_puts_a_file_in_place_of_the_pipe_is_read_from_its_file(space: Path) -> None:
    found = verdict(space, load(space, {"tests/test.sh": MOVED}), HONEST)
    assert isinstance(found, Grade) and found.passed and found.weak, found
    assert any(flag.startswith("unheard: ") for flag in found.flags), found.flags
