"""Programs and leftovers that try to be graded better than they are, by `code_tests` and `script`."""
# ruff: noqa: E501 - tables of cases and texts of programs

from __future__ import annotations

import io
import tarfile
from typing import Any

import msgspec
import pytest
from grading_lab import ROOT, Lab

from harness.api import Grade, NotGraded, Task
from harness.graders.code_tests import CodeTests
from harness.graders.script import Script
from harness.records.task import Collect

pytestmark = pytest.mark.docker
SUM = CodeTests(
    tests=({"stdin": "3 4\n", "stdout": "7\n", "visible": True}, {"stdin": "20 22\n", "stdout": "42\n"}), time_s=3
)
CALL = CodeTests(
    tests=({"args": [[3, 1, 2]], "returns": [1, 2, 3]}, {"args": [[]], "returns": []}), function="order", time_s=3
)


def program(text: str, grader: CodeTests, lab: Lab) -> Grade:
    verdict = lab.verdict(grader, answer=text)
    assert isinstance(verdict, Grade), verdict
    return verdict


def test_right_programs_pass_and_wrong_ones_do_not(lab: Lab) -> None:
    right = program("Here:\n```python\nprint(sum(map(int, input().split())))\n```\n", SUM, lab)
    assert (right.passed, right.label, right.value) == (True, "right", 1.0)
    special = program("print(7)", SUM, lab)
    assert (special.label, special.value) == ("passes_visible_fails_hidden", 0.5)
    assert program("def order(x):\n    print('noise')\n    return sorted(x)", CALL, lab).passed
    assert program("class S:\n    def order(self, x):\n        return tuple(sorted(x))", CALL.model_copy(
        update={"function": "S.order"}), lab).passed  # fmt: skip
    assert program("def other(): pass", CALL, lab).label == "wrong"
    assert program("", SUM, lab).label == program("```python\n```", SUM, lab).label == "no_code"


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("while True: pass", "timeout"),
        ("print('x' * 6_000_000)", "output"),
        ("x = b'x' * (600 << 20)", "memory: case 1"),
        ("import os, sys\nprint(7)\nsys.stdout.flush()\nos.kill(os.getppid(), 9)", ""),
        (
            "import os, time\ntry:\n    while True: os.fork() or time.sleep(100)\nexcept OSError: pass",
            "ran_out_of: processes",
        ),
        ("import os\nos._exit(0)", "reached_for: runner (the program: os._exit)"),
        ("import glob\nfor p in glob.glob('/grade-*/**', recursive=True):\n    print(p)", "reached_for: grading"),
        (
            "import os, sys\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n    try:\n"
            "        s = open(f'/proc/{pid}/cmdline').read() + open(f'/proc/{pid}/environ').read()\n"
            "    except OSError:\n        continue\n    if '42' in s.split('\\0'):\n        print(42)\n        break",
            "reached_for: processes",
        ),
    ],
)
def test_a_program_cannot_pass_by_force(text: str, flag: str, lab: Lab) -> None:
    grade = program(text, SUM, lab)
    assert not grade.passed and grade.value < 1, grade
    assert not flag or any(said.startswith(flag) for said in grade.flags), grade


def test_what_one_case_leaves_behind_does_not_reach_the_next(lab: Lab) -> None:
    """The first case starts a daemon and plants files; the second runs as another user, with the daemon dead."""
    plant = (
        "import os, subprocess, sys\n"
        "sys.stdout.write(str(sum(map(int, input().split()))) + '\\n')\n"
        "left = os.path.exists('/tmp/left') and open('/tmp/left').read()\n"
        "subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "running = subprocess.run(['sh', '-c', 'cat /proc/*/comm | grep -c sleep'], capture_output=True, text=True)\n"
        "try:\n    open('/tmp/left', 'w').write('mine')\nexcept OSError: left = 'kept'\n"
        "sys.exit(0 if int(running.stdout) <= 2 else 3)\n"
    )
    assert program(plant, SUM, lab).passed


def test_a_missing_interpreter_is_not_the_programs_fault(lab: Lab) -> None:
    from harness.api import SandboxError

    with pytest.raises(SandboxError, match="no 'node'"):
        program("console.log(7)", CodeTests(tests=SUM.tests, language="node"), lab)


def test_a_build_that_fails_is_told(lab: Lab) -> None:
    shell = CodeTests(tests=SUM.tests, language="sh", run=("sh", "{program}.built"), build=("sh", "-c", "grep -q read {program} && cp {program} {program}.built"))  # fmt: skip
    assert program("read a b; echo $((a + b))", shell, lab).passed
    assert program("echo 7", shell, lab).label == "build_error"


def tree(files: dict[str, Any]) -> bytes:
    """A collected folder as `harness.engine.collect` makes it: members are named from the folder down."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = 1000
            if data is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            elif isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
            else:
                entry.size, entry.mode = len(data), 0o6755
                tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


VERIFIER = """set -u
test "$(cat /work/repo/answer.txt)" = 42 || exit 1
echo 0.75 > "$REWARD_FILE"
"""


def scripted(lab: Lab, grader: Script, artifact: bytes, *more: Collect) -> Any:
    task: Task = msgspec.structs.replace(lab.task(), collect=(Collect("left", "tree", ROOT), *more))
    return lab.verdict(grader, task, left=artifact)


def test_the_verifier_decides_by_exit_code_and_reward(lab: Lab) -> None:
    good, bad = tree({"answer.txt": b"42\n"}), tree({"answer.txt": b"41\n"})
    part = scripted(lab, Script(verifier=VERIFIER), good)
    assert (part.passed, part.value, part.parts) == (False, 0.75, {"exit_code": 0, "reward": 0.75})
    assert scripted(lab, Script(verifier=VERIFIER, threshold=0.5), good).passed
    failed = scripted(lab, Script(verifier=VERIFIER, threshold=0.5), bad)
    assert (failed.passed, failed.value, failed.label) == (False, 0.0, "failed")
    assert not scripted(lab, Script(verifier=VERIFIER), tree({})).passed


def test_a_verifier_that_cannot_say_is_no_verdict(lab: Lab) -> None:
    good = tree({"answer.txt": b"42\n"})
    for text, cause in (
        ("no-such-program\nexit $?\n", "environment"),
        ("echo lots > $REWARD_FILE\nexit 0\n", "bad_reward"),
        ("echo 7 > $REWARD_FILE\nexit 0\n", "bad_reward"),
        ("rm $REWARD_FILE\nln -s /etc/passwd $REWARD_FILE\n", "bad_reward"),
    ):
        verdict = scripted(lab, Script(verifier=text), good)
        assert isinstance(verdict, NotGraded) and verdict.cause == cause, (text, verdict)
    hang = scripted(lab, Script(verifier="sleep 100\nexit 0\n", timeout_s=1), good)
    assert (hang.passed, hang.label) == (False, "timeout")


def test_prewritten_rewards_do_not_count_and_are_told(lab: Lab) -> None:
    """Harbor's place of rewards, brought along by the work itself."""
    task = msgspec.structs.replace(lab.task(), collect=(Collect("logs", "tree", "/work/logs"),))
    logs = tree({"verifier/reward.txt": b"1\n", "verifier/reward.json": b'{"reward": 1}'})
    places = ("/work/logs/verifier/reward.json", "/work/logs/verifier/reward.txt")
    silent = Script(verifier="true\nexit 0\n", reward=places, verdict="reward")
    verdict = lab.verdict(silent, task, logs=logs)
    assert isinstance(verdict, NotGraded) and verdict.cause == "bad_reward"
    honest = Script(verifier="echo 0 > /work/logs/verifier/reward.txt\n", reward=places, verdict="reward")
    grade = lab.grade(honest, task, logs=logs)
    assert not grade.passed and {f"prewritten_reward: {p}" for p in places} <= set(grade.flags)


def test_what_a_tree_must_not_bring_is_left_out_and_told(lab: Lab) -> None:
    passwd = link("passwd", "/etc/passwd")
    artifact = tree(
        {
            "answer.txt": b"42\n",
            "passwd": passwd,
            "hard": link("hard", "../../etc/shadow", tarfile.LNKTYPE),
            "pipe": link("pipe", "", tarfile.FIFOTYPE),
            "../outside": b"x",
            "inside": link("inside", "answer.txt"),
            "d/" * 2500 + "deep": b"x",
            "from-the-top": link("from-the-top", "/work/repo/answer.txt"),
            "a/b/top": link("a/b/top", "../.."),
            "chain": link("chain", "a/b/top/../hidden"),
            "from-the-top-out": link("from-the-top-out", "/work/repo/../hidden"),
        }
    )
    check = "cd /work/repo\ntest ! -e passwd && test ! -e hard && test ! -e pipe && test ! -e ../outside || exit 1\n" \
            "test -L inside && test ! -u answer.txt && test $(cat inside) = 42 && test $(cat from-the-top) = 42\n" \
            "test ! -L chain && test ! -L from-the-top-out\n"  # fmt: skip
    grade = scripted(lab, Script(verifier=check), artifact)
    assert grade.passed, grade
    words = {flag.partition(":")[0] for flag in grade.flags}
    assert words == {"symlink", "hard_link", "special_file", "unsafe_path"}


def test_the_work_cannot_bring_its_own_verifier(lab: Lab) -> None:
    task = msgspec.structs.replace(lab.task(), collect=(Collect("tests", "tree", "/work/tests"),))
    own = tree({"test.sh": b"exit 0\n", "helper.sh": b"exit 0\n"})
    grader = Script(verifier={"test.sh": "test ! -e /work/tests/helper.sh || exit 0\nexit 1\n"}, place="/work/tests")
    grade = lab.grade(grader, task, tests=own)
    assert not grade.passed and "protected_path: /work/tests/test.sh" in grade.flags


def test_a_program_of_the_work_cannot_reach_the_reward_of_another_user(lab: Lab) -> None:
    """The box's own user, as which a program of the work would run by itself, sees neither verifier nor reward."""
    probe = 'stat -c "%U %a" "$(dirname "$REWARD_FILE")" "$(dirname "$0")" >&2\nls -ld "$(dirname "$REWARD_FILE")" | grep -q ^drwx------\n'
    grade = scripted(lab, Script(verifier=probe), tree({}))
    assert grade.passed, grade
