"""A small agent program that runs inside a box: it asks Anthropic's Messages API, and runs what it is told to."""

from __future__ import annotations

from typing import Any, ClassVar

from harness.api import Harness, Output

PROGRAM = r"""
import json, os, subprocess, sys, urllib.error, urllib.request
URL, KEY, MODEL = os.environ["URL"], os.environ["KEY"], os.environ.get("MODEL", "any-model")
SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
TOOL = {"name": "Bash", "description": "run", "input_schema": SCHEMA}
HEADERS = {"x-api-key": KEY, "content-type": "application/json"}
messages = [{"role": "user", "content": sys.stdin.read()}]
for turn in range(40):
    body = json.dumps({"model": MODEL, "max_tokens": 1000, "messages": messages, "tools": [TOOL]}).encode()
    asked = urllib.request.Request(URL + "/v1/messages", data=body, headers=HEADERS)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answered:
            said = json.load(answered)["content"]
    except urllib.error.HTTPError as e:
        print("STOPPED", e.code, e.read().decode())
        sys.exit(1)
    messages.append({"role": "assistant", "content": said})
    calls = [b for b in said if b["type"] == "tool_use"]
    if not calls:
        print("".join(b.get("text", "") for b in said))
        sys.exit(0)
    results = []
    for call in calls:
        done = subprocess.run(["bash", "-c", call["input"]["command"]], capture_output=True, text=True)
        results.append({"type": "tool_result", "tool_use_id": call["id"], "content": done.stdout + done.stderr})
    messages.append({"role": "user", "content": results})
"""


class Agent(Harness):
    """Runs the program in the task's box with a door to the system's model."""

    uses_gateway: ClassVar[bool] = True
    needs_box: ClassVar[bool] = True
    program: str = PROGRAM

    async def solve(self, task: Any, ctx: Any) -> Output:
        async with ctx.gateway.open(("anthropic",)) as door:
            done = await ctx.box.exec(
                ["python3", "-c", self.program],
                stdin=task.prompt.encode(),
                env={"URL": door.base_url, "KEY": door.key, "HOST_KEY_HINT": ""},
                timeout_s=120,
            )
            said = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        return Output(answer=said, metrics={"exchanges": len(door.exchanges), "stopped": door.limit})
