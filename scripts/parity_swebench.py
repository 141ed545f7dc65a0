"""Compare our reading of SWE-bench logs with the official program's, on made-up logs.

Needs swebench 5.0.2 beside this tree, in a throw-away environment, for example:

    python3 -m venv /tmp/v && /tmp/v/bin/pip install swebench==5.0.2 msgspec pydantic
    PYTHONPATH=. /tmp/v/bin/python scripts/parity_swebench.py 20000

Prints how many logs and verdicts were compared and how many differ; exits with 1 if any does. Words that are no
status (see `harness/toolkit/swebench.py`) are left out: there we differ on purpose.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from swebench.harness import grading

from harness.toolkit.swebench import NoResult, decide, read_log
from harness.toolkit.swelogs import PARSERS

NAMES = (
    "t.py::a", "t.py::b[x y]", "t.py::c[/tmp/q/z]", "t.py::d[//w]", "test_e (m.C)", "test_f", "mod::g",
    "t.py::h[MouseButton.LEFT]", "[100%]", "[3]", "TestX/sub", "a.b.c",
)  # fmt: skip
ASKED = (*NAMES, "t.py::b[x", "t.py::c[/tm", "missing", "t.py::")
WORDS = ("PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL", "ok", "FAIL", "E", "F", "skipped", "XPASS")
STATUSES = ("PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL")
SHAPES = (
    "{w} {n}", "{n} {w}", "{n} {w} [ 10%]", "{w} {n} - boom - bang", "{n} ... {w}", "{n} ... skipped 'why'",
    "{n} ... noise", "ok", "FAIL: {n}", "ERROR: {n}", "--- PASS: {n} (0.00s)", "--- FAIL: {n} (0.00s)",
    "test {n} ... {w}", "____ {n}.py:{n} ____", "\x1b[31m{w}\x1b[0m {n}", "SKIPPED [3] t.py:4: x", "4 passing",
    "x ... System check identified no issues (0 silenced)", "--version is equivalent to version", "test_q ok", "",
)  # fmt: skip
ENDS = (">>>>> Tests Timed Out", ">>>>> Patch Apply Failed", ">>>>> Reset Failed", ">>>>> Tests Errored")


def made_up(chance: random.Random) -> str:
    """A log: marks that are nearly always there, and lines of every shape a parser looks for."""
    lines = [chance.choice(SHAPES).format(w=chance.choice(WORDS), n=chance.choice(NAMES)) for _ in range(9)]
    body = lines[: chance.randrange(10)]
    start = [">>>>> Start Test Output"] if chance.random() < 0.9 else []
    end = [">>>>> End Test Output"] if chance.random() < 0.9 else []
    code = [f">>>>> Test Exit Code: {chance.choice((0, 0, 1))}"] if chance.random() < 0.5 else []
    bad = [chance.choice(ENDS)] if chance.random() < 0.05 else []
    return "\n".join([*start, *body, *end, *code, *bad])


def main(count: int) -> int:
    """Compare `count` logs."""
    chance, compared, differ = random.Random(7), 0, 0
    path = Path(tempfile.mkdtemp()) / "log"
    for _ in range(count):
        log, parser = made_up(chance), chance.choice(sorted(PARSERS))
        path.write_text(log)
        try:
            wanted = grading.get_logs_eval(SimpleNamespace(log_parser=parser), str(path))
        except IndexError:
            continue  # the official Django parser falls over a bare `FAIL:`
        try:
            found = (read_log(log, parser), True)
        except NoResult:
            found = ({}, False)
        compared += 1
        differ += found != wanted
        statuses = {name: status for name, status in found[0].items() if status in STATUSES}
        asked = {"FAIL_TO_PASS": chance.sample(ASKED, 2), "PASS_TO_PASS": chance.sample(ASKED, 2)}
        for kind, rules in ((grading.EvalType.PASS_AND_FAIL, "official"), (grading.EvalType.FAIL_ONLY, "fail_only")):
            report = grading.get_eval_tests_report(statuses, asked, eval_type=kind)
            official = grading.get_resolution_status(report).removeprefix("RESOLVED_").lower()
            ours = decide(statuses, asked["FAIL_TO_PASS"], asked["PASS_TO_PASS"], rules)
            compared += 1
            differ += ours.resolution != official
    print(f"{compared:,} compared, {differ:,} differ")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
