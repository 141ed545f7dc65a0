"""`harness label` in a real pseudo-terminal, as a person drives it; and what its file promises."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sys
from pathlib import Path

import pytest
from judge_lab import JudgeLab
from test_judging_measured import measured

from harness.cli.main import main
from harness.errors import ConfigError, StoreError
from harness.records.label import Label
from harness.store.label_file import LabelFile
from harness.store.labels import encode_labels, read_labels

READY = b"[q]uit"


class Terminal:
    """`harness` in a pseudo-terminal; `press` sends a key when the next card is there."""

    def __init__(self, workspace: Path, *words: str) -> None:
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        argv = [sys.executable, "-m", "harness.cli.main", *words, "--workspace", str(workspace)]
        self.pid, self.fd = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child becomes the program
            os.execve(argv[0], argv, {**os.environ, "PYTHONPATH": path, "COLUMNS": "100"})
        self.out = b""
        self.seen = 0

    def press(self, key: str) -> None:
        """Wait for the next card, then one key."""
        self.seen += 1
        while self.out.count(READY) < self.seen:
            if not self._more():
                raise AssertionError(f"no card {self.seen}: {self.text}")
        os.write(self.fd, key.encode())

    def type(self, keys: str) -> None:
        """Keys now, without waiting for a card."""
        os.write(self.fd, keys.encode())

    def close(self) -> int:
        """Read to the end; the exit code, or minus the signal."""
        while self._more():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """As a power cut does."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace")

    def _more(self) -> bool:
        ready, _, _ = select.select([self.fd], [], [], 60)
        try:
            data = os.read(self.fd, 65536) if ready else b""
        except OSError:  # the other end is closed
            data = b""
        self.out += data
        return bool(data)


@pytest.fixture
def judged(lab: JudgeLab) -> JudgeLab:
    measured(lab, "first", n=12, answers={"work": "The answer is alpha."})
    return lab


def lines(lab: JudgeLab) -> list[dict[str, object]]:
    (path,) = (lab.workspace / "graders" / "labels").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def label(lab: JudgeLab, *words: str) -> Terminal:
    return Terminal(lab.workspace, "label", "--labeler", "ann", "--seed", "7", *words)


def test_a_person_labels_blind_by_keys_and_comes_back_later(judged: JudgeLab) -> None:
    first = label(judged, "--n", "4")
    for key in ("a", "t", "q"):
        first.press(key)
    assert first.close() == 0
    assert len(lines(judged)) == 2
    again = label(judged, "--n", "4")
    for key in ("b", "u"):
        again.press(key)
    assert again.close() == 0
    assert "2 of 4 to label" in again.text
    found = lines(judged)
    assert [x["label"] for x in found][1:] == ["tie", *(x["label"] for x in found[2:3]), "unsure"]
    assert len({x["task"] for x in found}) == 4
    assert {x["inclusion_prob"] for x in found} == {round(4 / 12, 6)}
    assert {x["run"] for x in found} == {judged.folder.name}
    done = label(judged, "--n", "4")
    assert done.close() == 0
    assert "all 4 drawn items are labelled" in done.text


def test_the_letters_on_the_screen_are_mapped_back_to_the_work(judged: JudgeLab) -> None:
    """Whoever presses the letter over `alpha`, which is the work's, says win; over beta, loss. Orders vary."""
    at = label(judged, "--n", "12")
    pressed = 0
    while pressed < 12:
        at.seen += 1
        while at.out.count(READY) < at.seen:
            assert at._more()
        card = at.text.split("=== ")[-1]
        a_is_work = card.index("alpha.") < card.index("beta.")
        os.write(at.fd, b"a" if a_is_work else b"b")
        pressed += 1
    assert at.close() == 0
    found = lines(judged)
    assert {x["label"] for x in found} == {"win"}
    assert len({tuple(x["shown"]) for x in found}) == 2  # type: ignore[arg-type]  # a list of names


def test_no_verdict_and_no_name_of_a_candidate_is_on_the_screen(judged: JudgeLab) -> None:
    at = label(judged, "--n", "3")
    for key in ("a", "b", "t"):
        at.press(key)
    at.close()
    cards = at.text.split("=== ", 1)[1]
    for word in ("first", "biased", "expert", "by rule", "primacy"):
        assert word not in cards, word


def test_killed_in_the_middle_nothing_said_is_lost(judged: JudgeLab) -> None:
    at = label(judged, "--n", "5")
    at.press("a")
    at.press("t")
    at.seen += 1
    while at.out.count(READY) < at.seen:
        assert at._more()
    at.kill()
    assert len(lines(judged)) == 2
    again = label(judged, "--n", "5")
    for key in ("a", "a", "a"):
        again.press(key)
    assert again.close() == 0
    assert len(lines(judged)) == 5


def test_the_last_one_can_be_said_again_and_a_note_is_kept(judged: JudgeLab) -> None:
    at = label(judged, "--n", "2")
    at.press("n")
    os.write(at.fd, b"zu knapp\n")
    at.press("t")
    at.press("z")
    os.write(at.fd, b"u")
    at.press("a")
    assert at.close() == 0
    found = lines(judged)
    assert [(x["label"], x.get("note"), x.get("replaces")) for x in found[:2]] == [
        ("tie", "zu knapp", None),
        ("unsure", "zu knapp", True),
    ]
    (path,) = (judged.workspace / "graders" / "labels").glob("*.jsonl")
    assert read_labels(path)[0].label == "unsure"
    assert len(read_labels(path)) == 2


def test_dev_and_report_never_share_an_item(judged: JudgeLab) -> None:
    at = label(judged, "--n", "6", "--set", "dev")
    for _ in range(6):
        at.press("t")
    assert at.close() == 0
    at = label(judged, "--n", "12")
    for _ in range(6):
        at.press("t")
    assert at.close() == 0
    found = lines(judged)
    dev, report = ({x["task"] for x in found if x.get("set", "report") == s} for s in ("dev", "report"))
    assert (len(dev), len(report), dev & report) == (6, 6, set())


def test_the_terminal_is_as_before_after_an_interrupt(judged: JudgeLab) -> None:
    at = label(judged, "--n", "3")
    at.press("a")
    at.press("\x03")
    code = at.close()
    assert code == 130, at.text[-1500:]
    assert "1 labelled now, 2 to go" in at.text


def test_without_a_terminal_it_is_refused(judged: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", "--workspace", str(judged.workspace)]) == 2
    assert "no terminal" in capsys.readouterr().err


def one(**fields: object) -> Label:
    said: dict[str, object] = {"grader": "g", "task": "t", "labeler": "ann", "label": "win"}
    return Label(**(said | fields))  # type: ignore[arg-type]  # fields of a label


@pytest.mark.parametrize(
    ("rows", "word", "line"),
    [
        ([one(), one()], "labelled 't' twice", 2),
        ([one(), one(set="dev")], "in the report set and in the dev set", 2),
        ([one(inclusion_prob=0.0)], "inclusion_prob", 1),
        ([one(label="")], "needs `label`", 1),
    ],
)
def test_a_bad_label_file_is_refused_with_its_line(tmp_path: Path, rows: list[Label], word: str, line: int) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(encode_labels(rows))
    with pytest.raises(ConfigError) as e:
        read_labels(path)
    assert word in e.value.render()
    assert f"labels.jsonl:{line}:1" in e.value.render()


def test_every_fault_of_a_label_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(b'nonsense\n{"grader": "g"}\n' + encode_labels([one()]) + b'{"x": 1}\n')
    with pytest.raises(ConfigError) as e:
        read_labels(path)
    assert len(e.value.faults) == 3


def test_mixed_sets_of_two_people_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(encode_labels([one(), one(labeler="bob", set="dev")]))
    with pytest.raises(ConfigError, match="in the dev set and in the report set"):
        read_labels(path)


def test_a_torn_line_is_cut_and_two_writers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(encode_labels([one()]) + b'{"grader": "g", "ta')
    file = LabelFile(path, "labels.jsonl")
    with pytest.raises(StoreError, match="somebody else"):
        LabelFile(path, "labels.jsonl")
    file.add(one(task="u"))
    file.close()
    assert [x.task for x in read_labels(path)] == ["t", "u"]


def test_a_key_that_is_none_is_told_and_the_last_one_again_has_a_name(judged: JudgeLab) -> None:
    """It said `0 of 3`, and nothing of the key; and an end of input inside a note never ended."""
    seat = Terminal(judged.workspace, "label", "--n", "2", "--labeler", "ann")
    for key in ("x", "\r", "a"):
        seat.press(key)
    seat.press("z")
    seat.type("y")
    seat.press("n")
    seat.type("half a no\x04")
    assert seat.close() == 0
    said = seat.text
    assert "'x' is no key here" in said
    assert "one key is the answer, without return" in said
    assert "=== the last one again ===" in said and "0 of 2" not in said.partition("to label")[2]
    assert "-> left as it was" in said
    (path,) = (judged.workspace / "graders" / "labels").glob("*.jsonl")
    assert len(read_labels(path)) == 1
