"""The checks of `harness doctor`. Each looks at the machine itself, changes nothing, and ends within seconds."""

from __future__ import annotations

import fcntl
import locale
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError

NEEDED_PYTHON = (3, 11)
DISTRIBUTION = "eval-harness"
DISK_FAIL = 100 * 1024**2
DISK_WARN = 2 * 1024**3
MEMORY_WARN = 1024**3
FILES_WARN = 512
CLOCK_DRIFT_S = 0.02
YEARS = (2026, 2046)
"""Years that a clock can plausibly show: this program is not older."""
PRICES_OLD_DAYS = 120
PROVIDER_KEYS = {"ANTHROPIC_API_KEY": "anthropic/... models", "OPENAI_API_KEY": "openai/... models"}
SKIPPED = "tasks with a sandbox will be skipped, and coverage says so; all other tasks run"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing looked at. `fail` is only for what `harness run` cannot do without."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    help: str = ""


def examine(workspace: Path | None) -> list[Line]:
    """Everything, in the order shown. A check that breaks is a line too."""
    folder, found = _workspace(workspace)
    checks: list[Callable[[], Iterator[Line]]] = [
        _python, _packages, lambda: iter([found]), lambda: _runs(folder), lambda: _disk(folder),
        _docker, _keys, _clock, _machine, _text, _prices,
    ]  # fmt: skip
    lines: list[Line] = []
    for check in checks:
        try:
            lines += check()
        except (OSError, ValueError, ImportError) as e:
            name = getattr(check, "__name__", "check").strip("_<>")
            lines.append(Line(name, "warn", f"could not be looked at: {type(e).__name__}: {e}"))
    return lines


def _python() -> Iterator[Line]:
    detail = f"{platform.python_version()} ({platform.python_implementation()}) on {platform.platform(terse=True)}"
    if sys.version_info >= NEEDED_PYTHON:
        yield Line("python", "ok", detail)
    else:
        yield Line("python", "fail", detail, "Python 3.11 or newer is needed: make setup PYTHON=python3.12")


def _packages() -> Iterator[Line]:
    """Every declared dependency: there, and not older than declared. Extras are left out."""
    declared = [r for r in requires(DISTRIBUTION) or () if "extra ==" not in r]
    shown, wrong = [], []
    for requirement in declared:
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        name = match.group() if match else requirement
        least = re.search(r">=([0-9.]+)", requirement)
        try:
            have = version(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        shown.append(f"{name} {have}")
        if least and _numbers(have) < _numbers(least.group(1)):
            wrong.append(f"{name} {have} is older than {least.group(1)}")
    help = "install again: python -m pip install -e ."
    if wrong:
        yield Line("packages", "fail", "; ".join(wrong), help)
    else:
        yield Line("packages", "ok", ", ".join(shown))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", text.partition("+")[0])[:3])


def _workspace(start: Path | None) -> tuple[Path | None, Line]:
    from harness.config.workspace import find_workspace, suite_names

    try:
        folder = find_workspace(start)
    except HarnessError as e:
        return None, Line("workspace", "fail", str(e), e.fault.help)
    names = suite_names(folder)
    if not names:
        return folder, Line("workspace", "warn", f"{folder} has no suite", "make one: harness new suite mine")
    return folder, Line("workspace", "ok", f"{folder}, suites: {', '.join(names)}")


def _runs(workspace: Path | None) -> Iterator[Line]:
    """Whether a file can be written and locked where runs go. `runs/` itself is made by the first run."""
    if workspace is None:
        return
    runs = workspace / "runs"
    folder = runs if runs.is_dir() else workspace
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        help = "give yourself the right to write there, or move the workspace to a disk that has file locks"
        yield Line("runs", "fail", f"cannot write and lock a file in {folder}: {e.strerror}", help)
        return
    yield Line("runs", "ok", f"{runs} can be written and locked")


def _disk(workspace: Path | None) -> Iterator[Line]:
    folder = workspace or Path.cwd()
    free = shutil.disk_usage(folder / "runs" if (folder / "runs").is_dir() else folder).free
    status: Literal["ok", "warn", "fail"] = "fail" if free < DISK_FAIL else "warn" if free < DISK_WARN else "ok"
    yield Line("disk", status, f"{_bytes(free)} free for runs", "delete old folders of runs/, or move them elsewhere")


def _docker() -> Iterator[Line]:
    """A real ping through the SDK that boxes use, and what the engine says about itself."""
    import docker
    from docker.errors import DockerException, ImageNotFound
    from requests.exceptions import RequestException

    start = "start it: scripts/docker-up (Linux, as root), or start Docker Desktop"
    try:
        # A fixed version keeps the constructor off the network: failing there, it leaves its socket open (docker 7.2).
        probe = docker.from_env(timeout=5, version="1.41")
    except (DockerException, ValueError) as e:
        mend = "mend DOCKER_HOST (such as unix:///var/run/docker.sock), DOCKER_TLS_VERIFY, DOCKER_CERT_PATH"
        yield Line("docker", "warn", f"no engine can be reached as said ({str(e).partition('. ')[0]}): {SKIPPED}", mend)
        return
    try:
        _connect(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
        engine = probe.api.version(api_version=False)
    except (DockerException, RequestException, OSError) as e:
        yield Line("docker", "warn", f"no engine answers ({_cause(e)}): {SKIPPED}", start)
        return
    finally:
        probe.close()
    client = docker.from_env(timeout=5, version=engine["ApiVersion"])
    try:
        client.ping()
        info = client.info()
        drivers = f"storage {info.get('Driver')}, cgroup v{info.get('CgroupVersion', '?')} ({info.get('CgroupDriver')})"
        yield Line("docker", "ok", f"engine {engine['Version']} answers, {drivers}")
        yield from _engine_limits(info)
        try:
            client.images.get("harness-base:bookworm")
            yield Line("base image", "ok", "harness-base:bookworm")
        except ImageNotFound:
            what = "harness-base:bookworm is missing: the default box starts from an image that is pulled"
            yield Line("base image", "warn", what, "scripts/base-image makes it, without a registry too")
    except (DockerException, RequestException) as e:
        yield Line("docker", "warn", f"the engine does not answer ({_cause(e)}): {SKIPPED}", start)
    finally:
        client.close()


def _connect(host: str) -> None:
    """Raise OSError when nobody listens on a unix socket: the SDK (7.2) would leave its own end open then."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(5)
            end.connect(host.removeprefix("unix://"))


def _engine_limits(info: dict[str, object]) -> Iterator[Line]:
    """Limits that this engine cannot hold a box to."""
    names = {"MemoryLimit": "memory", "CpuCfsQuota": "cpus", "PidsLimit": "pids"}
    absent = [word for key, word in names.items() if info.get(key) is False]
    if absent:
        help = "a task can then starve others; enable the controllers of the kernel's cgroups"
        yield Line("box limits", "warn", f"the engine cannot limit: {', '.join(absent)}", help)


def _cause(error: BaseException) -> str:
    """The innermost words of a nested connection error, on one short line."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split())[:80] or type(error).__name__


def _keys() -> Iterator[Line]:
    """Names of keys that are set; never a value, nor how long it is."""
    names = set(PROVIDER_KEYS) | {n for n in os.environ if n.endswith("_API_KEY")}
    there = sorted(n for n in names if os.environ.get(n, "").strip())
    absent = [n for n in PROVIDER_KEYS if n not in there]
    detail = f"set: {', '.join(there) or 'none'}"
    if not absent:
        yield Line("keys", "ok", detail)
        return
    lost = " and ".join(PROVIDER_KEYS[n] for n in absent)
    help = f"export {absent[0]}=...; systems without a model, and scripted and replayed ones, need no key"
    yield Line("keys", "warn", f"{detail}; not set: {', '.join(absent)}: {lost} cannot be called", help)


def _clock() -> Iterator[Line]:
    """Prices go by the date and limits by the monotonic clock: both must run, and at the same speed."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    drift = abs((time.time() - wall) - (time.monotonic() - steady))
    now = datetime.now(UTC)
    local = datetime.now().astimezone()
    detail = f"{now:%Y-%m-%d %H:%M:%S} UTC, time zone {local.tzname()} ({local:%z})"
    help = "set the clock: prices and the names of runs go by it"
    if not YEARS[0] <= now.year <= YEARS[1]:
        yield Line("clock", "warn", f"{detail}: the year is not plausible", help)
    elif drift > CLOCK_DRIFT_S:
        yield Line(
            "clock", "warn", f"{detail}: wall and monotonic clock differ by {drift * 1000:.0f} ms in 50 ms", help
        )
    else:
        yield Line("clock", "ok", detail)


def _machine() -> Iterator[Line]:
    import resource

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Line("cpu", "ok", f"{cpus} usable, load {os.getloadavg()[0]:.1f}")
    memory = _memory()
    if memory is not None:
        low = memory < MEMORY_WARN
        help = "use a lower --concurrency, and fewer boxes at once"
        yield Line("memory", "warn" if low else "ok", f"{_bytes(memory)} available", help)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY and files < FILES_WARN:
        yield Line("open files", "warn", f"at most {files}: too few for a high --concurrency", "ulimit -n 4096")


def _memory() -> int | None:
    """Bytes that can be had: of the machine, and of the cgroup where one limits us. None where Linux is not."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return None
    match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
    available = int(match.group(1)) * 1024 if match else None
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            left = int(Path("/sys/fs/cgroup", limit).read_text()) - int(Path("/sys/fs/cgroup", used).read_text())
        except (OSError, ValueError):
            continue
        available = left if available is None else min(available, left)
    return available


def _text() -> Iterator[Line]:
    encodings = {"terminal": sys.stdout.encoding or "none", "files": locale.getpreferredencoding(False),
                 "names": sys.getfilesystemencoding()}  # fmt: skip
    wrong = [f"{what} {name}" for what, name in encodings.items() if name.lower().replace("-", "") != "utf8"]
    if wrong:
        yield Line("text", "warn", f"not UTF-8: {', '.join(wrong)}", "export LANG=C.UTF-8 or PYTHONUTF8=1")
    else:
        yield Line("text", "ok", "UTF-8")


def _prices() -> Iterator[Line]:
    from harness.prices.listed import table_date, table_version

    today = datetime.now(UTC).date()
    newest = table_date(today)
    if newest is None:
        yield Line("prices", "warn", f"{table_version()} knows no price as old as {today}", "set the clock")
        return
    age = (today - newest).days
    detail = f"{table_version()}, newest dated price {newest}"
    if age > PRICES_OLD_DAYS:
        help = "python -m pip install --upgrade genai-prices; newer models are unpriced until then"
        yield Line("prices", "warn", f"{detail}, {age} days old", help)
    else:
        yield Line("prices", "ok", detail)


def _bytes(n: int) -> str:
    return f"{n / 1024**3:.1f} GiB" if n >= 1024**3 else f"{n / 1024**2:.0f} MiB"
