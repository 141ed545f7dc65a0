"""Agents in boxes without a network and without a key, on a real engine: what they reach, and what is recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from box_bench import BoxBench, Shell, box_task
from gate_agent import PROGRAM, Agent

from harness.config.suite import Suite
from harness.gateway.server import reap
from harness.plugins.contracts import Model, Mount
from harness.plugins.loader import load
from harness.prices import PriceBook
from harness.records.exchange import Exchange
from harness.records.outcome import Attempt
from harness.records.task import Collect, Limits, SandboxSpec
from harness.sandboxes.docker import Docker
from harness.testing.wire import Step, WireServer

pytestmark = pytest.mark.docker
KEY = "sk-real-key-of-the-host-9876543210"
WORK = "@@sh echo hi > /work/out.txt; echo written\n@@sh cat /work/out.txt\n@@say all done"


class AgentBench(BoxBench):
    """Every system has the same model: Claude by the wire server."""

    wire: WireServer
    models: Mapping[str, Model]

    def suite(self, tasks: Any, harnesses: Any = None, answer: Any = None, **more: Any) -> Suite:
        made = super().suite(tasks, harnesses, **more)
        systems = {n: dataclasses.replace(s, models=self.models) for n, s in made.systems.items()}
        return dataclasses.replace(made, systems=systems)

    def exchanges(self, attempt: Attempt) -> list[Exchange]:
        return [e for e in self.transcript(attempt).events if isinstance(e, Exchange)]


def claude(wire: WireServer) -> Model:
    words = {"name": "claude-opus-4-7", "base_url": wire.url, "api_key_env": "HOST_KEY"}
    return cast(Model, load("model", "anthropic", Path()).model_validate(words))


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer() as wire:
        yield wire


@pytest.fixture
def agents(tmp_path: Path, server: WireServer, monkeypatch: pytest.MonkeyPatch) -> AgentBench:
    monkeypatch.setenv("HOST_KEY", KEY)
    server.reset()
    bench = AgentBench(tmp_path)
    bench.wire, bench.models = server, {"main": claude(server)}
    return bench


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for temporary files whose path leaves room for a socket, however deep pytest's own lie."""
    with tempfile.TemporaryDirectory(prefix="hg-", dir="/tmp") as folder:
        yield Path(folder)


def out(id: str, prompt: str = WORK, **more: Any) -> Any:
    return msgspec.structs.replace(box_task(id, Collect("patch", "file", path="/work/out.txt"), **more), prompt=prompt)


def test_an_agent_works_in_a_box_without_network_or_key(agents: AgentBench) -> None:
    (attempt,) = agents.play([out("a")], {"agent": Agent()})
    assert (attempt.status, attempt.trouble) == ("graded", None)
    assert agents.artifact(attempt) == b"hi\n" and attempt.output.answer == "all done\n"
    first, second, third = agents.exchanges(attempt)
    assert (attempt.turns == 3 and attempt.usage.calls == 3 and attempt.models == ("any-model",)) or attempt.models
    assert [e.status for e in (first, second, third)] == [200, 200, 200]
    assert first.asked == "any-model" and first.sent == "claude-opus-4-7"
    assert len(third.messages) == 5 and set(first.messages) < set(third.messages)
    assert len({*first.parts, *second.parts, *third.parts}) == len(first.parts) + len(second.parts) + len(third.parts)
    assert attempt.usage.input == sum(e.usage.input for e in (first, second, third)) > 0
    assert agents.held() == []
    assert agents.folder is not None
    assert KEY not in "".join(p.read_text("utf-8", "replace") for p in agents.folder.path.rglob("*") if p.is_file())
    assert all(r["headers"]["x-api-key"].endswith(KEY[-4:]) for r in agents.wire.log())


def test_a_limit_of_turns_ends_the_agent_and_what_it_left_is_graded(agents: AgentBench) -> None:
    (attempt,) = agents.play([out("a", limits=Limits(turns=1))], {"agent": Agent()})
    assert (attempt.status, attempt.limit, attempt.turns) == ("graded", "turns", 1)
    assert agents.artifact(attempt) == b"hi\n"
    assert "STOPPED 402" in str(attempt.output.answer)
    assert [e.limit for e in agents.exchanges(attempt)] == ["", "turns"]


def test_a_provider_that_stays_down_is_infrastructure(agents: AgentBench) -> None:
    agents.wire.script(Step(status=529, repeat=50))
    (attempt,) = agents.play([out("a")], {"agent": Agent()}, infra_retries=0)
    assert attempt.status == "infra_error" and attempt.trouble is not None
    assert (attempt.trouble.source, attempt.trouble.cause) == ("model", "overloaded")
    assert attempt.retries == 2 and len(agents.exchanges(attempt)[0].retries) == 3


def test_a_provider_that_stays_down_is_infrastructure_also_for_an_agent_that_never_gives_up(agents: AgentBench) -> None:
    """mini-swe-agent tries again for ever: that its time is up then is no outcome of the agent's."""
    agents.wire.script(Step(status=529, repeat=50))
    agent = Agent(program=PROGRAM.replace("sys.exit(1)", "__import__('time').sleep(1000)"))
    (attempt,) = agents.play([out("a", limits=Limits(time_s=4.0))], {"agent": agent}, infra_retries=0)
    assert (attempt.status, attempt.limit) == ("infra_error", ""), attempt
    assert attempt.trouble is not None and attempt.trouble.cause == "overloaded"


def test_the_runs_budget_stops_a_trial_in_the_middle(agents: AgentBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of ten dollars in a run of half a dollar: the next one is refused, and the trial is run again later."""
    host = agents.wire.url.removeprefix("http://")
    (agents.root / "prices.yaml").write_text(
        f'prices: [{{provider: "{host}", model: claude-opus-4-7, input: 1.0, output: 1.0, cache_read: 1.0}}]\n'
    )
    load_prices = PriceBook.load
    monkeypatch.setattr(PriceBook, "load", lambda *_: load_prices(agents.root / "prices.yaml"))
    prompt = "@@usage 10000000 10\n@@sh echo hi > /work/out.txt\n@@say done"
    (attempt,) = agents.play([out("a", prompt)], {"agent": Agent()}, budget_usd=0.5, infra_retries=1)
    assert attempt.trouble is not None and (attempt.trouble.source, attempt.trouble.cause) == ("budget", "run")
    assert (attempt.status, agents.ending) == ("infra_error", "budget")
    assert attempt.usage.cost_usd == pytest.approx(10.0, rel=0.01) and attempt.turns == 1


def test_an_agent_that_never_asks_is_told_in_one_message(agents: AgentBench) -> None:
    (attempt,) = agents.play([out("a")], {"agent": Agent(program="print('nothing')")}, infra_retries=0)
    assert attempt.status == "infra_error" and attempt.trouble is not None
    assert (attempt.trouble.source, attempt.trouble.cause) == ("harness", "NoModelCall")
    assert "without one request to a model" in attempt.trouble.detail


LOOK = r"""
import json, os, socket, sys, urllib.request
ROOTS = ("/run", "/var/run", "/tmp", "/work", "/etc")
def tries(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
        return "REACHED"
    except OSError as e:
        return type(e).__name__
def resolves(name):
    try:
        return "RESOLVED " + socket.gethostbyname(name)
    except OSError as e:
        return type(e).__name__
said = json.load(sys.stdin)
found = {f"{h}:{p}": tries(h, p) for h, p in said["addresses"]}
found["dns"] = resolves("example.com")
files = [os.path.join(d, f) for root in ROOTS for d, _, fs in os.walk(root) for f in fs]
found["sockets"] = [p for p in files if os.path.exists(p) and (os.stat(p).st_mode & 0o170000) == 0o140000]
found["interfaces"] = sorted(os.listdir("/sys/class/net"))
readable = [p for p in ("/proc/self/environ", "/proc/1/environ") if os.access(p, os.R_OK)]
found["key"] = [p for p in readable if said["key"].encode() in open(p, "rb").read()]
body = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}).encode()
headers = {"content-type": "application/json"}
asked = urllib.request.Request(os.environ["URL"] + "/v1/messages", data=body, headers=headers)
found["gateway"] = urllib.request.urlopen(asked, timeout=10).status
print(json.dumps(found))
"""


def test_from_inside_nothing_is_reached_but_the_gateway(agents: AgentBench) -> None:
    """Internet, host ports (also on its bridges), metadata, the engine's socket, other trials' sockets."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        port = listener.getsockname()[1]
        hosts = {"127.0.0.1", "172.17.0.1", "host.docker.internal", socket.gethostname(), *_addresses()}
        addresses = [(h, port) for h in sorted(hosts)]
        addresses += [("1.1.1.1", 443), ("8.8.8.8", 53), ("169.254.169.254", 80), ("100.100.100.200", 80)]
        addresses += [(h, p) for h in ("127.0.0.1", "172.17.0.1") for p in (2375, 2376, 22)]
        seen = json.dumps({"addresses": addresses, "key": KEY})
        neighbour = out("neighbour", "@@sh sleep 1\n@@say done")
        attempts = agents.play(
            [msgspec.structs.replace(out("a"), prompt=seen), neighbour], {"agent": Agent(program=LOOK)}
        )
    attempt = next(a for a in attempts if a.task == "a")
    found = json.loads(str(attempt.output.answer))
    assert found.pop("gateway") == 200
    assert found.pop("interfaces") == ["lo"]
    assert (found.pop("sockets"), found.pop("key")) == ([], [])
    assert not found.pop("dns").startswith("RESOLVED")
    assert set(found.values()) <= {"ConnectionRefusedError", "OSError", "gaierror"}, found


def _addresses() -> set[str]:
    try:
        return {str(a[4][0]) for a in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    except OSError:
        return set()


class Mounting(Shell):
    """A harness that brings a folder into its box."""

    folder: Path

    def mounts(self, workspace: Path) -> tuple[Mount, ...]:
        return (Mount(self.folder, "/opt/agent"),)


def test_a_mounted_layer_can_be_read_and_not_written(agents: AgentBench, tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer" / "tool").write_text("#!/bin/sh\necho from the layer\n")
    (tmp_path / "layer" / "tool").chmod(0o755)
    script = "/opt/agent/tool; echo x > /opt/agent/tool || echo refused; touch /opt/agent/new || echo refused"
    (attempt,) = agents.play([out("a")], {"m": Mounting(script=script, folder=tmp_path / "layer")})
    answer = str(attempt.output.answer)
    assert "from the layer" in answer and answer.count("refused") == 2
    assert (tmp_path / "layer" / "tool").read_text().startswith("#!/bin/sh")


def test_a_layer_that_is_not_there_is_one_message(agents: AgentBench, tmp_path: Path) -> None:
    (attempt,) = agents.play([out("a")], {"m": Mounting(folder=tmp_path / "gone")}, infra_retries=0)
    assert attempt.trouble is not None and "does not exist" in attempt.trouble.detail


def test_a_task_with_services_has_a_door_as_well(agents: AgentBench) -> None:
    from harness.records.task import Service

    spec = SandboxSpec(network="internal", services=(Service("db", image="sandbox", command=("sleep", "1000")),))
    prompt = "@@sh getent hosts db && echo found > /work/out.txt\n@@say done"
    (attempt,) = agents.play([out("a", prompt, spec=spec)], {"agent": Agent()})
    assert attempt.status == "graded", attempt.trouble
    assert agents.artifact(attempt) == b"found\n"


def test_many_trials_keep_their_records_apart(agents: AgentBench) -> None:
    tasks = [out(f"t{i}", f"@@sh echo {i} > /work/out.txt\n@@say I am {i}") for i in range(8)]
    attempts = agents.play(tasks, {"agent": Agent()}, boxes=4)
    for attempt in attempts:
        i = attempt.task[1:]
        assert attempt.output.answer == f"I am {i}\n" and agents.artifact(attempt) == f"{i}\n".encode()
        parts = json.dumps([e.parts for e in agents.exchanges(attempt)])
        assert {w for e in agents.exchanges(attempt) for w in [e.usage.calls]} == {1} and attempt.turns == 2
        others = [f"@@say I am {j}" for j in range(8) if str(j) != i]
        assert not any(o in parts for o in others)


KILLED = """
import asyncio, pathlib, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from gate_agent import Agent
from box_bench import BoxBench
from test_engine_gateway import AgentBench, claude, out
class Server: url = sys.argv[4]
bench = AgentBench(pathlib.Path(sys.argv[3]))
bench.models = {"main": claude(Server())}
bench.play([out("killed", "@@sh echo started > /work/out.txt; sleep 1000000")], {"agent": Agent()})
"""


def test_what_kill_nine_leaves_is_removed_by_the_next_run(agents: AgentBench, tmp_path: Path, short: Path) -> None:
    """A box, its sidecar and its socket, of a process that is killed in the middle of a trial."""
    here, child_root = Path(__file__).parent, tmp_path / "killed"
    child_root.mkdir()
    words = [sys.executable, "-c", KILLED, str(here.parents[1]), str(here), str(child_root), agents.wire.url]
    child = subprocess.Popen(words, env={**os.environ, "TMPDIR": str(short)})
    try:
        deadline = time.monotonic() + 90
        while not agents.wire.log() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert agents.wire.log(), "the agent asked"
        before = _boxes()
    finally:
        child.kill()
        child.wait()
    assert any(name.endswith("-door") for name in before) and len(before) == 2, before
    (left,) = short.glob("harness-gw-*")
    assert (left / "1" / "gw.sock").exists()

    (attempt,) = agents.play([out("b")], {"agent": Agent()})
    assert attempt.status == "graded"
    assert not set(before) & set(_boxes()), "the box and its sidecar are gone"
    assert reap(short) == [left] and not left.exists()


def _boxes() -> list[str]:
    """Containers of trials that are called as those of this test, whatever their run."""

    async def look() -> list[str]:
        sandbox = Docker()
        try:
            return [h.name for h in await sandbox.held() if h.what == "container" and h.trial == "killed@agent@1"]
        finally:
            await sandbox.aclose()

    return asyncio.run(look())


def test_doctor_proves_what_a_box_reaches(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "harness.cli.main", "doctor", "--probe", "--json", "--workspace", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    lines = {line["name"]: line for line in json.loads(done.stdout)["checks"]}
    assert lines["box door"]["status"] == "ok", lines["box door"]
    assert lines["box network"]["status"] == "ok", lines["box network"]
    for kind in ("internet", "this machine", "metadata", "the engine", "names", "sockets"):
        assert kind in lines["box network"]["detail"]


def test_an_interrupted_run_leaves_neither_box_nor_socket(
    agents: AgentBench, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short))

    async def halt(runner: Any) -> None:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(agents.wire.log):  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.1)
        runner.halt()

    assert agents.play([out("a", "@@sh sleep 1000000")], {"agent": Agent()}, during=halt) == []
    assert agents.ending == "interrupted"
    assert agents.held() == [] and list(short.iterdir()) == []


def test_the_time_limit_ends_an_agent_that_waits_for_its_model(agents: AgentBench) -> None:
    agents.wire.script(Step(text="too late", delay_ms=60_000))
    (attempt,) = agents.play([out("a", limits=Limits(time_s=3.0))], {"agent": Agent()})
    assert (attempt.limit, attempt.status, attempt.turns) == ("time", "graded", 1)
    (exchange,) = agents.exchanges(attempt)
    assert exchange.cut == "agent" and exchange.response is None
    assert attempt.usage.unpriced == 1, "what was sent may have been billed"
