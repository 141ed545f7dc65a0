"""A person as a harness: a shell in the task's box on your terminal, so that people are measured on the same tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Artifact, Box, Harness, Json, MissingRequirement, Output, SolveContext, TaskView
from harness.harnesses._cast import Cast
from harness.harnesses._tty import Terminal, open_terminal
from harness.toolkit.prompt import prompt_text

CAST = "human/terminal.cast"
STATE = "/scratch/human"
SHORT_S = 20.0
SETUP = r"""# human
mkdir -p "$0/bin" && cat >"$0/task.txt"
printf '#!/bin/sh\nprintf "%%s\\n" "$*" >%s/answer; echo done >%s/end\nkill -s HUP $PPID\n' "$0" "$0" >"$0/bin/finish"
printf '#!/bin/sh\necho gave_up >%s/end\nkill -s HUP $PPID\n' "$0" >"$0/bin/giveup"
printf '#!/bin/sh\ncat %s/task.txt\n' "$0" >"$0/bin/task"
chmod 755 "$0/bin/finish" "$0/bin/giveup" "$0/bin/task"
"""
END = '# human-end\ncat "$0/end" 2>/dev/null; echo; cat "$0/answer" 2>/dev/null; rm -f "$0/end"'
WORDS = (
    "\n{line}\n{task}\n{line}\n"
    "You are in the task's box{limit}. `task` shows the task again. `finish` says that you are done, with an answer\n"
    "in words if the task asks for one; `giveup` that you are not. What you see is recorded, what you type is not.\n\n"
)
ASK = "\nThe shell has ended. [d]one, [g]ive up, or [b]ack to the shell? "


class Human(Harness):
    """Opens a shell in the box on the terminal of whoever runs it, and waits until they are done or give up.

    The session is recorded as asciinema does (`human/terminal.cast` among the trial's artifacts). Trials are one at a
    time. At the end of the time limit the shell is closed, and what is in the box is graded.
    """

    version: ClassVar[str] = "1"
    needs_box: ClassVar[bool] = True
    attended: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Json]] = {"who": "reviewer"}

    who: str = ""
    """A name for the person, as far as the record should have one."""
    shell: str = ""
    """The shell; empty is bash where the image has it, else sh."""
    show_task: bool = Field(default=True)
    """Whether the task is shown before the shell opens."""

    def roles(self) -> Sequence[str]:
        """No model."""
        return ()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """A person's work. Raises MissingRequirement where there is no terminal."""
        if ctx.box is None:
            raise MissingRequirement("sandbox", "a person works in a box, and there is none")
        with open_terminal() as terminal:
            columns, rows = terminal.size()
            terminal.cast = Cast(columns, rows, time.time(), time.monotonic)
            session = _Session(self, ctx, ctx.box, terminal, terminal.cast)
            await session.prepare(task)
            return await session.work()


class _Session:
    """One person at work in one box."""

    def __init__(self, human: Human, ctx: SolveContext, box: Box, terminal: Terminal, cast: Cast) -> None:
        self._human = human
        self._ctx = ctx
        self._box = box
        self._terminal = terminal
        self._cast = cast
        self._shells = 0

    async def prepare(self, task: TaskView) -> None:
        """Lay the task and the three commands into the box, and tell the person."""
        text = prompt_text(task.prompt)
        there = {f.name for f in task.sandbox.files} if task.sandbox is not None else set()
        for file in task.files:
            if file.name not in there:
                await self._box.write(file.name, self._ctx.read_file(file))
        await self._box.exec(["/bin/sh", "-c", SETUP, STATE], stdin=text.encode() + b"\n", timeout_s=SHORT_S)
        if self._human.show_task:
            seconds = self._ctx.limits.time_s
            limit = f", for {seconds / 60:g} minutes" if seconds else ""
            self._terminal.tell(WORDS.format(line="-" * 72, task=text.strip(), limit=limit))

    async def work(self) -> Output:
        """Shells, until one ends with a word."""
        shell = self._human.shell or await self._shell()
        env = {"PATH": f"{STATE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm"}
        while True:
            self._ctx.save(self._output("", None))
            self._shells += 1
            try:
                await self._box.terminal([shell], self._terminal, env=env)
            except BaseException:
                self._terminal.tell("\nthe shell was closed: time is up, or the run was stopped\n")
                self._ctx.save(self._output("", None))
                raise
            ended, answer = await self._end()
            if not ended:
                letter = await self._terminal.ask(ASK, "dgb")
                ended = {"d": "done", "g": "gave_up"}.get(letter, "")
            if ended:
                return self._output(ended, answer)

    async def _shell(self) -> str:
        done = await self._box.exec(["/bin/sh", "-c", "# shell\ncommand -v bash || echo /bin/sh"], timeout_s=SHORT_S)
        return done.stdout.decode().strip() or "/bin/sh"

    async def _end(self) -> tuple[str, str | None]:
        """The word of `finish` or `giveup`, if it was said, and the answer in words."""
        done = await self._box.exec(["/bin/sh", "-c", END, STATE], timeout_s=SHORT_S)
        word, _, answer = done.stdout.decode("utf-8", "replace").partition("\n")
        return word.strip(), answer.strip() or None

    def _output(self, ended: str, answer: str | None) -> Output:
        metrics: dict[str, Json] = {
            "who": self._human.who,
            "seconds": round(self._cast.seconds, 1),
            "keys": self._terminal.keys_typed,
            "shells": self._shells,
            **({"ended": ended} if ended else {}),
            **({"cast_cut": True} if self._cast.cut else {}),
        }
        return Output(
            answer=answer,
            artifacts=(Artifact(CAST, self._cast.encoded()),),
            declared_done=ended == "done",
            abstained=ended == "gave_up",
            metrics=metrics,
        )
