"""aider as it is: one message, edits by blocks, no tools; in the task's box, through the gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran
from harness.toolkit.agent_layers import MOUNT, Layer

_TOKENS = re.compile(r"Tokens: ([\d.,k]+) sent(?:, ([\d.,k]+) cache hit)?, ([\d.,k]+) received")
MESSAGE = "message"
_EDITED = re.compile(r"^Applied edit to ", re.MULTILINE)

QUIET = (
    "import sys, configargparse as c, aider.main as a; i = c.ArgumentParser.__init__; "
    "c.ArgumentParser.__init__ = lambda s, *w, **k: i(s, *w, **{**k, 'default_config_files': []}); "
    "a.load_dotenv_files = lambda *w, **k: []; sys.exit(a.main())"
)
"""Starts aider without `.aider.conf.yml` and `.env` of the task's folder: it has no option for that."""


class Aider(AgentCli):
    """aider at an exact version. The image must have Python 3.11, for which its layer is made.

    It has no tools: it edits the files that its model names. What it keeps for itself lies outside the work. Unless
    `project_instructions`, `.aider.conf.yml` and `.env` of the task have no effect.
    """

    version: ClassVar[str] = "3"
    agent: ClassVar[str] = "aider"
    dialects: ClassVar[Sequence[Dialect]] = ("chat",)
    example: ClassVar[Mapping[str, Json]] = {"release": "0.86.2", "edit_format": "diff"}

    release: str = "0.86.2"
    """The exact version of the program. It must be installed: `harness agent install aider@VERSION`."""
    edit_format: Literal["", "diff", "whole", "udiff", "diff-fenced"] = "diff"
    """How the model writes edits; empty is what aider chooses for the model's name."""
    files_in_chat: tuple[str, ...] = ()
    """Files of the task that are given to it to begin with."""

    def _program(self, layer: Layer | None) -> list[str]:
        return super()._program(layer) if self.project_instructions else ["python3", "-P", "-c", QUIET]

    def invoke(self, start: Start) -> Invocation:
        """Without questions, commits, colours, or files of its own in the work."""
        argv = ["--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings"]
        argv += ["--no-show-release-notes", "--no-detect-urls", "--no-pretty", "--no-auto-commits", "--no-gitignore"]
        argv += ["--no-suggest-shell-commands", "--map-tokens", "1024"]
        argv += ["--input-history-file", f"{start.state}/input", "--chat-history-file", f"{start.state}/chat"]
        if self.edit_format:
            argv += ["--edit-format", self.edit_format]
        argv += ["--model", f"openai/{start.model}", "--message-file", f"{start.state}/{MESSAGE}", *self.files_in_chat]
        env = {
            "PYTHONPATH": f"{MOUNT}/site",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "OPENAI_API_KEY": start.key,
            "OPENAI_API_BASE": f"{start.base_url}/v1",
        }
        return Invocation(argv, env)

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """The prompt. One that begins with `/` or `!` would be a command of its own, which it runs with no model."""
        kept = f"\n{start.prompt}" if start.prompt[:1] in ("/", "!") else start.prompt
        return {f"{start.state}/{MESSAGE}": kept}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """What its last lines say of tokens, and how many edits it says it applied."""
        text = ran.output.decode("utf-8", "replace")
        said = _TOKENS.findall(text)
        edits = len(_EDITED.findall(text))
        return {"edits": edits, **({"tokens_said": " ".join(said[-1]).strip()} if said else {})}
