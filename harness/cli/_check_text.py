"""What `harness check` shows: progress while it goes on, and the table with its findings."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from tqdm import tqdm

from harness.cli._table import clip, many, table
from harness.qa.findings import Finding, Seconds, TaskCheck
from harness.qa.suite import Checking

POLL_S = 0.2
SHOWN = 400
"""Characters of a finding: a message that was shortened before keeps both its ends."""
HEADER = ("task", "verdict", "reference", "empty", "tests", "flaky", "cheats", "solve s", "grade s")


class Watch:
    """A bar on a terminal, a line for each task elsewhere, nothing with `quiet`. Also owns Ctrl-C."""

    def __init__(self, out: TextIO, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet
        self._bar: tqdm[Any] | None = None
        self._shown = 0
        self._interrupts = 0

    def begin(self, checking: Checking) -> Callable[[], None]:
        """Start showing; the returned function stops it. Called inside the event loop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: self._interrupt(checking))
        loop.add_signal_handler(signal.SIGTERM, checking.halt)
        if not self._quiet and self._out.isatty():
            self._bar = tqdm(total=len(checking.tasks), unit="task", file=self._out, dynamic_ncols=True)
        polling = loop.create_task(self._poll(checking))

        def end() -> None:
            polling.cancel()
            self._show(checking)
            if self._bar is not None:
                self._bar.close()

        return end

    def _interrupt(self, checking: Checking) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            checking.halt()
            return
        checking.stop()
        line = f"stopping: {many(len(checking.running), 'task')} may finish (Ctrl-C again to stop now)"
        if self._bar is not None:
            self._bar.write(line, file=self._out)
        else:
            print(line, file=self._out, flush=True)

    async def _poll(self, checking: Checking) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            self._show(checking)

    def _show(self, checking: Checking) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            counts = Counter(check.verdict for check in checking.done)
            words = [f"{n} {word}" for word, n in sorted(counts.items())]
            self._bar.set_postfix_str(", ".join([*words, f"{len(checking.running)} in work"]), refresh=False)
            self._bar.update(len(checking.done) - self._bar.n)
            self._bar.refresh()
            return
        for check in checking.done[self._shown :]:
            self._shown += 1
            cached = " (cached)" if check.cached else ""
            line = f"{self._shown}/{len(checking.tasks)} {check.task}: {check.verdict} in {check.seconds:.1f} s{cached}"
            print(line, file=self._out, flush=True)


def render_checks(checks: Sequence[TaskCheck]) -> str:
    """The table, the findings under it, and one line of counts."""
    if not checks:
        return "no task was checked"
    blocks = [table(HEADER, [_row(check) for check in checks])]
    for check in checks:
        shown = [f for f in check.findings if f.level != "info"]
        if shown:
            lines = [f"  {f.level:<9}  {f.check:<14}  {' '.join(f.what.split())}{_at(f)}" for f in shown]
            blocks.append("\n".join([check.task, *(clip(line, SHOWN) for line in lines)]))
    counts = Counter(check.verdict for check in checks)
    said = ", ".join(f"{counts[word]} {word}" for word in ("ok", "warn", "fail", "unchecked") if counts[word])
    blocks.append(f"{many(len(checks), 'task')}: {said}")
    return "\n\n".join(blocks)


def _at(finding: Finding) -> str:
    return f" [{finding.where}]" if finding.where else ""


def _row(check: TaskCheck) -> tuple[str, ...]:
    passed = sum(cheat.passed for cheat in check.cheats)
    flagged = sum(bool(cheat.flags) for cheat in check.cheats)
    cheats = f"{passed} of {len(check.cheats)} pass, {flagged} flagged" if check.cheats else "-"
    return (
        check.task,
        check.verdict,
        str(check.reference) if check.reference else "-",
        str(check.empty) if check.empty else "-",
        str(check.tests) if check.tests else "-",
        str(len(check.flaky)) if check.tests else "-",
        cheats,
        _seconds(check.solve_s),
        _seconds(check.grade_s),
    )


def _seconds(value: Seconds | None) -> str:
    return f"{value.median:.1f} (max {value.max:.1f})" if value else "-"
