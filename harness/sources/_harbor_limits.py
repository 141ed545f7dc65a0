"""What of a Harbor task is not supported here: each reason in one line. A task with a reason is skipped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.sources._harbor_parts import HOST_VARIABLE

KNOWN: Mapping[str, frozenset[str]] = {
    "": frozenset((
        "schema_version", "version", "source", "artifacts", "multi_step_reward_strategy", "task", "metadata", "agent",
        "verifier", "environment", "solution", "steps",
    )),
    "agent": frozenset(("timeout_sec", "user", "network_mode", "allowed_hosts")),
    "verifier": frozenset((
        "timeout_sec", "env", "user", "network_mode", "allowed_hosts", "environment_mode", "environment", "collect",
    )),
    "environment": frozenset((
        "build_timeout_sec", "docker_image", "os", "cpus", "memory_mb", "storage_mb", "gpus", "gpu_types", "tpu", "env",
        "mcp_servers", "skills_dir", "healthcheck", "workdir", "network_mode", "allowed_hosts", "memory", "storage",
        "allow_internet", "user",
    )),
}  # fmt: skip
"""Keys of `task.toml`, schema 1.4 and the older spellings."""

FETCHES = re.compile(
    r"^[^#]*\b(curl|wget|uvx|git clone"
    r"|(?:apt-get|apt|pip3?|npm|uv|uv pip|apk|yum|dnf) (?:-\S+ )*(?:install|update|add))\b"
)
LIVE = re.compile(r"localhost|127\.0\.0\.1|\bpgrep\b|\bps aux\b|\bpsutil\b|\bsystemctl\b|\bss -|\bnetstat\b|\blsof\b")
STARTS = re.compile(r"Popen\(|&\s*$|\bnohup\b|\bservice \S+ start\b|\bstart_server\b|\.serve_forever\(", re.MULTILINE)


def unsupported(
    folder: Path, toml: Mapping[str, Any], verifier_fetches: bool, sure_only: bool, notes: list[str]
) -> list[str]:
    """Every reason against running the task. Guesses are left out when `sure_only`; `notes` gets what is only odd."""
    reasons = [*_in_toml(toml), *_in_folder(folder, toml)]
    guesses = [*_live(folder)] + ([] if verifier_fetches else [*_fetches(folder)])
    if sure_only:
        notes += guesses
    else:
        reasons += guesses
    for table, known in KNOWN.items():
        said = toml.get(table, {}) if table else toml
        names = sorted(key for key in said if key not in known) if isinstance(said, dict) else []
        notes += [f"`{f'{table}.' if table else ''}{name}` in task.toml is not known here" for name in names]
    if toml.get("environment", {}).get("network_mode", toml.get("environment", {}).get("allow_internet")) is None:
        notes.append("task.toml says nothing of the network: the format would open it, here it is none")
    return reasons


def _in_toml(toml: Mapping[str, Any]) -> Iterator[str]:
    environment, verifier = _table(toml, "environment"), _table(toml, "verifier")
    if toml.get("steps"):
        yield f"it has {len(toml['steps'])} steps: only tasks of one step are supported"
    if str(environment.get("os", "linux")).lower() != "linux":
        yield f"its environment is {environment['os']}: only linux is supported"
    for key, what in (("gpus", "GPUs"), ("tpu", "a TPU"), ("mcp_servers", "MCP servers"), ("skills_dir", "skills")):
        if environment.get(key):
            yield f"it asks for {what} (`environment.{key}`)"
    if verifier.get("environment_mode") == "separate" or verifier.get("environment"):
        yield "its verifier has an environment of its own (`verifier.environment`)"
    if verifier.get("collect"):
        yield "it runs commands before the verifier (`verifier.collect`)"
    yield from _of_the_host(toml)
    for artifact in toml.get("artifacts", []):
        if isinstance(artifact, dict) and artifact.get("service", "main") != "main":
            yield f"it collects from the sidecar '{artifact['service']}'"


def _of_the_host(toml: Mapping[str, Any]) -> Iterator[str]:
    """Single hosts of the network, and variables of the host's environment."""
    for name in ("environment", "agent", "verifier"):
        said = _table(toml, name)
        if said.get("allowed_hosts") or said.get("network_mode", "public") not in ("public", "no-network"):
            yield f"it allows single hosts (`{name}.allowed_hosts`): networks are none, internal or open"
    for name in ("environment", "verifier", "solution"):
        values = [str(value) for value in _table(_table(toml, name), "env").values()]
        wanted = sorted({m[1] for value in values for m in HOST_VARIABLE.finditer(value) if not m[2]})
        if wanted:
            yield f"`{name}.env` wants {', '.join(wanted)} of the host: nothing of the host enters a box"


def _in_folder(folder: Path, toml: Mapping[str, Any]) -> Iterator[str]:
    environment = folder / "environment"
    if any((environment / f"docker-compose.{ending}").is_file() for ending in ("yaml", "yml")):
        yield "its environment is a compose file (environment/docker-compose.yaml)"
    elif not (environment / "Dockerfile").is_file() and not _table(toml, "environment").get("docker_image"):
        yield "it has neither environment/Dockerfile nor `environment.docker_image`"
    if not (folder / "tests" / "test.sh").is_file():
        yield "it has no tests/test.sh"
    if (folder / "tests" / "Dockerfile").is_file():
        yield "its verifier has an image of its own (tests/Dockerfile)"
    if (folder / "trajectory.json").is_file():
        yield "it begins in the middle of a conversation (trajectory.json)"
    for name in ("tests", "solution", "environment"):
        for path in sorted((folder / name).rglob("*")):
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                yield f"{name}/{path.relative_to(folder / name).as_posix()} is a link out of the task's folder"


def _live(folder: Path) -> Iterator[str]:
    """Tests that look at running processes or ports and start none: these do not come into the grading box."""
    texts = dict(_texts(folder / "tests"))
    if any(STARTS.search(text) for text in texts.values()):
        return
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if (found := LIVE.search(line)) and not line.lstrip().startswith("#"):
                where = f"{path.relative_to(folder).as_posix()}:{number}"
                what = f"its tests seem to look at running processes or ports ({where}: {found[0]})"
                yield f"{what}, which do not come along"
                return


def _fetches(folder: Path) -> Iterator[str]:
    path = folder / "tests" / "test.sh"
    text = _text(path) if path.is_file() else ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := FETCHES.search(line):
            where = f"tests/test.sh:{number}: {found[1]}"
            yield f"its verifier seems to fetch things ({where}): say `verifier_network: open` if it may"
            return


def _texts(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".sh", ".py", ".js", ".ts", ""):
            yield path, _text(path)


def _text(path: Path) -> str:
    return path.read_bytes()[:200_000].decode("utf-8", "replace")


def _table(toml: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = toml.get(name, {})
    return found if isinstance(found, dict) else {}
