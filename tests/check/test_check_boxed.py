"""Task QA in real boxes: a sound task is proven, and each planted fault is told by its own check."""

from __future__ import annotations

import os

import docker
import pytest
from check_lab import GOLD, HIDDEN, PROMPT, ROOT, CheckLab, found, repo_task

from harness.qa.findings import TaskCheck
from harness.qa.task import Options

pytestmark = pytest.mark.docker
OWN_IMAGES = ("/opt/cache/copy.py", "/opt/seen.py")
GIT = f"cd {ROOT} && git -c safe.directory='*' -c user.name=a -c user.email=a@b"
FLAKY = HIDDEN + (
    "\n\nimport random\n\nimport pytest\n\n\n@pytest.mark.parametrize('n', range(8))\ndef test_by_chance(n):\n"
    "    assert random.random() < 0.5\n"
)
BY_SEED = HIDDEN + (
    "\n\nimport subprocess\nimport sys\n\n\ndef test_order_of_a_set():\n    ask = \"print(hash('a'))\"\n"
    "    said = subprocess.check_output([sys.executable, '-c', ask], env={'PYTHONHASHSEED': '0'}, text=True)\n"
    "    assert hash('a') == int(said)\n"
)
BY_ORDER = HIDDEN + (
    "\n\nSEEN = []\n\n\ndef test_first():\n    SEEN.append(1)\n\n\ndef test_second():\n    assert SEEN\n"
)
OVER = """from calc.core import sum_cents, total


def test_total_of_three_prices():
    assert total([1.1, 2.2]) == 3.3
    assert sum_cents([1.1]) == 110
"""
OVER_GOLD = GOLD.replace("@@ -1,7 +1,8 @@\n", "@@ -1,7 +1,12 @@\n+def sum_cents(prices):\n"
                         "+    return sum(round(price * 100) for price in prices)\n+\n+\n")  # fmt: skip
LEAK = "".join(line[1:] + "\n" for line in GOLD.splitlines() if line.startswith("+ "))


def script_task(verifier: str, **changes: object) -> dict[str, object]:
    return {
        "kind": "script",
        "prompt": PROMPT,
        "environment": {"dockerfile": "lab"},
        "collect": {"out": {"file": "/work/repo/out.txt"}},
        "verifier": verifier + "\n",
        **changes,
    }


PLANTED = {
    "leaking": repo_task(sandbox={"setup": [f"mkdir -p /opt/cache && cat > /opt/cache/copy.py <<'END'\n{LEAK}END"]}),
    "hidden-in-image": repo_task(sandbox={"setup": [f"cat > /opt/seen.py <<'END'\n{HIDDEN}END"]}),
    "flaky": repo_task(
        tests={"tests/test_total.py": FLAKY},
        pass_to_pass=[f"tests/test_total.py::test_by_chance[{n}]" for n in range(8)],
    ),
    "seed-dependent": repo_task(
        tests={"tests/test_total.py": BY_SEED}, pass_to_pass=["tests/test_total.py::test_order_of_a_set"]
    ),
    "order-dependent": repo_task(
        tests={"tests/test_total.py": BY_ORDER}, pass_to_pass=["tests/test_total.py::test_second"]
    ),
    "gold-fails": repo_task(reference={"patch": GOLD.replace("/ 100", "/ 10")}),
    "passes-before": repo_task(fail_to_pass=["tests/test_total.py::test_twice_still_works"], pass_to_pass=[]),
    "over-specified": repo_task(tests={"tests/test_total.py": OVER}, reference={"patch": OVER_GOLD},
                                pass_to_pass=["tests/test_twice.py::test_twice"]),
    "later-objects": repo_task(
        sandbox={"setup": [f"{GIT} commit -q --allow-empty -m later && {GIT} reset -q --hard HEAD~1"]}
    ),
    "remote-and-tag": repo_task(
        sandbox={"setup": [f"{GIT} tag later $({GIT} commit-tree HEAD^{{tree}} -m x) && {GIT} remote add up /nowhere"]}
    ),
    "empty-passes": script_task("exit 0", reference={"script": "echo 1 > out.txt"}),
    "silent": script_task(
        'if test -s /work/repo/out.txt; then echo 1 > "$REWARD_FILE"; fi',
        verdict="reward",
        reference={"script": "echo 1 > out.txt"},
    ),
    "needs-network": script_task(
        "test -s /work/repo/out.txt",
        reference={"script": "if grep -q eth0 /proc/net/dev; then echo 1 > out.txt; fi"},
    ),
    "believes-reports": script_task(
        "grep -q testcase /work/repo/report.xml",
        reference={"script": "echo '<testcase/>' > report.xml"},
        collect={"out": {"file": "/work/repo/report.xml"}},
        sandbox={"workdir": "/work/repo"},
    ),
    "no-image": repo_task(environment={"image": "no-such-image-anywhere:1"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def planted(boxed: CheckLab) -> dict[str, TaskCheck]:
    """Each as often as its fault needs to show: chance, seed, order and `n of n` need a second run."""
    twice = ("flaky", "seed-dependent", "order-dependent", "gold-fails", "empty-passes")
    once = {id: task for id, task in PLANTED.items() if id not in (*twice, "believes-reports")}
    checks = boxed.check({id: PLANTED[id] for id in twice}, Options(2, cheats=False), name="planted")
    checks |= boxed.check(once, Options(1, cheats=False), name="planted-once")
    believing = {"believes-reports": PLANTED["believes-reports"]}
    return checks | boxed.check(believing, Options(1), name="believing")


@pytest.fixture(scope="module")
def sound(boxed: CheckLab) -> TaskCheck:
    return boxed.check({"sound": repo_task()}, Options(2), name="sound")["sound"]


def test_a_sound_task_is_proven(sound: TaskCheck) -> None:
    assert sound.verdict == "ok", sound.findings
    assert (str(sound.reference), str(sound.empty), sound.tests, sound.flaky) == ("2/2", "2/2", 2, ())
    assert sound.solve_s and sound.grade_s and sound.grade_s.max >= sound.grade_s.median > 0
    assert sound.image.startswith("sha256:") and sound.digest


def test_every_cheat_fails_on_a_sound_task_and_is_flagged_where_it_shows(sound: TaskCheck) -> None:
    assert len(sound.cheats) >= 12
    assert [c for c in sound.cheats if c.passed or not c.graded] == []
    flagged = {c.name for c in sound.cheats if c.flags}
    assert {"conftest flips reports", "sitecustomize", "source patches the runner", "source exits 0"} <= flagged


@pytest.mark.parametrize(
    ("id", "check", "level", "words", "where"),
    [
        ("leaking", "leak", "fail", "lines of the answer", "/opt/cache/copy.py"),
        ("hidden-in-image", "leak", "fail", "lines of the hidden tests", "/opt/seen.py"),
        ("flaky", "flaky", "fail", "runs on", "test_by_chance"),
        ("seed-dependent", "flaky", "fail", "fails on the right patch under hash seed 1", "test_order_of_a_set"),
        ("order-dependent", "flaky", "warn", "with the last test first", "test_second"),
        ("gold-fails", "reference", "fail", "the reference fails 2 of 2", ""),
        ("passes-before", "base", "fail", "satisfied before any work", ""),
        ("over-specified", "over_specified", "warn", "sum_cents", "sum_cents"),
        ("later-objects", "history", "fail", "not reachable from HEAD", f"{ROOT}/.git"),
        ("remote-and-tag", "history", "fail", "remotes: up", f"{ROOT}/.git"),
        ("remote-and-tag", "history", "fail", "refs/tags/later", f"{ROOT}/.git"),
        ("empty-passes", "empty", "fail", "an empty answer passes 2 of 2", ""),
        ("silent", "silent", "warn", "writes no reward for failed work", ""),
        ("needs-network", "network", "fail", "only with a network", ""),
        ("believes-reports", "cheat", "fail", "a cheat passes: reports and rewards", "reports and rewards"),
        ("no-image", "image", "fail", "no box can be opened", ""),
    ],
)
def test_a_planted_fault_is_told(
    planted: dict[str, TaskCheck], id: str, check: str, level: str, words: str, where: str
) -> None:
    told = found(planted[id], check, level)
    assert any(words in f.what and where in f.where for f in told), planted[id].findings
    assert planted[id].verdict == ("fail" if level == "fail" else "warn"), planted[id].findings


def test_no_container_is_left(planted: dict[str, TaskCheck], sound: TaskCheck) -> None:
    """Of this process: others may check their suites on the same engine meanwhile."""
    engine = docker.from_env()
    ours = {"label": f"harness.pid={os.getpid()}"}
    try:
        left = [*engine.containers.list(all=True, filters=ours), *engine.networks.list(filters=ours),
                *engine.volumes.list(filters=ours)]  # fmt: skip
    finally:
        engine.close()
    assert [x.attrs.get("Name", x.id) for x in left if "check-" in str(x.attrs)] == []
