"""What all trials of a run share: opened models, prices, lanes, the sandbox, and where attempts go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.config.suite import BoundGrader, Suite, System
from harness.engine.attempt_state import AttemptState
from harness.engine.boxes import Boxes
from harness.engine.cache import CallCache
from harness.engine.calls import OpenModel
from harness.engine.judges import Judging
from harness.engine.lanes import Lanes
from harness.engine.others import Others
from harness.engine.retry import RetryPolicy
from harness.plugins.contracts import Model, Sandbox
from harness.prices import PriceBook
from harness.records.judgement import Judgement
from harness.records.outcome import Artifact, Attempt
from harness.records.task import digest_of
from harness.records.transcript import Transcript

if TYPE_CHECKING:
    from harness.gateway.server import GatewayServer

Record = Callable[[Attempt, Transcript, Sequence[Artifact], Sequence[Judgement]], None]


@dataclass(slots=True)
class Services:
    """Opened once per run, closed once. `models` holds every client by the digest of its model.

    `run` is the run's name: what is opened for it on a container engine carries it. `live` are the attempts under
    way; `spent` is what those before them cost, and `over_budget` is called when the budget ends one: the runner's.
    """

    suite: Suite
    policy: RetryPolicy
    prices: PriceBook
    record: Record
    lanes: Lanes
    sandbox: Sandbox | None = None
    cache: CallCache | None = None
    run: str = ""
    models: dict[str, OpenModel] = field(default_factory=dict)
    boxes: Boxes = field(init=False)
    judging: Judging = field(init=False)
    others: Others = field(default_factory=lambda: Others())
    live: set[AttemptState] = field(default_factory=set)
    spent: Callable[[], float] = lambda: 0.0
    over_budget: Callable[[], None] = lambda: None
    _gateway: GatewayServer | None = None
    _by_identity: dict[int, OpenModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.judging = Judging(self.suite.workspace)
        self.boxes = Boxes(self.sandbox, self.suite.workspace, self.run, self.suite.boxes or 0)

    def open_system(self, system: System) -> Mapping[str, OpenModel]:
        """The system's opened models by role."""
        return {role: self.open_model(model) for role, model in system.models.items()}

    def open_judges(self, bound: BoundGrader) -> Mapping[str, OpenModel]:
        """The judges a grader names, by role."""
        return {role: self.open_model(model) for role, model in bound.grader.judges().items()}

    def open_model(self, model: Model) -> OpenModel:
        """The opened model; equal models share one client. Raises UsageFault when a key is absent."""
        known = self._by_identity.get(id(model))
        if known is None:
            digest = model_digest(model)
            known = self.models.get(digest)
            if known is None:
                known = self.models[digest] = self._open(model, digest)
            self._by_identity[id(model)] = known
        return known

    def _open(self, model: Model, digest: str) -> OpenModel:
        return OpenModel(
            model=model,
            client=model.open(self.suite.workspace),
            lane=self.lanes.lane(model.lane),
            digest=digest,
            provider=model.provider,
            simulated=model.simulated,
            prices=self.prices,
            policy=self.policy,
            cache=None if model.simulated else self.cache,
        )

    def gateway(self) -> GatewayServer:
        """The run's gateway, opened when the first agent needs it."""
        if self._gateway is None:
            from harness.gateway.server import GatewayServer

            self._gateway = GatewayServer()
        return self._gateway

    def spent_now(self) -> float:
        """Dollars of the run so far, attempts under way included."""
        return self.spent() + sum(state.usage.cost_usd for state in self.live)

    async def aclose(self) -> None:
        """Close every client, the gateway, the sandbox and the cache."""
        if self._gateway is not None:
            await self._gateway.aclose()
        for opened in self.models.values():
            await opened.client.aclose()
        await self.boxes.aclose()
        for cache in (self.cache, self.judging.cache):
            if cache is not None:
                cache.close()


def model_digest(model: Model) -> str:
    """Content digest of a model plugin: its class, version, name and settings."""
    cls = type(model)
    return digest_of(f"{cls.__module__}:{cls.__qualname__}", cls.version, model.model_dump(mode="json"))
