"""Task QA of tasks that need no box, from YAML to verdict; the command; quarantine; the cache."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from check_lab import CheckLab, found

from harness.cli.check_cmd import quarantined
from harness.cli.main import main
from harness.config.load import load_suite
from harness.config.quarantine import Entry, read_quarantine, render_quarantine
from harness.errors import ConfigError
from harness.qa.cache import FOLDER, PROGRAM, CheckCache, code_digest
from harness.qa.findings import Finding, TaskCheck
from harness.qa.suite import Checking
from harness.qa.task import Options

SOUND = {"prompt": "How many days has the customer?", "reference": "14 days", "graders": ["match"]}
CHANCE = """
import itertools
from harness.api import Grade, Grader

TURN = itertools.count()


class Chance(Grader):
    \"\"\"Passes the reference, with another value each time.\"\"\"

    async def grade(self, work):
        if work.output.answer is None:
            return Grade(0.0, False)
        return Grade(1 / (2 + next(TURN)), True)
"""
LOOSE = """
from harness.api import Grade, Grader


class Loose(Grader):
    \"\"\"Passes whatever comes.\"\"\"

    async def grade(self, work):
        return Grade(1.0, True)
"""


def test_a_sound_task_is_ok(plain: CheckLab) -> None:
    check = plain.check({"t": SOUND})["t"]
    assert (check.verdict, str(check.reference), str(check.empty)) == ("ok", "2/2", "2/2"), check.findings


@pytest.mark.parametrize(
    ("task", "check", "level", "words"),
    [
        ({**SOUND, "graders": ["graders/chance.py:Chance"]}, "deterministic", "fail", "of the same output"),
        ({**SOUND, "graders": ["graders/loose.py:Loose"]}, "empty", "fail", "an empty answer passes 2 of 2"),
        ({**SOUND, "prompt": "Is it fourteen days or more? The answer is: about 14 days in all.",
          "reference": "about 14 days in all"}, "leak", "warn", "word for word"),
        ({**SOUND, "graders": [{"use": "match", "mode": "regex"}], "reference": "(a|b)+$"},
         "reference", "fail", "the reference fails 2 of 2"),
        ({**SOUND, "canary": "canary-81f2"}, "canary", "info", "not in the prompt"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_told(plain: CheckLab, task: dict[str, object], check: str, level: str, words: str) -> None:
    plain.write("graders/chance.py", CHANCE)
    plain.write("graders/loose.py", LOOSE)
    done = plain.check({"t": task})["t"]
    assert any(words in f.what for f in found(done, check, level)), done.findings
    assert done.verdict == {"fail": "fail", "warn": "warn", "info": "ok"}[level]


def test_a_result_is_cached_until_task_or_grader_change(plain: CheckLab) -> None:
    plain.write("graders/loose.py", LOOSE)
    task = {**SOUND, "graders": ["graders/loose.py:Loose"]}
    assert not plain.check({"t": task}, cache=True)["t"].cached
    again = plain.check({"t": task}, cache=True)["t"]
    assert again.cached and again.verdict == "fail" and again.findings
    assert not plain.check({"t": task}, Options(3), cache=True)["t"].cached
    plain.write("graders/loose.py", LOOSE.replace("1.0, True", "0.0, False"))
    assert not plain.check({"t": task}, cache=True)["t"].cached
    (saved, *_) = sorted((plain.root / FOLDER).glob("*.json"))
    for path in (plain.root / FOLDER).glob("*.json"):
        path.write_text("torn{")
    assert saved.exists() and not plain.check({"t": task}, cache=True)["t"].cached


def test_a_result_is_not_taken_from_another_version_of_the_code_that_checks_and_grades(
    plain: CheckLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "harness"
    for package in ("graders", "qa", "report"):
        shutil.copytree(PROGRAM / package, program / package)
    before = code_digest(program)
    code_digest.cache_clear()
    (program / "report" / "text.py").write_text("# another\n")
    assert code_digest(program) == before, "what a report says is no part of a check"
    code_digest.cache_clear()
    (program / "graders" / "match.py").write_text("# another\n")
    assert code_digest(program) != before
    assert not plain.check({"t": SOUND}, cache=True)["t"].cached
    assert plain.check({"t": SOUND}, cache=True)["t"].cached
    monkeypatch.setattr("harness.qa.cache.PROGRAM", program)
    monkeypatch.setattr("harness.qa.cache.code_digest", lambda: code_digest(program))
    assert not plain.check({"t": SOUND}, cache=True)["t"].cached


def test_a_box_that_cannot_be_had_is_unchecked_and_never_cached(
    plain: CheckLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{plain.root}/no.sock")
    task = {**SOUND, "prompt": "word " * 30, "sandbox": {"image": "sandbox"}}
    check = plain.check({"t": task}, cache=True)["t"]
    assert check.verdict == "unchecked" and found(check, "engine")
    assert not list((plain.root / FOLDER).glob("*.json"))


class Noticing(list[TaskCheck]):
    """A list that says when something is put in."""

    def __init__(self, event: asyncio.Event) -> None:
        super().__init__()
        self.event = event

    def append(self, item: TaskCheck) -> None:
        super().append(item)
        self.event.set()


def test_a_stop_begins_no_further_task_and_keeps_what_finished(plain: CheckLab) -> None:
    def watch(checking: Checking) -> Callable[[], None]:
        async def stop_after_one() -> None:
            async with asyncio.timeout(30):
                await first.wait()
            checking.stop()

        first = asyncio.Event()
        checking.done = Noticing(first)
        watching = asyncio.get_running_loop().create_task(stop_after_one())
        return lambda: watching.cancel() and None

    checks = plain.check({f"t{i}": SOUND for i in range(200)}, watch=watch)
    assert 0 < len(checks) < 200 and all(c.verdict == "ok" for c in checks.values())


def run(lab: CheckLab, *words: str) -> int:
    return main(["check", "--suite", "own", "--workspace", str(lab.root), "--quiet", *words])


def test_exit_codes(plain: CheckLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plain.write("graders/loose.py", LOOSE)
    plain.suite({"good": SOUND, "bad": {**SOUND, "graders": ["graders/loose.py:Loose"]}})
    assert run(plain, "--task", "good") == 0
    assert run(plain) == 1
    assert run(plain, "--repeats", "0") == 2
    assert run(plain, "--task", "nothing-like-it") == 5
    monkeypatch.setenv("DOCKER_HOST", f"unix://{plain.root}/no.sock")
    plain.suite({"boxed": {**SOUND, "sandbox": {"image": "sandbox"}}})
    assert run(plain) == 3
    assert "no container engine answers" in capsys.readouterr().out


def test_json_and_table_name_verdict_and_reason(plain: CheckLab, capsys: pytest.CaptureFixture[str]) -> None:
    plain.write("graders/loose.py", LOOSE)
    plain.suite({"good": SOUND, "bad": {**SOUND, "graders": ["graders/loose.py:Loose"]}})
    run(plain, "--json")
    told = {t["task"]: t for t in json.loads(capsys.readouterr().out)["tasks"]}
    assert told["good"]["verdict"] == "ok" and told["bad"]["verdict"] == "fail"
    assert told["bad"]["findings"][0]["check"] == "empty"
    run(plain)
    shown = capsys.readouterr()
    assert "an empty answer passes 3 of 3" in shown.out and "2 tasks: 1 ok, 1 fail" in shown.out
    assert "`--quarantine` would write tasks/own/quarantine.yaml" in shown.err


def test_quarantine_marks_failing_tasks_until_they_are_proven(
    plain: CheckLab, capsys: pytest.CaptureFixture[str]
) -> None:
    plain.write("graders/loose.py", LOOSE)
    plain.suite({"good": SOUND, "bad": {**SOUND, "graders": ["graders/loose.py:Loose"]}})
    assert not (plain.root / "tasks/own/quarantine.yaml").exists()
    assert run(plain, "--quarantine", "--owner", "ann: of #2") == 1
    suite = load_suite(plain.root, "own")
    assert {t.id: t.tags for t in suite.tasks} == {"good": (), "bad": ("quarantined",)}
    entry = read_quarantine(plain.root / "tasks/own/quarantine.yaml", "q")["bad"]
    assert entry.owner == "ann: of #2" and "an empty answer passes" in entry.reason
    assert entry.since < entry.expires
    main(["list", "tasks", "--workspace", str(plain.root)])
    assert "quarantined" in capsys.readouterr().out
    plain.suite({"good": SOUND, "bad": SOUND})
    assert run(plain, "--quarantine") == 0
    assert load_suite(plain.root, "own").tasks[1].tags == ()


def entry(**more: str) -> Entry:
    return Entry(
        **{"task": "t", "reason": "flaky", "owner": "ann", "since": "2026-01-01", "expires": "2026-01-15", **more}
    )


def test_an_entry_past_its_date_no_longer_counts_and_is_told(plain: CheckLab) -> None:
    plain.suite({"t": SOUND})
    plain.write(
        "tasks/own/quarantine.yaml", render_quarantine({"t": entry(), "gone": entry(task="gone", expires="2999-01-01")})
    )
    suite = load_suite(plain.root, "own")
    assert suite.tasks[0].tags == ()
    assert any("ended on 2026-01-15: flaky" in note for note in suite.notes)
    assert any("'gone' is under quarantine and is no task" in note for note in suite.notes)


def test_a_faulty_quarantine_file_is_told_with_its_place(plain: CheckLab) -> None:
    plain.suite({"t": SOUND})
    plain.write("tasks/own/quarantine.yaml", 'quarantine:\n  - task: t\n    resaon: x\n    expires: "soon"\n')
    with pytest.raises(ConfigError) as told:
        load_suite(plain.root, "own")
    text = told.value.render()
    assert "tasks/own/quarantine.yaml:3" in text and "quarantine.yaml:4" in text and "reason" in text


def test_quarantine_keeps_dates_while_it_counts_and_lets_proven_tasks_out() -> None:
    def checked(id: str, verdict: str) -> TaskCheck:
        findings = (Finding("empty", "fail", "new words"),) if verdict == "fail" else ()
        return TaskCheck(task=id, verdict=verdict, findings=findings)  # type: ignore[arg-type]

    before = {id: entry(task=id) for id in ("still", "mended", "unseen", "unsure")}
    checks = [
        checked("still", "fail"),
        checked("mended", "warn"),
        checked("new", "fail"),
        checked("unsure", "unchecked"),
    ]
    now = datetime(2026, 1, 10, tzinfo=UTC)
    after = quarantined(before, checks, "", 14, now)
    assert sorted(after) == ["new", "still", "unseen", "unsure"]
    assert (after["still"].since, after["still"].expires, after["still"].owner) == ("2026-01-01", "2026-01-15", "ann")
    assert after["still"].reason == "empty: new words" and after["unsure"] == before["unsure"]
    assert (after["new"].since, after["new"].expires) == ("2026-01-10", "2026-01-24")
    over = quarantined(before, checks[:1], "bob", 7, datetime(2026, 2, 1, tzinfo=UTC))
    assert (over["still"].since, over["still"].expires, over["still"].owner) == ("2026-02-01", "2026-02-08", "bob")


def test_the_suite_mine_is_proven(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    suite = load_suite(root, "mine")
    tasks = [t for t in suite.tasks if t.sandbox is None]
    options = Options(2, judges=True)  # the judges of `mine` are scripted: nothing is paid
    checking = Checking(suite, tasks, options, CheckCache(tmp_path, on=False))
    checks = asyncio.run(checking.run(lambda _: lambda: None))
    assert len(checks) == len(tasks) > 30
    assert [(c.task, c.reason) for c in checks if c.verdict not in ("ok", "warn")] == []
