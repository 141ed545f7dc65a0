"""A person at a real pseudo-terminal, in a real box: keys go in, the screen is recorded, the end is their word."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.harnesses._cast import Cast

SUITE = """\
suite: people
tasks: [tasks/people/*.task.yaml]
systems:
  - {name: me, harness: {use: human, who: tester}}
limits: {time: LIMIT}
"""
TASK = """\
id: host-name
prompt: What is the name of this machine?
reference: "box"
sandbox: {}
graders: [match]
"""


class Person:
    """Someone at the master side of a pseudo-terminal. Waits for what is shown, at most a minute."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.process = process
        self.seen = ""

    def sees(self, text: str) -> None:
        until = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < until, f"never saw {text!r} in {self.seen!r}"
            ready, _, _ = select.select([self._master], [], [], 1)
            if ready:
                try:
                    self.seen += os.read(self._master, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        assert text in self.seen, self.seen
        self.seen = self.seen.partition(text)[2]

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resizes(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hangs_up(self) -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, self._master)
        os.close(nowhere)

    def leaves(self) -> int:
        until = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it did not end: {self.seen!r}"
            ready, _, _ = select.select([self._master], [], [], 0.2)
            if ready:
                try:
                    self.seen += os.read(self._master, 65536).decode("utf-8", "replace")
                except OSError:
                    continue
        return int(self.process.returncode)


@contextmanager
def at_a_terminal(workspace: Path) -> Iterator[Person]:
    master, slave = os.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli.main", "run", "--suite", "people"],
        cwd=workspace,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    try:
        yield Person(master, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return make(tmp_path, "20m")


def make(place: Path, limit: str) -> Path:
    for name in ("graders", "runs", "tasks/people"):
        (place / name).mkdir(parents=True)
    (place / "tasks/people/suite.yaml").write_text(SUITE.replace("LIMIT", limit))
    (place / "tasks/people/name.task.yaml").write_text(TASK)
    return place


def attempt_of(workspace: Path) -> tuple[dict[str, Any], Path]:
    (run,) = (workspace / "runs").iterdir()
    (line,) = (run / "attempts.jsonl").read_text().splitlines()
    return json.loads(line), run


def cast_of(workspace: Path) -> tuple[dict[str, Any], list[tuple[float, str, str]]]:
    attempt, run = attempt_of(workspace)
    (stored,) = attempt["artifacts"]
    assert stored["name"] == "human/terminal.cast"
    header, *lines = (run / stored["path"]).read_text().splitlines()
    return json.loads(header), [tuple(json.loads(line)) for line in lines]


@pytest.mark.docker
def test_a_person_works_is_done_and_is_graded(people: Path) -> None:
    with at_a_terminal(people) as person:
        person.sees("What is the name of this machine?")
        person.sees("$ ")
        person.resizes(101, 33)
        person.types("until stty size | grep -q '33 101'; do :; done; cat /etc/hostname; echo se''en\n")
        person.sees("seen\r\n")
        person.types("finish the box\n")
        assert person.leaves() == 0
    attempt, _ = attempt_of(people)
    assert attempt["output"]["answer"] == "the box"
    assert attempt["output"]["declared_done"] is True
    assert attempt["output"]["metrics"]["ended"] == "done"
    header, events = cast_of(people)
    assert (header["version"], header["width"], header["height"]) == (2, 90, 30)
    assert "box\r\n" in "".join(text for _, kind, text in events if kind == "o")
    assert [text for _, kind, text in events if kind == "r"] == ["101x33"]
    times = [at for at, _, _ in events]
    assert times == sorted(times)


@pytest.mark.docker
def test_ctrl_c_and_ctrl_d_are_keys_and_giving_up_is_a_result(people: Path) -> None:
    with at_a_terminal(people) as person:
        person.sees("$ ")
        person.types("echo he''re; cat\n")
        person.sees("here\r\n")
        person.types("mew\n")
        person.sees("mew\r\nmew\r\n")  # echoed, then said by cat: the key is for cat
        person.types("\x03")
        person.sees("^C")
        person.sees("$ ")
        person.types("\x04")
        person.sees("[b]ack to the shell?")
        person.types("b")
        person.sees("$ ")
        person.types("giveup\n")
        assert person.leaves() == 0
    attempt, _ = attempt_of(people)
    assert attempt["status"] == "graded" and attempt["passed"] is False
    assert attempt["output"]["abstained"] is True
    assert attempt["output"]["metrics"]["shells"] == 2


@pytest.mark.docker
def test_the_time_limit_closes_the_shell_and_keeps_the_session(tmp_path: Path) -> None:
    place = make(tmp_path, "4s")
    with at_a_terminal(place) as person:
        person.sees("$ ")
        person.types("echo he''re; cat\n")
        person.sees("here\r\n")
        person.sees("time is up")
        assert person.leaves() == 0
    attempt, _ = attempt_of(place)
    assert attempt["limit"] == "time"
    _, events = cast_of(place)
    assert "here\r\n" in "".join(text for _, kind, text in events if kind == "o")


@pytest.mark.docker
def test_a_terminal_that_goes_away_leaves_no_box(people: Path) -> None:
    with at_a_terminal(people) as me:
        me.sees("giveup")
        me.types("echo he''llo\n")
        me.sees("hello")
        me.hangs_up()
        assert me.process.wait(60) != -signal.SIGHUP
    (run,) = (people / "runs").iterdir()
    asked = ["docker", "ps", "-aq", "--filter", f"label=harness.run={run.name}"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == ""


def test_without_a_terminal_a_person_cannot_work(people: Path) -> None:
    """A process of a session of its own has no /dev/tty."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "run", "--suite", "people", "--json"],
        cwd=people,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert done.returncode != 0
    attempt, _ = attempt_of(people)
    assert attempt["status"] == "skipped"


def test_a_character_cut_in_two_is_one_event() -> None:
    at = iter(range(10))
    cast = Cast(80, 24, 0.0, lambda: float(next(at)))
    cast.shown("é".encode()[:1])
    cast.shown("é".encode()[1:] + b"!")
    assert [json.loads(line)[1:] for line in cast.encoded().decode().splitlines()[1:]] == [["o", "é!"]]
