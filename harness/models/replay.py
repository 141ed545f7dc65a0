"""A model that answers from the transcripts of an earlier run: harness and grader changes tried without money.

It is exact or it is nothing: a request that was not made in that run is an error, never an answer to another question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import Field

from harness.errors import ModelError, UsageFault
from harness.models._recorded import Recorded, conversation_digest, load_calls, nearest, request_digest
from harness.plugins.contracts import Model, ModelClient
from harness.records.content import Json, Request, Response
from harness.toolkit.files import one_line

EXPLAINED = 20
"""So many requests that are not found are told what was nearest; looking for it is slow."""


class Replay(Model):
    """Answers model calls with the responses recorded in a run folder.

    The same request made several times gets the recorded responses in order (epoch, task, system, call); once they
    are used up it is an error, unless `repeat` is on. Tokens are those recorded; replaying costs nothing.
    """

    version: ClassVar[str] = "1"
    simulated: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Json]] = {"run": "runs/20260101T000000Z-mine-abc123"}
    example_files: ClassVar[Mapping[str, str]] = {
        "runs/20260101T000000Z-mine-abc123/transcripts.jsonl": '{"task": "t", "system": "s", "epoch": 1, "attempt": 1, '
        '"output": {"answer": "Hello."}, "events": [{"event": "model", "role": "main", "at": 0.0, "seconds": 0.1, '
        '"request": {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Say hello."}]}], '
        '"system": "Be brief.", "max_output_tokens": 2048, "stop": ["\\n\\n\\n"]}, '
        '"response": {"parts": [{"type": "text", "text": "Hello."}], "stop": "end", '
        '"usage": {"input": 9, "output": 2, "calls": 1}}}]}\n'
    }

    name: str = "replay"
    """A name for reports."""
    run: str = Field(min_length=1)
    """The run folder, relative to the workspace."""
    system: str = ""
    """Only calls of this system; empty is all."""
    role: str = ""
    """Only calls of this model role; empty is all."""
    by: Literal["request", "answers"] = "request"
    """What is looked up: the very same request; or, for agents, a conversation that began the same way and in which the
    model has said the same so far, whatever the date is and whatever tools returned."""
    repeat: bool = False
    """Begin again with the first response when the recorded ones are used up."""

    @property
    def provider(self) -> str:
        """`replay`: never priced."""
        return "replay"

    def check(self, workspace: Path) -> Sequence[str]:
        """The run can be read and has calls of this system and role."""
        try:
            self.open(workspace)
        except UsageFault as e:
            return (one_line(e),)
        return ()

    def digest_files(self) -> Sequence[str]:
        """The transcripts."""
        return (f"{self.run}/transcripts.jsonl",)

    def open(self, workspace: Path) -> ModelClient:
        """A client with the calls in memory. Raises UsageFault when there are none."""
        key_of = conversation_digest if self.by == "answers" else request_digest
        calls = load_calls(workspace / self.run, self.run, self.system, self.role, key_of)
        if not calls:
            whose = "".join(f" of {k} '{v}'" for k, v in (("system", self.system), ("role", self.role)) if v)
            raise UsageFault(f"{self.run} has no recorded model calls{whose}")
        return ReplayClient(calls, self.repeat, key_of)


class ReplayClient:
    """Gives each recorded response once."""

    def __init__(
        self, calls: Mapping[str, Sequence[Recorded]], repeat: bool, key_of: Callable[[Request], str] = request_digest
    ) -> None:
        self._key_of = key_of
        self._calls = calls
        self._repeat = repeat
        self._used: dict[str, int] = {}
        self._missed = 0

    async def generate(self, request: Request) -> Response:
        """The next recorded response to this very request.

        Raises ModelError `script_exhausted` when there is none (more). Not `not_found`, which says that the model
        itself does not exist and stops every call to it.
        """
        digest = self._key_of(request)
        found = self._calls.get(digest)
        if found is None:
            self._missed += 1
            why = nearest(request, self._calls) if self._missed <= EXPLAINED else "see the first such errors"
            raise ModelError("script_exhausted", f"this '{request.label}' request is not in the recorded run; {why}")
        nth = self._used.get(digest, 0)
        if nth >= len(found) and not self._repeat:
            times = f"was recorded {len(found)} time(s), first in {found[0].where}, and is asked once more"
            raise ModelError("script_exhausted", f"this '{request.label}' request {times}")
        self._used[digest] = nth + 1
        response = found[nth % len(found)].response
        usage = msgspec.structs.replace(response.usage, cost_usd=0.0, unpriced=0, estimated=0)
        return msgspec.structs.replace(response, usage=usage)

    async def aclose(self) -> None:
        """Nothing is open."""
