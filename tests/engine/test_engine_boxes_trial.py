"""Trials in boxes: collecting, limits, failures, cancelling, on a real engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from box_bench import REPO, BoxBench, Shell, Took, box_task, names_in

from harness.api import Grade, Grader, Harness, Limits, NotGraded, Output, SandboxError
from harness.harnesses.empty import Empty
from harness.harnesses.reference import Reference
from harness.harnesses.replay import Replay
from harness.records.outcome import Artifact
from harness.records.task import Collect, Repo, SandboxSpec, Service
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker
OWN_IMAGES = ("mkdir -p /work/repo && chown",)
FIX = """--- a/src/calc.py
+++ b/src/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""


class Opens(Grader):
    """Reads the artifact in a clean box, and looks for what the work left in its own."""

    async def grade(self, work: Any) -> Grade:
        async with work.open_box(work.task.sandbox) as box:
            await box.write("/tmp/p", work.artifact("patch") or b"")
            done = await box.exec(["bash", "-c", f"cd {REPO} && git apply /tmp/p && cat src/calc.py; ls /tmp"])
        clean = b"left-behind" not in done.stdout
        ok = clean and b"a + b" in done.stdout
        return Grade(float(ok), ok, flags=() if clean else ("dirty",))


def test_the_reference_passes_and_the_empty_fails_in_clean_boxes(boxes: BoxBench) -> None:
    spec, patch = boxes.repo_spec(), Collect("patch", "patch", REPO)
    script = "touch /tmp/left-behind; sed -i 's/a - b/a + b/' src/calc.py; echo done it"
    tasks = [
        box_task("patch", patch, spec=spec, reference={"patch": FIX}),
        box_task("script", patch, spec=spec, reference={"script": script}),
        box_task("files", patch, spec=spec, reference={"files": {"src/calc.py": "def add(a, b):\n    return a + b\n"}}),
    ]
    found = boxes.play(tasks, {"reference": Reference(), "empty": Empty()}, Opens())
    assert {(a.task, a.system): a.passed for a in found} == {
        (t.id, s): s == "reference" for t in tasks for s in ("reference", "empty")
    }, [(a.task, a.trouble) for a in found]
    scripted = next(a for a in found if (a.task, a.system) == ("script", "reference"))
    (command,) = boxes.commands(scripted)
    assert command.stdout == "done it\n" and command.exit_code == 0 and command.seconds > 0
    assert scripted.digests.image.startswith("sha256:") and boxes.held() == []


def test_a_reference_patch_that_does_not_apply_is_skipped_with_its_reason(boxes: BoxBench) -> None:
    task = box_task("t", spec=boxes.repo_spec(), reference={"patch": FIX.replace("a - b", "a * b")})
    (attempt,) = boxes.play([task], {"reference": Reference()})
    assert attempt.status == "skipped" and attempt.trouble is not None
    assert "does not apply" in attempt.trouble.detail and attempt.trouble.cause == "reference"


def test_files_trees_changes_and_processes(boxes: BoxBench) -> None:
    script = """
        mkdir -p out/sub; echo 1 > out/a; echo 2 > out/sub/b; ln -s sub/b out/in; ln -s /etc/shadow out/bad
        ln out/a out/second; echo skip > out/c.tmp; ln -s out/a linked; mkfifo out/pipe
        (exec -a my-daemon sleep 600) >/dev/null 2>&1 &
        echo answer > answer.txt
    """
    task = box_task(
        "t",
        Collect("answer", "file", "/work/answer.txt"),
        Collect("absent", "file", "/work/not-there"),
        Collect("linked", "file", "/work/linked"),
        Collect("big", "file", "/work/answer.txt", max_bytes=3),
        Collect("out.tar", "tree", "/work/out", exclude=("*.tmp",)),
        Collect("all.tar", "changes", options={"roots": ["/work"]}),
        Collect("ps.json", "processes"),
    )
    (attempt,) = boxes.play([task], {"s": Shell(script=script)}, Took(artifact="answer", text="answer"))
    assert attempt.passed, (attempt.trouble, attempt.output)
    assert [a.name for a in attempt.artifacts] == ["answer", "out.tar", "all.tar", "ps.json"]
    assert sorted(f.split(":")[0] for f in attempt.flags) == ["left_running", "link_leaves_tree", "path", "too_big"]
    tree = names_in(boxes.artifact(attempt, "out.tar") or b"")
    assert sorted(tree) == ["a", "in", "second", "sub", "sub/b"] and tree["second"].size == 2
    assert any("answer.txt" in name for name in names_in(boxes.artifact(attempt, "all.tar") or b""))
    running = json.loads(boxes.artifact(attempt, "ps.json") or b"")
    assert [p["command"] for p in running] == ["my-daemon 600"]


SERVER = """
cat > s.py <<'E'
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        self.send_response(201); self.send_header('x-it', 'works'); self.end_headers(); self.wfile.write(body[::-1])
    def do_GET(self):
        self.send_response(302); self.send_header('location', '/other'); self.end_headers()
http.server.HTTPServer(('', 8123), H).serve_forever()
E
(python3 s.py >/dev/null 2>&1 &)
python3 - <<'E'
import sqlite3
db = sqlite3.connect('shop.db'); db.execute('create table t (a, b)')
db.execute("insert into t values (1, 'x'), (2, null)")
db.commit()
E
sleep 0.5
"""


@pytest.mark.parametrize("network", ["none", "internal"])
def test_probes_ask_a_server_and_a_database_of_the_work(boxes: BoxBench, network: Any) -> None:
    task = box_task(
        "t",
        Collect("post", "http", options={"url": "http://box:8123/x", "method": "POST", "body": "abc", "headers": {}}),
        Collect("get", "http", options={"url": "http://localhost:8123/"}),
        Collect("closed", "http", options={"url": "http://box:9/"}),
        Collect("rows", "sql", options={"url": "sqlite:///work/shop.db", "query": "select * from t order by a"}),
        Collect("wrong", "sql", options={"url": "sqlite:///work/shop.db", "query": "select * from missing_one"}),
        Collect("nobase", "sql", options={"url": "sqlite:///work/none.db", "query": "select 1"}),
        Collect("cmd", "command", options={"argv": ["sh", "-c", "ls /work; id -un; exit 3"]}),
        spec=SandboxSpec(network=network),
    )
    (attempt,) = boxes.play([task], {"s": Shell(script=SERVER)}, Took(artifact="post", text="cba"))
    assert attempt.passed, (attempt.trouble, boxes.artifact(attempt, "post"))
    said = {a.name: json.loads(boxes.artifact(attempt, a.name) or b"") for a in attempt.artifacts}
    assert said["post"]["status"] == 201 and said["post"]["headers"]["x-it"] == "works"
    assert said["get"]["status"] == 302
    assert "refused" in said["closed"]["error"]
    assert said["rows"] == {"columns": ["a", "b"], "rows": [[1, "x"], [2, None]]}
    assert "no such table" in said["wrong"]["error"]
    assert "nobase" not in said
    assert said["cmd"] == {"exit_code": 3, "stdout": "agent\n", "stderr": "", "timed_out": False}
    assert boxes.held() == []


def test_a_time_limit_kills_the_command_and_what_was_done_is_collected(boxes: BoxBench) -> None:
    task = box_task("t", Collect("left", "file", "/work/left"), limits=Limits(time_s=1.5))
    work = Shell(script="echo half > left; sleep 100; echo whole > left")
    began = time.monotonic()
    (attempt,) = boxes.play([task], {"s": work}, Took(artifact="left", text="half"))
    assert attempt.limit == "time" and attempt.passed and attempt.output.answer == "saved"
    assert time.monotonic() - began < 30 and 1.4 < attempt.timing.working < 4
    (command,) = boxes.commands(attempt)
    assert command.note == "cut off" and command.exit_code is None


def test_an_image_that_does_not_build_is_tried_once_and_told_once(boxes: BoxBench) -> None:
    marker = f"nothing-{time.time_ns()}"
    bad = SandboxSpec(setup=(f"echo building {marker}; exit 7",))
    attempts = boxes.play([box_task("a", spec=bad), box_task("b", spec=bad)], {"s": Shell(), "t": Shell()})
    assert [a.status for a in attempts] == ["infra_error"] * 4 and all(a.final for a in attempts)
    assert {(a.trouble.source, a.trouble.cause) for a in attempts if a.trouble} == {("sandbox", "image")}
    assert all(a.trouble and marker in a.trouble.detail for a in attempts)
    assert boxes.runner is not None and len(boxes.runner.services.boxes.notices) == 1


@pytest.mark.parametrize(
    ("source", "base", "says"),
    [
        ("source", "f" * 40, "has no commit"),
        ("source", "v9", "has no commit 'v9'"),
        ("gone", "v1", "no such repository"),
    ],
)
def test_a_wrong_repository_or_commit_has_one_clear_message(boxes: BoxBench, source: str, base: str, says: str) -> None:
    boxes.repo_spec()
    task = box_task("t", spec=SandboxSpec(repo=Repo(source, base, REPO)))
    (attempt,) = boxes.play([task], {"s": Shell()})
    assert attempt.status == "infra_error" and attempt.trouble is not None and attempt.final
    assert says in attempt.trouble.detail and attempt.trouble.cause == "image"


def test_the_same_repository_comes_from_a_bundle_and_from_an_address(boxes: BoxBench) -> None:
    boxes.repo_spec()
    source = boxes.root / "source"
    subprocess.run(
        ["git", "-C", str(source), "bundle", "create", "-q", str(boxes.root / "b.bundle"), "main"], check=True
    )
    base = subprocess.run(["git", "-C", str(source), "rev-parse", "v1"], check=True, capture_output=True, text=True)
    full = base.stdout.strip()
    tasks = [
        box_task("path", spec=SandboxSpec(repo=Repo("source", "v1", REPO))),
        box_task("bundle", spec=SandboxSpec(repo=Repo("b.bundle", full, REPO))),
        box_task("short", spec=SandboxSpec(repo=Repo("b.bundle", full[:10], REPO))),
        box_task("url", spec=SandboxSpec(repo=Repo(f"file://{source}", full, REPO))),
        box_task("tag", spec=SandboxSpec(repo=Repo(f"file://{source}", "v1", REPO))),
    ]
    attempts = boxes.play(tasks, {"s": Shell(script="git rev-parse HEAD HEAD^{tree}")})
    assert len({a.output.answer for a in attempts}) == 1, [(a.task, a.trouble) for a in attempts]
    assert len({a.digests.image for a in attempts}) == 1
    files = sorted(p.name for p in (boxes.root / ".harness/cache/repos").glob("*.tar"))
    assert len(files) == 1


def test_a_stored_patch_needs_no_box_to_be_replayed(boxes: BoxBench) -> None:
    (boxes.root / "answers.jsonl").write_text(json.dumps({"instance_id": "t", "model_patch": FIX}) + "\n")
    task = box_task("t", Collect("patch", "patch", REPO), spec=boxes.repo_spec())
    (attempt,) = boxes.play([task], {"r": Replay(path="answers.jsonl", artifact="patch")}, Opens())
    assert attempt.passed and boxes.artifact(attempt) == FIX.encode() and attempt.digests.image == ""
    assert list(attempt.images) == ["grading"] and attempt.images["grading"].startswith("sha256:")


def test_every_image_of_an_attempt_is_recorded(boxes: BoxBench) -> None:
    """Of the work, of a service, of what collected, of grading: a patch is made in a bare box of the same image."""
    here = boxes.repo_spec()
    beside = Service("db", image="harness-base:bookworm", command=("sleep", "60"))
    spec = msgspec.structs.replace(here, services=(beside,), network="internal")
    task = box_task("t", Collect("patch", "patch", REPO), spec=spec, reference={"patch": FIX})
    (attempt,) = boxes.play([task], {"reference": Reference()}, Opens())
    assert attempt.passed, attempt
    images = attempt.images
    assert {"work", "work: db", "grading", "grading: db"} <= set(images)
    assert images["work"] == images["grading"] == attempt.digests.image
    assert images["work: db"] == images["grading: db"] != images["work"]


class Delivers(Harness):
    """Delivers one artifact itself, and leaves another in the box."""

    async def solve(self, task: Any, ctx: Any) -> Output:
        await ctx.box.write("/work/b", b"from the box")
        await ctx.box.write("/work/a", b"not this")
        return Output(artifacts=(Artifact("a", b"delivered"),))


def test_what_a_harness_delivers_is_not_collected_again(boxes: BoxBench) -> None:
    task = box_task("t", Collect("a", "file", "/work/a"), Collect("b", "file", "/work/b"))
    (attempt,) = boxes.play([task], {"s": Delivers()}, Took(artifact="a", text="delivered"))
    assert attempt.passed and boxes.artifact(attempt, "b") == b"from the box"


def test_without_an_engine_every_box_trial_is_skipped_with_one_message(tmp_path: Path) -> None:
    bench = BoxBench(tmp_path)
    absent = Docker(host=f"unix://{tmp_path}/no.sock")
    tasks = [box_task("a"), box_task("b")]
    attempts = bench.play(tasks, {"s": Shell(), "e": Empty()}, sandbox=absent)
    assert [a.status for a in attempts] == ["skipped"] * 4
    assert {a.trouble.cause for a in attempts if a.trouble} == {"engine"}
    assert bench.runner is not None
    (notice,) = bench.runner.services.boxes.notices
    assert notice.startswith("tasks with a box are skipped: no container engine answers")


class Breaks(Grader):
    """Fails as a grader whose box died, so often."""

    times: int = 1
    fault: str = "engine"
    seen: Any = None

    async def grade(self, work: Any) -> Grade | NotGraded:
        self.seen.append(1)
        if len(self.seen) <= self.times:
            raise SandboxError(self.fault, "it went away")
        return Grade(1.0, True)


@pytest.mark.parametrize(("times", "statuses"), [(1, ["graded"]), (2, ["infra_error", "graded"])])
def test_an_engine_that_dies_while_grading_costs_no_verdict(boxes: BoxBench, times: int, statuses: list[str]) -> None:
    grader = Breaks(times=times, seen=[])
    attempts = boxes.play([box_task("t")], {"e": Empty()}, grader)
    assert [a.status for a in attempts] == statuses and attempts[-1].final and attempts[-1].passed
    assert [a.final for a in attempts[:-1]] == [False] * (len(statuses) - 1)


class Dies(Harness):
    """Its box is removed from outside, the first time."""

    seen: Any = None

    async def solve(self, task: Any, ctx: Any) -> Output:
        self.seen.append(1)
        if len(self.seen) == 1:
            kill = ["docker", "rm", "-f", ctx.box._box.container]
            await asyncio.to_thread(subprocess.run, kill, check=True, capture_output=True)
        done = await ctx.box.exec(["echo", "alive"])
        return Output(answer=done.stdout.decode())


def test_a_box_that_dies_under_the_work_is_infrastructure_and_tried_again(boxes: BoxBench) -> None:
    attempts = boxes.play([box_task("t")], {"s": Dies(seen=[])})
    assert [(a.status, a.final) for a in attempts] == [("infra_error", False), ("graded", True)]
    assert attempts[0].trouble is not None and attempts[0].trouble.source == "sandbox"


class Crowd(Harness):
    """Counts how many work at once."""

    uses_box = True
    now: Any = None

    async def solve(self, task: Any, ctx: Any) -> Output:
        kind = "box" if ctx.box else "plain"
        self.now[kind] = self.now.get(kind, 0) + 1
        self.now[f"most {kind}"] = max(self.now.get(f"most {kind}", 0), self.now[kind])
        await asyncio.sleep(0.3)
        self.now[kind] -= 1
        return Output(answer="x")


def test_boxes_have_a_limit_of_their_own(boxes: BoxBench) -> None:
    from engine_bench import task as plain

    counts: dict[str, int] = {}
    tasks = [*(box_task(f"b{i}") for i in range(5)), *(plain(i) for i in range(12))]
    found = boxes.play(tasks, {"s": Crowd(now=counts)}, concurrency=6, boxes=2)
    assert len(found) == 17 and counts["most box"] == 2 and counts["most plain"] == 6


def test_halting_leaves_no_container_and_no_record(boxes: BoxBench) -> None:
    async def halt(runner: Any) -> None:
        while not runner.stats.inflight:  # noqa: ASYNC110 - it is watched from outside
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        runner.halt()

    found = boxes.play([box_task("t")], {"s": Shell(script="sleep 100")}, during=halt)
    assert boxes.ending == "interrupted" and found == [] and boxes.held() == []


def test_stopping_does_not_wait_for_images(boxes: BoxBench, own_images: Callable[[str], str]) -> None:
    async def stop(runner: Any) -> None:
        while not runner.services.boxes.doing:  # noqa: ASYNC110 - it is watched from outside
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        runner.stop()

    slow = SandboxSpec(setup=(f"echo {own_images(str(time.time_ns()))}; sleep 8",))
    began = time.monotonic()
    found = boxes.play([box_task("t", spec=slow)], {"s": Shell()}, during=stop)
    assert boxes.ending == "interrupted" and found == [] and time.monotonic() - began < 6


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from box_bench import BoxBench, Shell, box_task
bench = BoxBench(Path({root!r}))
bench.play([box_task("t")], {{"s": Shell(script="touch /work/here; sleep 100")}})
"""


def test_what_kill_9_leaves_is_removed_by_the_next_start(boxes: BoxBench) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), root=str(boxes.root))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run = ""
        for _ in range(600):
            time.sleep(0.1)
            folders = list((boxes.root / "runs").glob("*"))
            run = folders[0].name if folders else ""
            if run and containers_of(run):
                break
        assert containers_of(run)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert containers_of(run)
    boxes.play([box_task("t2")], {"s": Empty()})
    assert containers_of(run) == []


def containers_of(run: str) -> list[str]:
    command = ["docker", "ps", "-aq", "--filter", f"label=harness.run={run}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
