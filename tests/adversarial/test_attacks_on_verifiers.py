"""Work that the verifier of a task runs, against that verifier: on a real engine."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from grading_lab import ROOT, Lab, change
from test_attacks_on_programs import tree

from harness.api import Grade, Json, NotGraded
from harness.graders.script import Script
from harness.records.task import Collect

pytestmark = pytest.mark.docker
SOLUTION: Json = {"files": {f"{ROOT}/run.sh": "echo 42\n"}}
RUNS = 'said=$(bash run.sh)\ntest "$said" = 42\n'
FIND = "verifier=$(tr '\\0' '\\n' < /proc/$PPID/cmdline | grep verify.sh)\n"


def judged(lab: Lab, grader: Script, run: str | None, reference: Json = SOLUTION) -> Any:
    """The verdict on a tree with this program; None for a tree without one."""
    task = msgspec.structs.replace(lab.task(reference), collect=(Collect("left", "tree", ROOT),))
    return lab.verdict(grader, task, left=tree({} if run is None else {"run.sh": run.encode()}))


def test_right_work_passes_and_wrong_work_does_not(lab: Lab) -> None:
    assert judged(lab, Script(verifier=RUNS), "echo 42\n").passed
    wrong = judged(lab, Script(verifier=RUNS), "echo 41\n")
    assert isinstance(wrong, Grade) and not wrong.passed


@pytest.mark.parametrize("user", ["54321:54321", "box"])
def test_the_work_cannot_rewrite_the_verifier(lab: Lab, user: str) -> None:
    """Its files are root's, in a folder of root's: neither written, nor made writable, nor replaced."""
    attack = (
        "exec 2>/dev/null; " + FIND + 'chmod u+w "$verifier" "$(dirname "$verifier")"\n'
        "printf 'exit 0\\n%.0s' $(seq 99) > \"$verifier\"\n"
        'rm -f "$verifier"; echo exit 0 > "$verifier"\nmv "$(dirname "$verifier")" /tmp/away\n'
    )
    # Bash reads a script as it runs: without the mend, lines appended here are run.
    grade = judged(lab, Script(verifier="bash run.sh\n: here\nexit 1\n", user=user), attack)
    assert isinstance(grade, Grade) and not grade.passed, grade


def test_a_verifier_that_runs_as_root_is_compared_with_what_was_laid_down(lab: Lab) -> None:
    attack = FIND + 'chmod u+w "$verifier"; printf "exit 0\\n%.0s" $(seq 99) > "$verifier"\n'
    solved: Json = {"files": {f"{ROOT}/run.sh": "true\n"}}
    grader = Script(verifier="bash run.sh\n" + ": here\n" * 9 + "exit 0\n", user="0")
    grade = judged(lab, grader, attack, solved)
    assert isinstance(grade, Grade), grade
    assert (grade.passed, grade.label) == (False, "tampered")
    assert any(f.startswith("tampered: the verifier's file") for f in grade.flags)
    without = judged(lab, grader, attack, "no solution in a box")
    assert isinstance(without, Grade) and without.label == "tampered"


def test_a_reward_beside_a_killed_verifier_does_not_count(lab: Lab) -> None:
    verifier = 'bash run.sh\ntest -s "$REWARD_FILE" || echo 0 > "$REWARD_FILE"\n'
    attack = 'echo 1 > "$REWARD_FILE"\nkill -9 $PPID\n'
    solved: Json = {"files": {f"{ROOT}/run.sh": 'echo 1 > "$REWARD_FILE"\n'}}
    grade = judged(lab, Script(verifier=verifier, verdict="reward"), attack, solved)
    assert isinstance(grade, Grade) and (grade.passed, grade.label) == (False, "tampered"), grade
    right = judged(lab, Script(verifier=verifier, verdict="reward"), 'echo 1 > "$REWARD_FILE"\n', solved)
    assert right.passed and right.weak


UNGRADABLE = {
    "no program": None,
    "exit 127": "exit 127\n",
    "not executable": "exit 126\n",
}


@pytest.mark.parametrize("how", UNGRADABLE)
def test_failed_work_cannot_make_itself_ungradable(lab: Lab, how: str) -> None:
    grader = Script(verifier="bash run.sh\n")
    grade = judged(lab, grader, UNGRADABLE[how])
    assert isinstance(grade, Grade), grade
    assert (grade.passed, grade.label) == (False, "failed")
    doubt = judged(lab, grader, UNGRADABLE[how], "no solution in a box")
    assert isinstance(doubt, NotGraded) and "there is no solution" in doubt.detail


@pytest.mark.parametrize("attack", ["true\n", 'echo lots > "$REWARD_FILE"\n', 'echo 7 > "$REWARD_FILE"\n'])
def test_a_reward_that_is_no_reward_is_held_against_the_work(lab: Lab, attack: str) -> None:
    solved: Json = {"files": {f"{ROOT}/run.sh": 'echo 1 > "$REWARD_FILE"\n'}}
    grade = judged(lab, Script(verifier="bash run.sh\nexit 0\n", verdict="reward"), attack, solved)
    assert isinstance(grade, Grade), grade
    assert (grade.passed, grade.label) == (False, "failed")
    assert any(f.startswith("bad_reward") for f in grade.flags)


def test_a_verifier_that_fails_on_the_solution_too_is_no_verdict(lab: Lab) -> None:
    found = judged(lab, Script(verifier="no-such-program\nexit $?\n"), "echo 42\n")
    assert isinstance(found, NotGraded) and found.cause == "environment"
    assert "on the solution" in found.detail and "no-such-program" in found.detail
    unsolved = judged(lab, Script(verifier="no-such-program\nexit $?\n"), "echo 42\n", {"patch": change({
        "gone.py": "x"}, {"gone.py": "y"}).decode()})  # fmt: skip
    assert isinstance(unsolved, NotGraded) and "does not apply" in unsolved.detail


LATE = {
    "writes again and again": '(while :; do echo 1 > "$REWARD_FILE"; done) >/dev/null 2>&1 </dev/null &\n',
    "stays and writes once": '(while ! [ -s "$REWARD_FILE" ]; do :; done; echo 1 > "$REWARD_FILE"; exec sleep 60) '
    ">/dev/null 2>&1 </dev/null &\n",
}
ASKS = 'right=0\n[ "$(cat right)" = yes ] && right=1\nbash run.sh\necho $right > "$REWARD_FILE"\nsleep 0.3\n'


@pytest.mark.parametrize("how", LATE)
def test_what_goes_on_beside_a_reward_makes_it_worth_nothing_unless_the_solution_leaves_it_too(
    how: str, lab: Lab
) -> None:
    """A process of the verifier's user that outlives it may write the reward after its last word."""
    solved: Json = {"files": {f"{ROOT}/right": "yes\n", f"{ROOT}/run.sh": "true\n"}}
    grader = Script(verifier=ASKS, verdict="reward")
    grade = judged(lab, grader, LATE[how], solved)
    assert isinstance(grade, Grade) and not grade.passed, grade
    assert any(flag.startswith("left_running: ") for flag in grade.flags), grade


def test_a_service_that_the_solution_leaves_running_too_is_no_forgery(lab: Lab) -> None:
    serves = "sleep 60 >/dev/null 2>&1 </dev/null &\n"
    solved: Json = {"files": {f"{ROOT}/run.sh": serves}}
    verifier = 'bash run.sh\necho 1 > "$REWARD_FILE"\n'
    grade = judged(lab, Script(verifier=verifier, verdict="reward"), serves, solved)
    assert isinstance(grade, Grade) and grade.passed and grade.weak, grade
    assert any(flag.startswith("left_running: ") for flag in grade.flags), grade
