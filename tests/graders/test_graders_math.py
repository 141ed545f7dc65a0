"""math: equality of mathematics, in processes that can be killed."""
# ruff: noqa: E501 - tables of answers read better on long lines

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.api import Grade, NotGraded, Verdict
from harness.graders.math import Math, find_formula
from harness.testing.fake_work import fake_work
from harness.toolkit.killable import Pool, WorkerDied, WorkerTimeout
from harness.toolkit.mathtext import to_latex


def verdict(answer: str, reference: str, timeout_s: float = 10.0) -> Verdict:
    return asyncio.run(Math(timeout_s=timeout_s).grade(fake_work(answer, reference)))


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("1/2", "0.5"), (r"\frac12", r"so \boxed{0.5}"), ("(1,2)", "The answer is $(1,2)$"), (r"\{1,2\}", r"$\{2,1\}$"),
        ("50%", r"$50\%$"), ("0.5", r"50\%"), ("50", "50%"), ("x=3", "3"), ("3", "x = 3"), ("2*x+1", "x*2+1"),
        (r"\sqrt{2}", "sqrt(2)"), ("sqrt(2)/2", "1/√2"), ("x**2+1", "x^2 + 1"), ("(-inf, 3]", "(-∞,3]"),
        ("x<3", r"(-\infty,3)"), ("1,-2", "-2, 1"), ("x=1,-2", r"\{1,-2\}"), ("1,234", "1234"), ("033", "33"),
        ("pi/4", "π/4"), ("1/3", "0.333333"), (r"\frac{\sqrt{3}}{2}", "sin(pi/3)"), ("(1,2,3)", "(1,2,3)"),
        ("y=2x+1", "y - 1 = 2x"), ("14", "The answer is 14 because it fits."), ("11", "$a=5$ so $b=6$\n11"),
        (r"\frac{5}{2}", r"\boxed{\dfrac{5}{2}}"), (r"(-1,0]\cup[1,2]", "[1,2] ∪ (-1,0]"), ("1e3", "1000"),
        ("(x+1)^2", "x^2+2x+1"), (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"$\begin{pmatrix}1&2\\3&4\end{pmatrix}$"),
        ("5 cm", r"5\text{ cm}"), ("2^{10}", "1024"),
    ],
)  # fmt: skip
def test_equal(reference: str, answer: str) -> None:
    got = verdict(answer, reference)
    assert isinstance(got, Grade) and got.passed, got


@pytest.mark.parametrize(
    ("reference", "answer", "label"),
    [
        ("14", "140", "wrong"), ("(1,2)", "[1,2]", "wrong"), ("2x+1", "2*x+2", "wrong"), ("(1,2,3)", "(3,2,1)", "wrong"),
        ("3.14", "pi", "wrong"), ("1/3", "0.3333", "wrong"), ("14", "I get 14 because of it", "no_answer"),
        ("14", "Let $a=5$ and $b=6$, so it must be fourteen", "ambiguous"), ("14", r"\frac{", "unreadable"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"$\begin{bmatrix}1&2\\3&5\end{bmatrix}$", "wrong"),
        ("2*x+1", "2", "wrong"), ("6", "__import__('os').getpid()", "no_answer"),
    ],
)  # fmt: skip
def test_not_equal(reference: str, answer: str, label: str) -> None:
    got = verdict(answer, reference)
    assert isinstance(got, Grade) and not got.passed
    assert got.label == label, got


@pytest.mark.parametrize("answer", ["9**9**9**9", r"9^{9^{9^{9}}}"])
def test_an_answer_that_hangs_fails_and_its_process_is_gone(answer: str) -> None:
    got = verdict(answer, "7", timeout_s=1)
    assert isinstance(got, Grade) and got.label == "timeout"
    after = verdict("x+1", "1+x")
    assert isinstance(after, Grade) and after.passed


def test_a_reference_that_hangs_is_not_graded() -> None:
    got = verdict("9**9**9**9 + 1", "9**9**9**9", timeout_s=1)
    assert isinstance(got, NotGraded) and got.cause == "timeout"


@pytest.mark.parametrize("reference", ["???", r"\frac{"])
def test_a_reference_that_is_no_mathematics_is_not_graded(reference: str) -> None:
    got = verdict("3", reference)
    assert isinstance(got, NotGraded) and got.cause == "bad_reference"


def test_the_event_loop_goes_on_while_mathematics_hangs() -> None:
    async def scenario() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        await Math(timeout_s=1).grade(fake_work("9**9**9**9", "7"))
        ticking.cancel()
        return ticks

    assert asyncio.run(scenario()) > 20


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x**2**3", "x^{2^{3}}"), ("sqrt(x+1)", r"\sqrt{x+1}"), ("sqrt(sqrt(2))", r"\sqrt{\sqrt{2}}"), ("x²", "x^{2}"),
        ("$$ 5 $$", "5"), (r"\( x \).", "x"), ("**14**", "14"), ("3 <= x", r"3 \le  x"), ("e^(x+1)", "e^{x+1}"),
    ],
)  # fmt: skip
def test_typed_notation_becomes_latex(text: str, latex: str) -> None:
    assert to_latex(text) == latex


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        (r"first \boxed{1} then \boxed{\frac{a}{b}}", r"\frac{a}{b}"), ("Answer: $x+1$ as shown", "x+1"), ("x+1", "x+1"),
        (r"We find that $n = 4$.", "n = 4"), ("#### 12", "12"),
    ],
)  # fmt: skip
def test_where_the_formula_is_found(text: str, formula: str) -> None:
    assert find_formula(text) == formula


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def gone(pid: int) -> bool:
    """Whether a process ends within five seconds; one that only waits to be reaped has ended."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """Workers that echo, sleep, die, or show their environment."""
    body = """
import os, subprocess, time
from harness.toolkit.killable import serve
def handle(job):
    if job == "die": os._exit(3)
    if job == "hang": time.sleep(60)
    if isinstance(job, str) and job.startswith("/"):
        child = subprocess.Popen(["sleep", "61"])
        with open(job, "w") as f: f.write(str(child.pid))
        time.sleep(60)
    if job == "env": return dict(os.environ)
    return [os.getpid(), job]
serve(handle)
"""
    (tmp_path / "echo_worker.py").write_text(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-workers")
    made = Pool("echo_worker", size=2)
    yield made
    made.close()


def test_a_worker_serves_many_jobs(pool: Pool) -> None:
    async def scenario() -> list[object]:
        return [await pool.call(i, 5) for i in range(5)]

    answers = asyncio.run(scenario())
    assert [a[1] for a in answers] == [0, 1, 2, 3, 4]  # type: ignore[index]
    assert len({a[0] for a in answers}) == 1  # type: ignore[index]


def test_a_pool_outlives_an_event_loop(pool: Pool) -> None:
    assert asyncio.run(pool.call("a", 5))[0] == asyncio.run(pool.call("b", 5))[0]


@LINUX
def test_a_hanging_worker_is_killed_with_what_it_started_and_replaced(pool: Pool, tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    with pytest.raises(WorkerTimeout):
        asyncio.run(pool.call(str(noted), 2))
    assert asyncio.run(pool.call("x", 5))[1] == "x"
    assert gone(int(noted.read_text()))


def test_a_dead_worker_is_told_and_replaced(pool: Pool) -> None:
    with pytest.raises(WorkerDied):
        asyncio.run(pool.call("die", 5))
    assert asyncio.run(pool.call("x", 5))[1] == "x"


def test_a_worker_sees_no_keys(pool: Pool) -> None:
    assert "OPENAI_API_KEY" not in asyncio.run(pool.call("env", 5))


def test_closing_ends_the_processes(pool: Pool) -> None:
    asyncio.run(pool.call("x", 5))
    (pid,) = pool.pids()
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@LINUX
def test_workers_end_when_the_program_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal\n"
        "from harness.graders.math import _pool\n"
        "job = {'gold': 'x', 'answer': 'x', 'rounding': 6}\n"
        "asyncio.run(_pool().call(job, 20))\n"
        "print(_pool().pids()[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    assert gone(pid)


def test_nothing_heavy_is_imported_by_the_grader() -> None:
    script = "import sys, harness.graders.math; print(sorted(m for m in sys.modules if m in ('sympy', 'math_verify')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
