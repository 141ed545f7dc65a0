"""The gateway as plugins see it: an agent's door to its models, and where a model plugin is reached.

An agent's program runs in a box without a network and without a key. Inside the box the door is one address,
`http://127.0.0.1:8089`; a sidecar that shares the box's network namespace passes it on to a unix socket of this trial
alone, where the gateway relays what it reads to the provider, byte for byte, with the key it holds. The socket is the
trial's identity. What passes is counted as the trial's own turns, tokens and cost, so limits hold whatever the agent
does, and written into its transcript as `Exchange` events.

    class Agent(Harness):
        needs_box = True
        uses_gateway = True                                   # the engine opens the box with a door

        async def solve(self, task, ctx):
            async with ctx.gateway.open(("anthropic",), aliases={"claude-haiku-4-5": "main"}) as door:
                done = await ctx.box.exec(["claude", "-p", ...], env={"ANTHROPIC_BASE_URL": door.base_url,
                                                                      "ANTHROPIC_API_KEY": door.key})
            return Output(answer=..., metrics={"requests": len(door.exchanges)})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from harness.records.content import Json
from harness.records.exchange import Dialect, Exchange

DOOR_PORT = 8089
"""Where the sidecar listens inside the box, on loopback: the same for every trial, so that argv and environment are."""
DOOR_SOCKET = "gw.sock"
"""The name of a trial's socket in its folder. The sidecar alone has that folder, at `DOOR_FOLDER`."""
DOOR_FOLDER = "/run/gw"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the gateway sends an agent's requests for a model.

    `base_url` is what the provider's SDK takes: it ends before `/v1` for Anthropic and Gemini, and with it for OpenAI's
    two APIs. `headers` hold the key: they are added to a
    request after the agent's own keys were taken out of it, and are never recorded. `key` is the key alone, where a
    header of another name than those for keys (`Authorization`, `x-api-key`, ...) holds it: it is cut out of what the
    provider says. `pins` are fields of the body that
    the system's settings fix, by dialect (`{"anthropic": {"output_config": {"effort": "high"}}}`): they win over what
    the agent wrote, and objects are merged one level deep. `timeout_s` bounds the silence between two pieces of an
    answer.
    """

    base_url: str
    dialects: tuple[Dialect, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    pins: Mapping[Dialect, Mapping[str, Json]] = field(default_factory=dict)
    timeout_s: float = 600.0
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Served:
    """A model role as an agent may be told of it: the provider's name for the model, and the APIs it is reached by.

    A simulated model (scripted, replay) answers in every dialect.
    """

    name: str
    provider: str
    dialects: tuple[Dialect, ...]
    simulated: bool
    effort: str = ""


def mismatch(spoken: Dialect, name: str, plugin: str, there: Sequence[Dialect]) -> str:
    """The one message for an agent that speaks another API than its model is reached by."""
    reached = " or ".join(there) or "no API that is relayed"
    return f"the agent speaks {spoken}, and model '{name}' ({plugin}) is reached by {reached}"


class Door(Protocol):
    """A trial's open door. The addresses end before `/v1`; which path follows is the agent's own matter."""

    base_url: str
    """`http://127.0.0.1:8089`, inside the box."""
    port: int
    """8089."""
    host_url: str
    """For a loop that runs on the host (`on_host=True`): an address on this machine's loopback, else empty. It answers
    only who sends `key`."""
    key: str
    """A placeholder to give to the agent as its API key. The real one never leaves the gateway."""
    limit: str
    """The limit of the trial that the agent was last stopped with (`turns`, `tokens`, `cost`, `time`), or nothing. The
    engine records it by itself."""

    @property
    def lost(self) -> bool:
        """Whether the model failed for good: nothing more is answered, and the program can be ended."""
        ...

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """Every exchange so far, in the order in which they ended."""
        ...

    @property
    def last(self) -> Exchange | None:
        """The last exchange with a model: count_tokens and unknown paths left out."""
        ...


class Gateway(Protocol):
    """`ctx.gateway`: there for harnesses with `uses_gateway`."""

    models: Mapping[str, Served]
    """What each of the system's model roles is."""

    def open(
        self,
        dialects: Sequence[Dialect] = (),
        *,
        role: str = "main",
        aliases: Mapping[str, str] | None = None,
        must_call: bool = True,
        on_host: bool = False,
    ) -> AbstractAsyncContextManager[Door]:
        """Let requests through for as long as the context lasts; before and after it everything is refused.

        `dialects` are those the agent speaks: one that the role's model cannot be reached by is a UsageFault here,
        before money is spent. `aliases` maps names the agent asks for to model roles; every other name gets `role`, so
        a model is pinned whatever the agent asks for.

        Raises SandboxError `gateway` when the box's sidecar does not reach the socket. Leaving the context without an
        error of its own raises ModelError when the last answer was the provider's failure (infrastructure, never the
        agent's; a request that it refuses as such, after it has answered others, is the agent's own), LimitReached
        `context` when it was a prompt too long, BudgetReached when the run's budget stopped it,
        and with `must_call` NoModelCall when the agent never asked a model.
        """
        ...
