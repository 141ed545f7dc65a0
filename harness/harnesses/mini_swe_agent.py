"""mini-swe-agent as it is: its command `mini`, in the task's box, through the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from harness.api import Dialect, Json
from harness.harnesses._cli import AgentCli, Start
from harness.harnesses._cli_box import Invocation, Ran
from harness.toolkit.agent_layers import MOUNT

TASK = "task.yaml"


class MiniSweAgent(AgentCli):
    """mini-swe-agent at an exact version. The image must have Python 3.11, for which its layer is made.

    It tries again whatever the gateway answers, so a limit ends it from outside.
    """

    version: ClassVar[str] = "1"
    agent: ClassVar[str] = "mini_swe_agent"
    dialects: ClassVar[Sequence[Dialect]] = ("chat",)
    shell_tool: ClassVar[tuple[str, str]] = ("bash", "command")
    example: ClassVar[Mapping[str, Json]] = {"release": "2.4.6"}

    release: str = "2.4.6"
    """The exact version of the program. It must be installed: `harness agent install mini_swe_agent@VERSION`."""
    max_turns: int | None = Field(default=None, ge=1)
    """Its own limit of steps. A trial's limit `turns` counts model requests."""

    def invoke(self, start: Start) -> Invocation:
        """Without questions, and no trajectory in the work."""
        argv = ["-y", "--exit-immediately", "-m", f"openai/{start.model}"]
        argv += ["-c", "mini.yaml", "-c", f"{start.state}/{TASK}"] if start.no_word else ["-t", start.prompt]
        argv += ["-o", f"{start.state}/trajectory.json", "-l", "0"]
        if self.max_turns is not None:
            argv += [*([] if start.no_word else ["-c", "mini.yaml"]), "-c", f"agent.step_limit={self.max_turns}"]
        env = {
            "PYTHONPATH": f"{MOUNT}/site",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MSWEA_CONFIGURED": "true",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "MSWEA_GLOBAL_CONFIG_DIR": f"{start.state}/mini",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "OPENAI_API_KEY": start.key,
            "OPENAI_API_BASE": f"{start.base_url}/v1",
        }
        return Invocation(argv, env)

    def configuration(self, start: Start) -> Mapping[str, str | bytes]:
        """A prompt that is no word of a command line, as a configuration of its own."""
        return {f"{start.state}/{TASK}": f'run: {{task: "{_quoted(start.prompt)}"}}\n'} if start.no_word else {}

    def claims(self, ran: Ran) -> dict[str, Json]:
        """It tells people, not programs; its trajectory lies in the box."""
        return {"output_chars": ran.written}


def _quoted(text: str) -> str:
    """Inside of YAML's double quotes."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
