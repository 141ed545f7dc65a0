"""Judges of a run: their calls within a budget, their models watched, their secret, and what stops the run.

A judge's call is a model call like any other (lane, retries, price, cache); this adds what must hold for judges only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_bytes

from harness.config.identity import nested
from harness.config.suite import BoundGrader
from harness.engine.attempt_state import AttemptState
from harness.engine.cache import CallCache
from harness.engine.calls import MeteredClient, OpenModel
from harness.errors import LimitReached, ModelError, StoreError
from harness.plugins.contracts import Grader, ModelClient
from harness.records.content import Request, Response, Usage
from harness.records.judgement import Judgement

CACHE_FILE = Path(".harness") / "cache" / "judge-calls.sqlite"
KEY_FILE = Path(".harness") / "judge.key"
NOT_CACHED = ("sentinel", "control:")
"""Roles whose calls are always made: a sentinel answered from a cache would never see the judge change."""


@dataclass(slots=True)
class Spent:
    """What one grader's judges have used in this run."""

    usd: float = 0.0
    calls: int = 0

    def add(self, usage: Usage) -> None:
        """Count a call's usage; cached ones cost nothing and are none."""
        self.usd += usage.cost_usd
        self.calls += usage.calls - usage.cached


@dataclass(slots=True)
class Judging:
    """What the judges of a run share. `stopped` is why no further verdict of this run could be believed;
    `doing` what goes on besides trials, for the progress line."""

    workspace: Path
    cache: CallCache | None = None
    spent: dict[str, Spent] = field(default_factory=dict)
    stopped: str = ""
    doing: str = ""
    returned: dict[str, str] = field(default_factory=dict)
    _key: bytes = b""

    @property
    def key(self) -> bytes:
        """This installation's secret: made once, readable by its owner only. Raises StoreError."""
        if not self._key:
            self._key = installation_key(self.workspace / KEY_FILE)
        return self._key

    def of(self, grader: str) -> Spent:
        """What a grader's judges have used."""
        return self.spent.setdefault(grader, Spent())

    def restore(self, judgements: Iterable[Judgement]) -> Usage:
        """What earlier sessions of this run used. Returns what no attempt's record has of it: sentinels, controls."""
        apart = Usage()
        for judgement in judgements:
            self.of(judgement.grader).add(judgement.usage)
            if not judgement.attempt:
                apart = apart + judgement.usage
        return apart

    def clients(
        self, bound: BoundGrader, judges: Mapping[str, OpenModel], state: AttemptState, role: str
    ) -> dict[str, ModelClient]:
        """A client for each judge of a grader, by the judge's name."""
        made: dict[str, ModelClient] = {}
        rules = judge_graders(bound.grader)
        for name, opened in judges.items():
            may = not role.startswith(NOT_CACHED) and any(g.is_cached(name) for g in rules)
            cached = self.call_cache() if may else None
            client = MeteredClient(replace(opened, cache=cached), f"judge.{name}", state)
            made[name] = JudgeClient(client, bound, name, self)
        return made

    def call_cache(self) -> CallCache:
        """The cache of judge calls, apart from that of systems, opened when first needed. Raises StoreError."""
        if self.cache is None:
            self.cache = CallCache(self.workspace / CACHE_FILE)
        return self.cache

    def stop(self, why: str) -> None:
        """No further trial is started; what was judged until now is kept."""
        self.stopped = self.stopped or why


class JudgeClient:
    """One judge, for one grading."""

    __slots__ = ("_bound", "_client", "_judging", "_name")

    def __init__(self, client: MeteredClient, bound: BoundGrader, name: str, judging: Judging) -> None:
        self._client = client
        self._bound = bound
        self._name = name
        self._judging = judging

    async def generate(self, request: Request) -> Response:
        """Ask. Raises LimitReached `cost` past the grader's budget, ModelError when this judge cannot be had any more.

        A judge that was withdrawn, or for which another model answered, stops the run: it is never replaced in silence.
        """
        judging, grader = self._judging, self._bound
        spent = judging.of(grader.name)
        budget = grader.grader.judge_budget()
        if budget.max_calls is not None and spent.calls >= budget.max_calls:
            raise LimitReached("cost", f"{grader.name} may make {budget.max_calls} judge calls in a run")
        if budget.max_cost_usd is not None and spent.usd >= budget.max_cost_usd:
            raise LimitReached("cost", f"{grader.name} may spend ${budget.max_cost_usd:g} on judges in a run")
        spent.calls += 1  # before the call: those in flight count
        try:
            response = await self._client.generate(request)
        except ModelError as e:
            spent.calls -= 1
            if e.fault in ("not_found", "auth"):
                judging.stop(f"judge '{self._name}' of {grader.name} cannot be had: {e}")
            raise
        except BaseException:
            spent.calls -= 1
            raise
        spent.calls -= bool(response.usage.cached)
        spent.usd += response.usage.cost_usd
        self._watch(response.model)
        return response

    async def aclose(self) -> None:
        """Does nothing: the run closes the shared client."""

    def _watch(self, returned: str) -> None:
        key = f"{self._bound.name}.{self._name}"
        first = self._judging.returned.setdefault(key, returned) if returned else ""
        rules = judge_graders(self._bound.grader)
        if any(g.is_substitute(self._name, returned) for g in rules):
            why = f"judge '{self._name}' of {self._bound.name} was answered for by another model: {returned}"
        elif returned and returned != first:
            why = f"judge '{self._name}' of {self._bound.name} changed in the run: {first}, then {returned}"
        else:
            return
        self._judging.stop(why)
        raise ModelError("bad_request", why)


def judge_graders(grader: Grader) -> list[Grader]:
    """A grader and those inside it that ask judges."""
    return [g for g in (grader, *nested(grader)) if isinstance(g, Grader) and g.judges()]


def installation_key(path: Path) -> bytes:
    """The secret in a file that only its owner can read, made when it is not there. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = path.read_bytes()
            if len(found) >= 32:
                return found
            raise StoreError(f"{path.name} is damaged", help="delete it; judges' prompts get other marks") from None
        with os.fdopen(fd, "wb") as file:
            key = token_bytes(32)
            file.write(key)
        return key
    except OSError as e:
        raise StoreError(f"cannot make {path.name}: {e.strerror}", help="judges' prompts are marked with it") from e
