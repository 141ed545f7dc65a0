"""Answers that a prompt itself asks for, so that any agent can be driven through any task without a script elsewhere.

    @@sh CMD            ask for a shell command, with whatever shell tool the agent offers
    @@say TEXT          say something; in an agent's loop this ends it
    @@tool NAME {json}  ask for a tool by name
    @@edit PATH TEXT    write a file: by the shell, or as a SEARCH/REPLACE block where no tool is offered (aider)
    @@error STATUS      fail once with this status before the next step
    @@sleep SECONDS     wait before the next step
    @@usage IN OUT [CACHE_READ CACHE_WRITE REASONING]   what the next step is said to use
    @@step {json}       any step of `wire_script.Step`

An agent that offers no tools but a program to write (Codex's code mode: JavaScript with `tools.NAME`) is asked for
that program. One directive is one turn of the model; the turn that is due is read off the conversation, so trials in
flight do not disturb each other. When they are used up the model says `done`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from harness.testing.wire_script import Ask, Call, Step, Tokens, smallest

_LINE = re.compile(r"^[ \t]*@@(sh|say|tool|edit|error|sleep|usage|step)(?: (.*))?$", re.MULTILINE)
_SHELLS = (
    "bash", "shell", "exec_command", "run_shell_command", "local_shell", "shell_command", "execute_command", "terminal",
    "run_command",
)  # fmt: skip
_COMMAND = ("command", "cmd", "script", "commands")
CODE, INSIDE = "exec", "tools.exec_command"
"""The tool of Codex's code mode, by its name and by a word of its description; and what runs a command in it."""
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""What a command must print for mini-swe-agent to end; its final words are made one."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool that a request offers."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""
    freeform: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A conversation as directives need it: who said what (results of tools left out), and the tools."""

    turns: Sequence[tuple[str, str]]
    tools: Sequence[Offered]
    system: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """The step that is due. An `error` comes first."""

    step: Step
    key: str
    error: int = 0

    def fails(self, erred: set[str], session: str = "") -> bool:
        """Whether the error comes now: at the first try, and not at the one after it. Then all begins anew.

        `erred` remembers who was failed and is owed an answer. Equal trials after one another each meet their error;
        those at the same time do where the agent tells its `session`.
        """
        key = f"{self.key}-{session}"
        if not self.error or key in erred:
            erred.discard(key)
            return False
        erred.add(key)
        return True


def due(view: View) -> Due | None:
    """The step that the prompt asks for now, or None when no prompt has a directive."""
    at = next((i for i in range(len(view.turns) - 1, -1, -1) if _asks(view.turns[i])), None)
    if at is None:
        return None
    prompt = view.turns[at][1]
    done = sum(1 for role, _ in view.turns[at + 1 :] if role == "assistant")
    steps = list(_steps(prompt, view))
    due = steps[done] if done < len(steps) else Due(_said("done", view), "")
    digest = hashlib.sha256(prompt.encode()).hexdigest()[:8]
    calls = tuple(
        msgspec.structs.replace(c, id=c.id or f"call_{digest}_{done}_{i}") for i, c in enumerate(due.step.tool_calls)
    )
    return replace(due, step=msgspec.structs.replace(due.step, tool_calls=calls), key=f"{digest}-{done}")


def _asks(turn: tuple[str, str]) -> bool:
    return turn[0] == "user" and "@@" in turn[1] and _LINE.search(turn[1]) is not None


def _steps(prompt: str, view: View) -> Iterator[Due]:
    """Each turn of the model, with what stands before it folded in."""
    changes: dict[str, Any] = {}
    error = 0
    for match in _LINE.finditer(prompt):
        word, rest = match[1], (match[2] or "").strip()
        if word == "error":
            error = int(rest)
        elif word == "sleep":
            changes["delay_ms"] = float(rest) * 1000
        elif word == "usage":
            n = [int(w) for w in rest.split()] + [0] * 5
            changes["usage"] = Tokens(input=n[0], output=n[1], cache_read=n[2], cache_write_short=n[3], reasoning=n[4])
        else:
            yield Due(msgspec.structs.replace(_step(word, rest, view), **changes), "", error)
            changes, error = {}, 0


def _step(word: str, rest: str, view: View) -> Step:
    if word == "sh":
        return _shell(rest, view)
    if word == "say":
        return _said(rest, view)
    if word == "tool":
        name, _, arguments = rest.partition(" ")
        return Step(text="", tool_calls=(_call(name, json.loads(arguments or "{}"), view),))
    if word == "edit":
        return _edit(rest, view)
    return msgspec.json.decode(rest.encode(), type=Step)


def _shell(command: str, view: View) -> Step:
    tool = shell_tool(view.tools)
    if tool is not None:
        return Step(text="", tool_calls=(Call(tool.name, arguments_for(tool, command)),))
    if writes_code(view.tools):
        return Step(text="", tool_calls=(_call(INSIDE.partition(".")[2], {"cmd": command}, view),))
    return Step(text=f"no shell tool is offered: {command}")


def _call(name: str, arguments: Any, view: View) -> Call:
    """A call of a tool; in code mode, of one that is not offered itself, the line of a program that calls it."""
    named = next((tool for tool in view.tools if tool.name == name), None)
    if named is not None or not writes_code(view.tools):
        return Call(name, arguments, custom=named is not None and named.freeform)
    return Call(CODE, f"text(await tools.{name}({json.dumps(arguments)}));", custom=True)


def _said(text: str, view: View) -> Step:
    if SUBMIT in view.system and shell_tool(view.tools) is not None:
        return _shell(f"echo {SUBMIT} && echo {shlex.quote(text)}", view)
    return Step(text=text)


def _edit(rest: str, view: View) -> Step:
    path, _, text = rest.partition(" ")
    text = text.replace("\\n", "\n")
    if shell_tool(view.tools) is not None or writes_code(view.tools):
        return _shell(f"printf '%s\\n' {shlex.quote(text)} > {shlex.quote(path)}", view)
    return Step(text=f"{path}\n```\n<<<<<<< SEARCH\n=======\n{text}\n>>>>>>> REPLACE\n```\n")


def shell_tool(tools: Sequence[Offered]) -> Offered | None:
    """The tool that runs shell commands: by its name, else by taking a command."""
    by_name = {t.name.lower(): t for t in reversed(tools)}
    named = next((by_name[n] for n in _SHELLS if n in by_name), None)
    takes = (t for t in tools if any(k in (t.schema.get("properties") or {}) for k in _COMMAND[:3]))
    return named or next(takes, None)


def writes_code(tools: Sequence[Offered]) -> bool:
    """Whether tools are called by a program that the model writes."""
    return any(tool.name == CODE and INSIDE in tool.description for tool in tools)


def arguments_for(tool: Offered, command: str) -> dict[str, Any]:
    """Arguments that fit the tool's schema, with the command in them."""
    properties = tool.schema.get("properties") or {}
    made = smallest({**tool.schema, "type": "object"}) if properties else {}
    name = next((k for k in _COMMAND if k in properties), "command")
    kind = (properties.get(name) or {}).get("type")
    words: str | list[str] = ["bash", "-lc", command] if kind == "array" or "array" in (kind or ()) else command
    return {**made, name: words} | ({"description": "run a command"} if "description" in made else {})


def view_of(ask: Ask) -> View:
    """The view of a request on the wire, in any dialect."""
    turns: list[tuple[str, str]] = []
    system: list[str] = [_text(ask.system)] if ask.system else []
    items = ask.input if isinstance(ask.input, list) else ask.messages or ask.contents or []
    if isinstance(ask.input, str):
        turns.append(("user", ask.input))
    for item in items:
        role = item.get("role") or ("assistant" if str(item.get("type")).endswith("_call") else "")
        text = _text(item.get("content") if "content" in item else item.get("parts"))
        if role in ("system", "developer"):
            system.append(text)
        elif role in ("assistant", "model"):
            _add(turns, "assistant", text)
        elif role == "user":
            turns.append(("user", text))
        else:
            turns.append(("tool", ""))
    declared = [*(ask.tools or []), *(item for item in items if item.get("type") == "additional_tools")]
    return View(turns, tuple(_offered(declared)), "\n".join(system))


def _add(turns: list[tuple[str, str]], role: str, text: str) -> None:
    """Items of the model that follow each other (Responses) are one turn."""
    if turns and turns[-1][0] == role:
        turns[-1] = (role, turns[-1][1] + text)
    else:
        turns.append((role, text))


def _offered(tools: Sequence[Any]) -> Iterator[Offered]:
    for tool in tools:
        if not isinstance(tool, dict):
            continue
        nested = tool.get("functionDeclarations") or tool.get("tools")
        if isinstance(nested, list):
            yield from _offered(nested)
            continue
        spec = tool.get("function") or tool
        schema = spec.get("input_schema") or spec.get("parameters") or spec.get("parametersJsonSchema") or {}
        if isinstance(spec.get("name"), str):
            said, freeform = str(spec.get("description") or ""), tool.get("type") == "custom" and spec is tool
            yield Offered(spec["name"], _lower(schema), said, freeform)


def _lower(schema: Any) -> Any:
    """Gemini spells types in capitals."""
    if isinstance(schema, dict):
        return {k: v.lower() if k == "type" and isinstance(v, str) else _lower(v) for k, v in schema.items()}
    return [_lower(s) for s in schema] if isinstance(schema, list) else schema


def _text(content: Any) -> str:
    """What is said in words: results of tools are not."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(t for c in content if (t := _text(c)))
    if isinstance(content, dict) and "text" in content:
        return str(content["text"])
    return ""
