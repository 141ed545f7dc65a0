"""Work that writes the reward of a verifier that runs it, and honest work and verifiers that look like it."""

from __future__ import annotations

import msgspec
import pytest
from grading_lab import ROOT, Lab
from test_attacks_on_programs import tree

from harness.api import Grade, Json, NotGraded, Verdict
from harness.graders.script import Script
from harness.records.task import Collect

pytestmark = pytest.mark.docker
SOLUTION: Json = {"files": {f"{ROOT}/right": "yes\n", f"{ROOT}/run.sh": "true\n"}}
ASKS = '[ "$(cat right)" = yes ] && right=1\nbash run.sh\necho ${right:-0} > "$REWARD_FILE"\n'
SLOW = ASKS.replace("echo", "sleep 0.3\necho") + "sleep 1\n"
SAYS = ASKS + "touch /tmp/said\nsleep 1\n"
AFTER = 'while [ ! -e /tmp/said ]; do sleep 0.01; done; echo 1 > "$REWARD_FILE"\n'
THEN = 'for i in $(seq 400); do [ ! -s "$REWARD_FILE" ] || break; sleep 0.005; done; echo 1 > "$REWARD_FILE"\n'
"""Waits for the verifier's word, at most 2 s, and writes over it; ends."""
TOLD = ("tampered: the reward was written 2 times", "reward_differs: 1 in its file, 0 when the verifier was heard")
TELLS = ("tampered: ", "left_running: ", "came_and_went: ")
QUIET = ">/dev/null 2>&1 </dev/null"


def judged(lab: Lab, grader: Script, files: dict[str, str], reference: Json = SOLUTION) -> Verdict:
    """The verdict on a tree of these files."""
    task = msgspec.structs.replace(lab.task(reference), collect=(Collect("left", "tree", ROOT),))
    return lab.verdict(grader, task, left=tree({path: text.encode() for path, text in files.items()}))


SITE = "import os, sys\nif os.fork() == 0:\n    os.setsid()\n    os.execvp('bash', ['bash', '/work/repo/late.sh'])\n"
POLL = """import ctypes, os, select
libc = ctypes.CDLL(None)
path = os.environ["REWARD_FILE"]
watch = libc.inotify_init()
libc.inotify_add_watch(watch, os.path.dirname(path).encode(), 0x8 | 0x2)
open("/tmp/ready", "w").close()
select.select([watch], [], [], 2)
open(path, "w").write("1")
"""
READY = "while [ ! -e /tmp/ready ]; do sleep 0.01; done\n"
NOISY = "exec >/dev/null 2>&1 </dev/null\n"
WRITERS: dict[str, dict[str, str]] = {
    "in the background": {"run.sh": f"({THEN}) {QUIET} &\n"},
    "forked twice": {"run.sh": f"(({THEN}) {QUIET} &) {QUIET} &\n"},
    "a session of its own": {"run.sh": f"setsid bash late.sh {QUIET} &\n", "late.sh": THEN},
    "woken by inotify": {"run.sh": f"setsid python3 late.py {QUIET} &\n{READY}", "late.py": POLL},
    "replaces the file": {
        "run.sh": f"setsid bash late.sh {QUIET} &\n",
        "late.sh": THEN.replace('echo 1 > "$REWARD_FILE"', 'echo 1 > "$REWARD_FILE.x"; mv -f "$REWARD_FILE.x" '
                                '"$REWARD_FILE"'),
    },
    "from a module that Python loads": {
        "run.sh": f"PYTHONPATH=. python3 -c '' {QUIET}\n", "sitecustomize.py": SITE, "late.sh": NOISY + THEN,
    },
    "from a start-up file": {
        "run.sh": f"BASH_ENV=late.rc bash -c true {QUIET}\n", "late.rc": f"unset BASH_ENV; ({THEN}) {QUIET} &\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("how", WRITERS)
def test_a_writer_that_waits_for_the_verifiers_word_leaves_it_as_it_was(lab: Lab, how: str) -> None:
    grader = Script(verifier=SLOW, verdict="exit_code" if how == "in the background" else "reward")
    grade = judged(lab, grader, {"right": "no\n", **WRITERS[how]})
    assert isinstance(grade, Grade) and not grade.passed, grade
    assert grade.value == 0.0 and any(flag.startswith(TOLD) for flag in grade.flags), grade


@pytest.mark.parametrize("how", WRITERS)
def test_a_writer_beside_right_work_is_told_of(lab: Lab, how: str) -> None:
    grade = judged(lab, Script(verifier=SLOW, verdict="reward"), {"right": "yes\n", **WRITERS[how]})
    assert isinstance(grade, Grade) and any(flag.startswith(TELLS) for flag in grade.flags), grade


def test_a_writer_that_comes_after_the_verifiers_word_is_heard_beside_it(lab: Lab) -> None:
    files = {"right": "no\n", "run.sh": f"({AFTER}) {QUIET} &\n"}
    grade = judged(lab, Script(verifier=SAYS, verdict="reward"), files)
    assert isinstance(grade, Grade) and (grade.value, grade.label) == (0.0, "tampered"), grade
    assert any(flag.startswith("tampered: the reward was written 2 times") for flag in grade.flags), grade


def test_a_server_that_the_verifier_started_itself_cannot_write_either(lab: Lab) -> None:
    """No orphan: it is a child of the verifier, which ends it."""
    verifier = '[ "$(cat right)" = yes ] && right=1\nbash serve.sh &\necho ${right:-0} > "$REWARD_FILE"\n' \
               "touch /tmp/said\nsleep 1\nkill $!\nwait\nexit 0\n"  # fmt: skip
    solved: Json = {"files": {f"{ROOT}/right": "yes\n", f"{ROOT}/serve.sh": "exec sleep 60\n"}}
    grader = Script(verifier=verifier, verdict="reward")
    right = judged(lab, grader, {"right": "yes\n", "serve.sh": "exec sleep 60\n"}, solved)
    assert isinstance(right, Grade) and right.passed, right
    forged = judged(lab, grader, {"right": "no\n", "serve.sh": AFTER}, solved)
    assert isinstance(forged, Grade) and (forged.value, forged.label) == (0.0, "tampered"), forged


def test_a_partial_reward_that_was_raised_is_worth_nothing(lab: Lab) -> None:
    grader = Script(verifier=SAYS, verdict="reward")
    run = f"({AFTER.replace('echo 1 >', 'echo 0.9 >')}) {QUIET} &\n"
    grade = judged(lab, grader, {"right": "no\n", "run.sh": run})
    assert isinstance(grade, Grade) and (grade.value, grade.label) == (0.0, "tampered"), grade


EARLY = {"closed": 'printf 1e- > "$REWARD_FILE"', "held open": 'exec 3> "$REWARD_FILE"; printf 1e- >&3; sleep 0.5'}


@pytest.mark.parametrize("how", EARLY)
@pytest.mark.parametrize("word", ["0", "0\n"])
def test_words_that_make_one_number_together_are_two(lab: Lab, how: str, word: str) -> None:
    """`1e-` before the verifier's `0` would be 1."""
    verifier = 'bash run.sh\nsleep 0.3\nprintf "%b" "$(cat right)" > "$REWARD_FILE"\nsleep 0.3\n'
    solved: Json = {"files": {f"{ROOT}/right": "1\\n", f"{ROOT}/run.sh": "true\n"}}
    run = f'(if [ -p "$REWARD_FILE" ]; then {EARLY[how]}; else {THEN} fi) {QUIET} &\n'
    files = {"right": word.replace("\n", "\\n"), "run.sh": run}
    grade = judged(lab, Script(verifier=verifier, verdict="reward"), files, solved)
    assert isinstance(grade, Grade) and (grade.passed, grade.label) == (False, "tampered"), grade


def test_a_writer_that_keeps_quiet_at_a_pipe_leaves_the_verifiers_word(lab: Lab) -> None:
    run = f'([ -p "$REWARD_FILE" ] && exit; {THEN}) {QUIET} &\n'
    grade = judged(lab, Script(verifier=SLOW, verdict="reward"), {"right": "no\n", "run.sh": run})
    assert isinstance(grade, Grade) and (grade.value, grade.label) == (0.0, "failed"), grade


def test_a_writer_that_floods_the_pipe_holds_nobody_up(lab: Lab) -> None:
    run = f'([ -p "$REWARD_FILE" ] && for i in $(seq 3000); do echo 1 > "$REWARD_FILE"; done; {THEN}) {QUIET} &\n'
    grade = judged(lab, Script(verifier=SLOW, verdict="reward", timeout_s=20), {"right": "no\n", "run.sh": run})
    assert isinstance(grade, Grade) and (grade.value, grade.label) == (0.0, "tampered"), grade


AS_ROOT = """import os, time
path = os.environ["REWARD_FILE"]
grade = "/" + path.split("/")[1]
if not os.stat(path).st_mode & 0o010000 or os.stat(path).st_mode & 0o100000:
    open("/tmp/ready", "w").close()
    while not os.path.exists("/tmp/said"):
        time.sleep(0.005)
    open(path, "w").write("1")
    raise SystemExit
os.rename(grade, grade + "x")
os.makedirs(os.path.dirname(path))
open("/tmp/ready", "w").close()
for _ in range(400):
    if os.path.exists(path) and os.stat(path).st_size:
        break
    time.sleep(0.005)
open(path.replace(grade, grade + "x"), "w").write("1")
os.unlink(path)
os.rmdir(os.path.dirname(path))
os.rmdir(grade)
os.rename(grade + "x", grade)
"""


def test_root_cannot_move_the_reward_away_and_back(lab: Lab) -> None:
    grader = Script(verifier=SAYS, verdict="reward", user="0")
    files = {"right": "no\n", "run.sh": f"python3 late.py {QUIET} &\n{READY}", "late.py": AS_ROOT}
    grade = judged(lab, grader, files)
    assert isinstance(grade, Grade) and (grade.passed, grade.label) == (False, "tampered"), grade


RESTORED = """verifier=$(tr '\\0' '\\n' < /proc/$PPID/cmdline | grep verify.sh)
cp "$verifier" /tmp/as-it-was
chmod u+w "$verifier"
printf 'bash run.sh\\necho 1 > "$REWARD_FILE"; cat /tmp/as-it-was > "$0"; exit 0\\n' > "$verifier"
"""


def test_root_cannot_rewrite_the_verifier_and_put_it_back(lab: Lab) -> None:
    """Bash reads a script as it runs; the last line that it reads puts the file back as it was."""
    honest = "bash run.sh\n[ -e right ] && right=1\n" + 'echo ${right:-0} > "$REWARD_FILE"; exit 0\n' * 20
    forged = judged(lab, Script(verifier=honest, verdict="reward", user="0"), {"run.sh": RESTORED})
    assert isinstance(forged, Grade) and (forged.passed, forged.label) == (False, "tampered"), forged
    assert any("files of the verifier were changed" in flag for flag in forged.flags), forged


TRIES = """exec >/dev/null 2>&1 </dev/null
folder=$(dirname "$REWARD_FILE")
echo 1 > "$REWARD_FILE"
while :; do
  cat "$REWARD_FILE" &
  for p in /proc/[0-9]*; do
    case $(cat $p/comm) in dd | cat) kill -9 ${p#/proc/}; kill -STOP ${p#/proc/}; cat $p/fd/0 & ;; esac
  done
  chmod 666 "$REWARD_FILE" "$folder"; chown 0 "$REWARD_FILE"; rm -f "$REWARD_FILE"; mv "$REWARD_FILE" /tmp
  mv "$folder" "$folder.x"; ln -f "$REWARD_FILE" /tmp/x; cat /tmp/x &
done
"""


@pytest.mark.parametrize("user", ["54321:54321", "0"])
def test_the_verifiers_word_cannot_be_taken_out_of_the_pipe_nor_its_reader_ended(lab: Lab, user: str) -> None:
    """Neither by the verifier's user nor by root, who has no capability. One word of two would be enough."""
    run = f'if [ -p "$REWARD_FILE" ]; then bash tries.sh & sleep 1; else ({THEN}) {QUIET} & fi\n'
    files = {"right": "no\n", "run.sh": run, "tries.sh": TRIES}
    grade = judged(lab, Script(verifier=SLOW, verdict="reward", user=user), files)
    assert isinstance(grade, Grade) and (grade.passed, grade.label) == (False, "tampered"), grade
    why = "the reward was written 2 times" if user != "0" else ""  # root moves the folder away, which is found as well
    assert any(flag.startswith(f"tampered: {why}") for flag in grade.flags), grade


HONEST = {
    "a process that outlives its parent and ends": "(sleep 0.05 &) >/dev/null 2>&1 </dev/null\n",
    "many of them": "for i in $(seq 9); do (sleep 0.1 &) >/dev/null 2>&1 </dev/null; done\n",
    "one that ends after the word": "(sleep 0.4 &) >/dev/null 2>&1 </dev/null\n",
    "a service that goes on": "sleep 60 >/dev/null 2>&1 </dev/null &\n",
}


@pytest.mark.parametrize("what", HONEST)
def test_honest_work_may_leave_processes(lab: Lab, what: str) -> None:
    grade = judged(lab, Script(verifier=ASKS, verdict="reward"), {"right": "yes\n", "run.sh": HONEST[what]})
    assert isinstance(grade, Grade) and grade.passed and grade.weak, grade


VERIFIERS = {
    "writes twice": 'echo 0 > "$REWARD_FILE"\n' + ASKS,
    "appends": ASKS.replace("> ", ">> "),
    "JSON from Python": ASKS.replace('echo ${right:-0} > "$REWARD_FILE"', "python3 -c \"import json, os; json.dump("
                                     "{'reward': float('${right:-0}')}, open(os.environ['REWARD_FILE'], 'w'))\""),
    "appends with Python": ASKS.replace('echo ${right:-0} > "$REWARD_FILE"', "python3 -c \"import os; "
                                        "open(os.environ['REWARD_FILE'], 'a').write('${right:-0}')\""),
    "through tee": ASKS.replace("> ", "| tee "),
}  # fmt: skip
REPLACERS = {
    "moves a file there": ASKS.replace('> "$REWARD_FILE"', '> x; mv -f x "$REWARD_FILE"'),
    "makes it a default": ASKS + '[ -s "$REWARD_FILE" ] || echo 0 > "$REWARD_FILE"\n',
    "reads it again": ASKS + 'test "$(cat "$REWARD_FILE")" = 1 || echo 0 > "$REWARD_FILE"\n',
}  # fmt: skip


@pytest.mark.parametrize("how", [*VERIFIERS, *REPLACERS])
def test_an_honest_verifier_may_say_its_word_in_any_way(lab: Lab, how: str) -> None:
    grader = Script(verifier=(VERIFIERS | REPLACERS)[how], verdict="reward", workdir="/tmp")
    grader = grader.model_copy(update={"verifier": f"cd {ROOT}\n{grader.verifier}".replace("> x; mv -f x", "> $HOME/x; "
                                       "mv -f $HOME/x")})  # fmt: skip
    right = judged(lab, grader, {"right": "yes\n", "run.sh": "true\n"})
    assert isinstance(right, Grade) and right.passed and right.weak, right
    told = any(flag.startswith("unheard: ") for flag in right.flags)
    assert told == (how in REPLACERS), right
    wrong = judged(lab, grader, {"right": "no\n", "run.sh": "true\n"})
    assert isinstance(wrong, Grade) and (wrong.passed, wrong.value) == (False, 0.0), wrong


def test_without_a_solution_words_that_do_not_agree_are_no_verdict(lab: Lab) -> None:
    grader = Script(verifier=SLOW, verdict="reward")
    plain = judged(lab, grader, {"right": "yes\n", "run.sh": "true\n"}, "no solution in a box")
    assert isinstance(plain, Grade) and plain.passed
    found = judged(lab, grader, {"right": "no\n", **WRITERS["forked twice"]}, "no solution in a box")
    assert isinstance(found, NotGraded) and "no solution" in found.detail, found
    assert "wrote 1 rewards, and the last is 0" in found.detail, found
