"""Work that silences, reads, rewrites or ends the verifier that runs it, where the two are one user and where not."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from grading_lab import ROOT, Lab
from test_attacks_on_programs import tree

from harness.api import Grade, Json, NotGraded, Verdict
from harness.graders.script import Script
from harness.records.task import Collect

pytestmark = pytest.mark.docker
RIGHT = "echo forty-two\n"
SOLUTION: Json = {"files": {f"{ROOT}/run.sh": RIGHT}}
IN_PARTS = """test "$(RUN bash run.sh)" = forty-two && right=1
python3 -c 'import sys, time; time.sleep(0.5); print(sys.argv[1])' ${right:-0} > "$HOME/word"
[ -s "$HOME/word" ] && cat "$HOME/word" > "$REWARD_FILE"
exit 0
"""
FILE_BETWEEN = """RUN bash run.sh > "$HOME/said"
sleep 0.5
grep -qx forty-two "$HOME/said" && right=1
echo ${right:-0} > "$REWARD_FILE"
exit 0
"""
IN_PYTHON = """import os, subprocess
RIGHT, WRONG = '{"reward": 1.0, "it": "is right"}', '{"reward": 0.0, "it": "is wrong"}'
said = subprocess.run("RUN bash run.sh".split(), capture_output=True, text=True).stdout.strip()
with open(os.environ["REWARD_FILE"], "w") as out:
    out.write(RIGHT if said == "forty-two" else WRONG)
"""
BY_CODE = """import subprocess, sys
WANTED = "forty-two, and no more"
said = subprocess.run("RUN bash run.sh".split(), capture_output=True, text=True).stdout.strip()
sys.exit(0 if said + ", and no more" == WANTED else 1)
"""
SELF = 'REWARD_FILE=${REWARD_FILE:-/nowhere}; says() { echo 1 > "$REWARD_FILE"; }\n'
IN_MEMORY = """import os, re, sys
old, new = sys.argv[1].encode(), sys.argv[2].encode()
pid = os.getppid()
while pid > 1:
    try:
        maps, memory = open(f"/proc/{pid}/maps").read(), open(f"/proc/{pid}/mem", "r+b", 0)
    except OSError:
        maps = ""
    for line in maps.splitlines():
        span, mode = line.split()[:2]
        start, end = (int(n, 16) for n in span.split("-"))
        try:
            if mode.startswith("rw"):
                memory.seek(start)
                for found in re.finditer(re.escape(old), memory.read(end - start)):
                    memory.seek(start + found.start())
                    memory.write(new)
        except OSError:
            continue
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
"""


@dataclass(frozen=True, slots=True)
class Attack:
    """A verifier, and work that is wrong and gets round it where both are one user."""

    verifier: str
    run: str
    late: str = ""
    name: str = "verify.sh"

    def files(self) -> dict[str, str]:
        """The work's."""
        start = "setsid bash late.sh >/dev/null 2>&1 </dev/null &\n" if self.late else ""
        return {"run.sh": start + self.run, "late.sh": SELF + self.late, "memory.py": IN_MEMORY}


ATTACKS = {
    "ends the part that finds the word": Attack(
        IN_PARTS,
        "echo no\n",
        "for i in $(seq 300); do for p in /proc/[0-9]*; do\n"
        'grep -q time.sleep $p/cmdline && kill -9 "${p#/proc/}" && says && exit\ndone; sleep 0.01; done\n',
    ),
    "takes its open files": Attack(
        FILE_BETWEEN, 'prlimit --pid $PPID --nofile=3:3; echo 1 > "${REWARD_FILE:-/nowhere}"; echo no\n'
    ),
    "writes into its memory": Attack(
        IN_PYTHON, "python3 memory.py '{\"reward\": 0.0, ' '{\"reward\": 1.0, '\n", name="verify.py"
    ),
    "writes what is wanted into its memory": Attack(
        BY_CODE, "python3 memory.py 'forty-two, and' 'no answer, and'; echo no answer\n", name="verify.py"
    ),
    "reads what is wanted": Attack(
        BY_CODE,
        'for p in /proc/[0-9]*; do for f in $(tr "\\0" " " < "$p/cmdline"); do\n'
        '[ -f "$f" ] && sed -n \'s/^WANTED = "\\([a-z-]*\\).*/\\1/p\' "$f"\ndone; done 2>/dev/null | head -1\n',
        name="verify.py",
    ),
    "writes into a file between": Attack(
        FILE_BETWEEN,
        "echo no\n",
        'for i in $(seq 200); do [ -s "$(dirname "$REWARD_FILE")/home/said" ] && break; sleep 0.005; done\nsleep 0.1\n'
        'echo forty-two > "$(dirname "$REWARD_FILE")/home/said"\n',
    ),
    "writes the reward": Attack(IN_PARTS.replace("cat ", "sleep 0.5; exit 0; cat "), "echo no\n", "says\n"),
}


def judged(lab: Lab, attack: Attack, *, as_work: bool, right: bool = False) -> Verdict:
    """The verdict on the attack, or on right work."""
    task = msgspec.structs.replace(lab.task(SOLUTION), collect=(Collect("left", "tree", ROOT),))
    text = attack.verifier.replace("RUN ", "as-work " if as_work else "")
    grader = Script(verifier={attack.name: text}, as_work=as_work, verdict="exit_code" if "exit(" in text else "reward")
    files = {"run.sh": RIGHT} if right else attack.files()
    return lab.verdict(grader, task, left=tree({path: text.encode() for path, text in files.items()}))


@pytest.mark.parametrize("how", [name for name in ATTACKS if name != "writes the reward"])
def test_work_that_runs_as_its_verifier_gets_round_it_and_the_grade_is_weak(lab: Lab, how: str) -> None:
    """The control: each attack is one. It is why such a grade is weak."""
    grade = judged(lab, ATTACKS[how], as_work=False)
    assert isinstance(grade, Grade) and grade.passed and grade.weak, grade


@pytest.mark.parametrize("how", ATTACKS)
def test_work_that_runs_as_another_user_does_not(lab: Lab, how: str) -> None:
    grade = judged(lab, ATTACKS[how], as_work=True)
    if how == "writes the reward":  # nobody writes one: what would be heard is the work's alone
        assert isinstance(grade, NotGraded), grade
        return
    assert isinstance(grade, Grade) and not grade.passed, grade
    right = judged(lab, ATTACKS[how], as_work=True, right=True)
    assert isinstance(right, Grade) and right.passed and not right.weak, right
