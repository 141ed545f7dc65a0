"""The contract of a harness, as checks that anyone can run on their own: `harness plugin check harnesses/mine.py`.

A harness is tried on small tasks (text, choices, parts with a picture, files) in a scratch workspace, with models that
echo, agree, say nothing or fail. Nothing leaves the machine. A task the harness says it has no means for
(MissingRequirement) counts as handled, as long as one task comes to an output. A harness that runs a program behind the
gateway may say so of every task: the program is not here. One that needs a person is not tried.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from harness.errors import LimitReached, MissingRequirement, ModelError, UsageFault
from harness.plugins.contracts import Harness, Model, ModelClient
from harness.plugins.loader import load
from harness.plugins.sound import output_faults
from harness.records.content import File, Json, Text
from harness.records.outcome import Output
from harness.records.task import SandboxSpec, Shape, TaskView
from harness.testing.build import scratch
from harness.testing.checks import Finding, check_class, failed
from harness.testing.fakes import FakeBox, FakeContext, Says, a_file, a_task

SECRET = "the-hidden-reference-7f3a"
"""A reference that may turn up nowhere."""

TIMEOUT_S = 30.0
"""A solve that has not ended by then hangs: every model here answers at once."""

_PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


def check_harness(cls: type[Harness], workspace: Path) -> list[Finding]:
    """Every check of the contract, with its outcome. Not to be called inside a running event loop."""
    return asyncio.run(check_harness_async(cls, workspace))


async def check_harness_async(cls: type[Harness], workspace: Path) -> list[Finding]:
    """The same, inside a loop."""
    findings = check_class(cls, workspace)
    if any(f.check == "its example can be built" for f in failed(findings)):
        return findings
    harness = cls.model_validate(dict(cls.example))
    with scratch(cls, workspace) as place:
        if harness.attended:
            return [*findings, Finding("needs a person, so it is not tried", True)]
        trial = _Trial(harness, place, _tasks(place))
        findings.append(_said("its example passes its own check", lambda: "; ".join(harness.check(place))))
        findings.append(_said("its roles and delegates are names", lambda: _names(harness, place)))
        for name, check in (
            ("returns an output", trial.returns_output),
            ("a scripted model gives the same twice", trial.is_deterministic),
            ("concurrent solves keep apart", trial.keeps_apart),
            ("lets a failed model call through", trial.lets_model_error_through),
            ("lets a limit through", trial.lets_limit_through),
            ("lets cancellation through", trial.lets_cancel_through),
            ("does not see the reference", trial.is_blind),
            ("leaves nothing running", trial.leaves_nothing_running),
            ("touches no file of the workspace", trial.touches_no_file),
        ):
            findings.append(await _checked(name, check))
    return findings


class _Trial:
    """One harness, its scratch workspace and the tasks to try it on."""

    def __init__(self, harness: Harness, workspace: Path, tasks: Sequence[TaskView]) -> None:
        self.harness = harness
        self.workspace = workspace
        self.tasks = tasks
        self.echo = cast(Model, load("model", "scripted", workspace).model_validate({"name": "echo"})).open(workspace)

    def context(self, client: ModelClient | None = None, secret: Json = None) -> FakeContext:
        """A context with the roles the harness names and no other."""
        return FakeContext(
            self.workspace,
            client or Says(_agreeable),
            roles=tuple(self.harness.roles()),
            box=FakeBox() if self.harness.needs_box else None,
            reference=SECRET if self.harness.privileged else secret,
        )

    async def solve(self, task: TaskView, ctx: FakeContext) -> Output | None:
        """The output; None for a task it has no means for."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self.harness.solve(task, ctx)
        except MissingRequirement:
            return None

    async def returns_output(self) -> str:
        """An Output for at least one task, for every task nothing else than that or a missing requirement."""
        got: list[Output] = []
        for client in (self.echo, Says(""), Says(_agreeable)):
            for task in self.tasks:
                output = await self.solve(task, self.context(client))
                if output is None:
                    continue
                if not isinstance(output, Output):
                    return f"{task.id}: solve returned {type(output).__name__}, not Output"
                if wrong := _ill_formed(output):
                    return f"{task.id}: {wrong}"
                got.append(output)
        if self.harness.uses_gateway:  # its program is not here, and it said so
            return ""
        return "" if got else "no task came to an output: each raised MissingRequirement"

    async def is_deterministic(self) -> str:
        """Same task, same script, same requests and output."""
        for task in self.tasks:
            first, second = self.context(), self.context()
            one, two = await self.solve(task, first), await self.solve(task, second)
            if one != two:
                return f"{task.id}: {one} and then {two}"
            if first.calls != second.calls:
                return f"{task.id}: the same output by other model calls"
        return ""

    async def keeps_apart(self) -> str:
        """Eight solves at once give what eight in a row give."""
        tasks = [
            msgspec.structs.replace(t, prompt=_marked(t, f"case number {i}")) for i in range(2) for t in self.tasks
        ]
        client = Says(_echoing)
        alone = [await self.solve(t, self.context(client)) for t in tasks]
        together = await asyncio.gather(*(self.solve(t, self.context(client)) for t in tasks))
        mixed = [t.id for t, a, b in zip(tasks, alone, together, strict=True) if a != b]
        return f"other outputs when solved at once: {', '.join(mixed)}" if mixed else ""

    async def lets_model_error_through(self) -> str:
        """A failed call is infrastructure; an answer made up instead would be scored."""
        return await self._lets_through(ModelError("server", "planted"))

    async def lets_limit_through(self) -> str:
        """A limit ends the attempt; swallowed, the harness would go on for ever."""
        return await self._lets_through(LimitReached("tokens", "planted"))

    async def lets_cancel_through(self) -> str:
        """Ctrl-C and time limits cancel."""
        return await self._lets_through(asyncio.CancelledError("planted"))

    async def _lets_through(self, error: BaseException) -> str:
        for task in self.tasks:
            ctx = self.context(Says(error))
            try:
                await self.harness.solve(task, ctx)
            except type(error):
                continue
            except MissingRequirement:
                continue
            if ctx.calls:
                return f"{task.id}: {type(error).__name__} from a model call was swallowed"
        return ""

    async def is_blind(self) -> str:
        """Unless privileged, the reference is in no request, note or output, even when a context would show it."""
        if self.harness.privileged:
            return ""
        for task in self.tasks:
            ctx = self.context(secret=SECRET)
            output = await self.solve(task, ctx)
            told = msgspec.json.encode([[c.request for c in ctx.calls], ctx.notes, ctx.saved, output])
            left = output.artifacts if output else ()
            if SECRET.encode() in told or any(SECRET.encode() in a.data for a in left):
                return f"{task.id}: the reference turns up in what it asks, notes or delivers"
            if ctx.reference_reads:
                return f"{task.id}: it reads ctx.reference and is not privileged"
        return ""

    async def leaves_nothing_running(self) -> str:
        """No task of the loop outlives a solve."""
        before = asyncio.all_tasks()
        for task in self.tasks:
            await self.solve(task, self.context())
        left = asyncio.all_tasks() - before
        return f"still running: {', '.join(sorted(t.get_name() for t in left))}" if left else ""

    async def touches_no_file(self) -> str:
        """The workspace after a solve is the workspace before it."""
        before = _listing(self.workspace)
        for task in self.tasks:
            await self.solve(task, self.context())
        changed = sorted(set(before.items()) ^ set(_listing(self.workspace).items()))
        return f"changed: {', '.join(dict.fromkeys(name for name, _ in changed))}" if changed else ""


def _agreeable(request: object) -> str:
    """An answer that suits every form, so that a harness gets as far as it can."""
    return "1. Work it out.\n\\boxed{B}\nANSWER: B\nCONFIDENCE: 80"


def _echoing(request: object) -> str:
    """An answer that tells which task it belongs to."""
    messages = msgspec.to_builtins(request)["messages"]
    text = "".join(str(p.get("text", "")) for m in messages for p in m["parts"])
    return f"ANSWER: {text.partition('case number ')[2][:1]}"


def _marked(task: TaskView, mark: str) -> str | tuple[Text | File, ...]:
    return f"{task.prompt} {mark}" if isinstance(task.prompt, str) else (*task.prompt, Text(mark))


def _ill_formed(output: Output) -> str:
    if wrong := output_faults(output):
        return wrong
    try:
        msgspec.json.encode(msgspec.structs.replace(output, artifacts=()))
    except (TypeError, ValueError) as e:
        return f"the output cannot be written as JSON: {e}"
    return ""


def _names(harness: Harness, workspace: Path) -> str:
    names = [*harness.roles(), *harness.delegates(workspace)]
    odd = [n for n in names if not isinstance(n, str) or not n]
    return f"not a name: {odd[0]!r}" if odd else ""


def _tasks(workspace: Path) -> tuple[TaskView, ...]:
    page = a_file(workspace, "files/page.txt", b"Refunds within 14 days.\n")
    picture = a_file(workspace, "files/dot.png", _PNG, "image/png")
    high = Shape(horizon="short", stakes="high", surface="document", tools=0, context=20)
    return (
        a_task("How long is the refund window?"),
        a_task("Which is a colour?\n\nA) seven\nB) blue", id="example-choices", n_choices=2),
        a_task((Text("What is on the picture?"), picture), id="example-parts", shape=high),
        a_task("How long is it, by the page?", id="example-files", files=(page,), sandbox=SandboxSpec()),
    )


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file, behind links too."""
    found: dict[str, tuple[int, int]] = {}
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if (path := Path(parent, name)).is_file():
                found[str(path.relative_to(folder))] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def _said(name: str, check: Callable[[], str]) -> Finding:
    try:
        detail = check()
    except Exception as e:  # noqa: BLE001 - the edge of a plugin: what it raises is the finding
        detail = f"raised {type(e).__name__}: {e}"
    return Finding(name, not detail, detail)


async def _checked(name: str, check: Callable[[], Awaitable[str]]) -> Finding:
    try:
        detail = await check()
    except asyncio.CancelledError:
        raise
    except UsageFault as e:
        detail = f"raised UsageFault: {e.fault.what}"
    except TimeoutError:
        detail = f"a solve did not end within {TIMEOUT_S:g} s"
    except Exception as e:  # noqa: BLE001 - the edge of a plugin: what it raises is the finding
        detail = f"raised {type(e).__name__}: {e}"
    return Finding(name, not detail, detail)
