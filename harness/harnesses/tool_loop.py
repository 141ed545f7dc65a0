"""Native tool calling: a shell, Python, files and search in the box, and a call that ends the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, get_args

from pydantic import Field

from harness.api import Json, Output, Response, Tool
from harness.harnesses import _agent_prompts as prompts
from harness.harnesses._agent import Agent, Work
from harness.harnesses._toolbox import Toolbox, ToolName, answer_of
from harness.toolkit.shell import Shell


class ToolLoop(Agent):
    """Gives the model tools in the task's box and makes the calls it asks for, until it calls `submit`.

    Calls of one reply are made one after another, in their order; all results go back together. A call that cannot be
    made (no such tool, arguments that do not fit) gets an error as its result. A reply without a call is told so; after
    `max_format_errors` of them in a row the work ends, its last words are the answer, and it is not declared done.

    Metrics: `turns` model calls; `commands` shell commands and Python programs run; `format_errors` replies and calls
    with which nothing could be done; `timeouts` commands that were killed; `elisions` times that old outputs were left
    out; `ended` done, format_errors or refusal, absent at a limit.
    """

    version: ClassVar[str] = f"1.{prompts.VERSION}"
    example: ClassVar[Mapping[str, Json]] = {"max_turns": 60, "tools": ["bash", "view", "str_replace", "create"]}

    tools: tuple[ToolName, ...] = Field(default=get_args(ToolName), min_length=1)
    """Which there are: `bash`, `python`, `view`, `create`, `str_replace`, `insert`, `search`. `submit` always is."""

    def _system(self, shell: Shell) -> str:
        rules = prompts.SHELL_RULES.format(timeout=shell.timeout_s, chars=shell.output_chars)
        return "\n\n".join((prompts.WHO, prompts.BY_TOOLS + rules, prompts.HOW_TO_WORK, prompts.DONE_BY_TOOL))

    def _tools(self, work: Work) -> tuple[Tool, ...]:
        return self._toolbox(work).tools

    def _toolbox(self, work: Work) -> Toolbox:
        return Toolbox(work.shell, (*self.tools, "submit"), work.tally)

    async def _act(self, work: Work, response: Response) -> Output | None:
        calls = response.tool_calls
        if not calls:
            work.misread(prompts.FORMAT_CUT if response.stop == "max_tokens" else prompts.NO_CALL)
            return None
        done = await self._toolbox(work).call_all(calls)
        if done.submitted is not None:
            return work.output("done", answer=answer_of(done.submitted.answer), done=True)
        work.fruitless = 0 if done.faulty < len(calls) else work.fruitless + 1
        work.talk.observed(*done.results)
        return None

    def _gave_up(self, work: Work, response: Response) -> Output:
        return work.output("format_errors", answer=answer_of(response.text), cut=response.stop == "max_tokens")
