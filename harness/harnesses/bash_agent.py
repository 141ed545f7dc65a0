"""One tool, a shell in the box: the small agent that is enough for most work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.api import Json, Output, Response, Text, Tool
from harness.harnesses import _agent_prompts as prompts
from harness.harnesses._agent import Agent, Work
from harness.harnesses._toolbox import Toolbox, answer_of
from harness.toolkit.shell import Shell

_FENCE = re.compile(r" {0,3}(`{3,})[ \t]*([^`\s]*)[^`]*$")


class BashAgent(Agent):
    """Runs shell commands in the task's box until the model says that it is done.

    Every command has a shell of its own. The model declares that it is done by a reply without a command that has the
    word `TASK_DONE` alone on a line; what stands below it is the answer. Nothing else ends the work but a limit, a
    refusal, or `max_format_errors` replies in a row without a command.

    Metrics: `turns` model calls; `commands` run; `format_errors` replies and calls with which nothing could be done;
    `timeouts` commands that were killed; `elisions` times that old outputs were left out; `ended` done, format_errors
    or refusal, absent at a limit.
    """

    version: ClassVar[str] = f"1.{prompts.VERSION}"
    example: ClassVar[Mapping[str, Json]] = {"max_turns": 60, "command_timeout_s": 60}

    actions: Literal["tools", "text"] = "tools"
    """How the model says a command: `tools` calls a native tool `bash`, several in one reply if it likes; `text` writes
    exactly one fenced `bash` block in each reply, for models without tools."""

    def _system(self, shell: Shell) -> str:
        how = prompts.BY_TOOL if self.actions == "tools" else prompts.BY_TEXT
        rules = prompts.SHELL_RULES.format(timeout=shell.timeout_s, chars=shell.output_chars)
        finish = prompts.DONE_BY_MARKER.format(marker=prompts.DONE)
        return "\n\n".join((prompts.WHO, how + rules, prompts.HOW_TO_WORK, finish))

    def _tools(self, work: Work) -> tuple[Tool, ...]:
        return self._toolbox(work).tools if self.actions == "tools" else ()

    def _toolbox(self, work: Work) -> Toolbox:
        return Toolbox(work.shell, ("bash",), work.tally)

    async def _act(self, work: Work, response: Response) -> Output | None:
        reply = read_reply(response.text)
        if self.actions == "tools" and response.tool_calls:
            await self._call(work, response, reply)
        elif self.actions == "text" and len(reply.commands) == 1:
            said = await self._toolbox(work).run(reply.commands[0])
            work.fruitless = 0
            work.talk.observed(Text(said), *self._note(reply))
        elif reply.done and (self.actions == "tools" or not reply.commands):
            cut = response.stop == "max_tokens"
            return work.output("done", answer=answer_of(reply.answer), done=True, cut=cut)
        else:
            work.misread(self._format(reply, response))
        return None

    async def _call(self, work: Work, response: Response, reply: Reply) -> None:
        done = await self._toolbox(work).call_all(response.tool_calls)
        work.fruitless = 0 if done.faulty < len(response.tool_calls) else work.fruitless + 1
        work.talk.observed(*done.results, *self._note(reply))

    def _note(self, reply: Reply) -> tuple[Text, ...]:
        """A reply that both acts and declares only acts, and is told so."""
        return (Text(prompts.BOTH.format(marker=prompts.DONE)),) if reply.done else ()

    def _format(self, reply: Reply, response: Response) -> str:
        if response.stop == "max_tokens":
            return prompts.FORMAT_CUT
        form = prompts.FORMAT_TOOL if self.actions == "tools" else prompts.FORMAT_TEXT
        return form.format(marker=prompts.DONE, found=len(reply.commands) or "no")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply says: its fenced `bash` blocks up to the marker, whether there is a marker, and what is below it."""

    commands: tuple[str, ...]
    done: bool
    answer: str = ""


def read_reply(text: str) -> Reply:
    """Read a reply line by line. A fence ends at a line of as many backticks or more; one that does not end is none.

    The marker counts only outside fences and alone on its line.
    """
    commands: list[str] = []
    fence, language = "", ""
    block: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        bare = line.strip()
        if fence:
            if bare.startswith(fence) and not bare.strip("`"):
                if language == "bash":
                    commands.append("\n".join(block))
                fence, block = "", []
            else:
                block.append(line.removesuffix("\r"))
        elif opened := _FENCE.match(line):
            fence, language = opened[1], opened[2]
        elif line.rstrip() == prompts.DONE:
            return Reply(tuple(commands), True, "\n".join(lines[number + 1 :]))
    return Reply(tuple(c for c in commands if c.strip()), False)
