"""What a person sees while a run goes on: a tqdm bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, TextIO

from tqdm import tqdm

from harness.engine.run import Runner, Stats

POLL_S = 0.2
PLAIN_EVERY_S = 10.0


class Progress:
    """Polls the runner's counters, so that showing them costs the trials nothing. Also owns Ctrl-C."""

    def __init__(self, out: TextIO | None = None, quiet: bool = False) -> None:
        self._out = out or sys.stderr
        self._quiet = quiet
        self._shown_at = 0.0
        self._interrupts = 0
        self._told = 0
        self._said_doing = ""
        self._bar: tqdm[Any] | None = None

    def watch(self, runner: Runner) -> Callable[[], None]:
        """Start showing; the returned function stops it. Called inside the event loop."""
        loop = asyncio.get_running_loop()
        self._listen(runner, loop)
        self._quiet = self._quiet or runner.attended  # the terminal is somebody's
        if not self._quiet and runner.stats.done < runner.stats.total and _width(self._out):
            self._bar = tqdm(
                total=runner.stats.total, initial=runner.stats.done, unit="trial", file=self._out, dynamic_ncols=True
            )
        began, before = monotonic(), runner.stats.done
        self._shown_at = began
        task = loop.create_task(self._poll(runner, began, before))

        def stop() -> None:
            task.cancel()
            self._show(runner, began, before, last=True)
            if self._bar is not None:
                self._bar.close()

        return stop

    def say(self, line: str) -> None:
        """A line that stays, above the bar."""
        if self._bar is not None:
            self._bar.write(line, file=self._out)
        else:
            print(line, file=self._out, flush=True)

    async def _poll(self, runner: Runner, began: float, before: int) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            self._show(runner, began, before, last=False)

    def _show(self, runner: Runner, began: float, before: int, last: bool) -> None:
        if self._quiet or before == runner.stats.total:  # nothing was left to do, so there is nothing to show
            return
        stats, text = runner.stats, describe(runner)
        self._tell(runner)
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(stats.done - self._bar.n)
            self._bar.refresh()
        elif last or monotonic() - self._shown_at >= PLAIN_EVERY_S:
            self._shown_at = monotonic()
            print(f"{_rate(stats, began, before)} · {text}", file=self._out, flush=True)

    def _tell(self, runner: Runner) -> None:
        """What came up about boxes, each line once; and on plain output that images are being made."""
        notices = runner.services.boxes.notices
        for line in notices[self._told :]:
            self.say(line)
        self._told = len(notices)
        doing = runner.services.boxes.doing or runner.services.judging.doing
        if self._bar is None and doing and doing != self._said_doing:
            self._said_doing = doing
            self.say(doing)

    def _listen(self, runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
        def interrupt() -> None:
            self._interrupts += 1
            if self._interrupts == 1:
                self.say(
                    f"stopping: nothing new is started, {runner.stats.inflight} in flight may finish "
                    "(Ctrl-C again to stop now)"
                )
                runner.stop()
            else:
                runner.halt()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, runner.halt)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            loop.add_signal_handler(signal.SIGHUP, runner.halt)


def describe(runner: Runner) -> str:
    """Counts by outcome, cost, and what is being waited for."""
    stats = runner.stats
    if doing := runner.services.boxes.doing or runner.services.judging.doing:
        return doing
    words = [
        f"waiting on {lane.name}: {lane.pause_left_s:.0f} s pause, {lane.waiting} queued, window {lane.window:.0f}"
        for lane in runner.services.lanes.busy()
    ]  # first, because a narrow terminal cuts the end off
    words += [f"{stats.passed} passed", f"{stats.statuses['graded'] - stats.passed} failed"]
    words += [f"{n} {status}" for status, n in sorted(stats.statuses.items()) if status != "graded" and n]
    words.append(f"{stats.inflight} in flight")
    if stats.spent_usd or stats.unpriced:
        words.append(f"{'>= ' if stats.unpriced else ''}${stats.spent_usd:.4f}")
    if stats.retries:
        words.append(f"{stats.retries} retries")
    return ", ".join(words)


def _width(out: TextIO) -> int:
    """Columns of the terminal; 0 for what is none, and for one that does not say, on which a bar would be invisible."""
    try:
        return os.get_terminal_size(out.fileno()).columns if out.isatty() else 0
    except (OSError, ValueError):
        return 0


def _rate(stats: Stats, began: float, before: int) -> str:
    elapsed = monotonic() - began
    rate = (stats.done - before) / elapsed if elapsed > 0 else 0.0
    left = (stats.total - stats.done) / rate if rate > 0 else 0.0
    eta = f", {left:.0f} s left" if left else ""
    return f"{stats.done}/{stats.total} trials, {rate:.1f}/s{eta}"
