"""Parts of a Harbor task folder in our words: box, solution, instruction, environment variables."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.api import Json

HOST_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}")
"""`${VAR}` or `${VAR:-default}`: the format takes it from the host. We never do; a default is taken."""
_CANARY_LINE = re.compile(r"^\s*(<!--.*canary.*-->|#+\s.*canary.*|//.*canary.*)\s*$", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SIZE = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4, "": 1}


def canary_of(instruction: str) -> tuple[str, str]:
    """The canary of the comment lines an instruction begins with, and the instruction without them."""
    lines = instruction.splitlines(keepends=True)
    found = ""
    while lines and (_CANARY_LINE.match(lines[0]) or (found and not lines[0].strip())):
        guid = _GUID.search(lines[0])
        found = found or (guid[0] if guid else lines[0].strip())
        lines.pop(0)
    return found, "".join(lines).strip()


def plain_env(env: Mapping[str, Any]) -> dict[str, Json]:
    """Variables with `${VAR:-default}` replaced by the default."""
    return {str(name): HOST_VARIABLE.sub(lambda m: m[3] or "", str(value)) for name, value in env.items()}


def environment(said: Mapping[str, Any], agent: Mapping[str, Any], folder: Path, shown: str) -> dict[str, Json]:
    """The box as a task's `sandbox`. What is not said is left to the suite's defaults."""
    box: dict[str, Json] = {}
    if said.get("docker_image"):
        box["image"] = str(said["docker_image"])
    elif (folder / "environment" / "Dockerfile").is_file():
        box["dockerfile"] = f"{shown}/environment"
    box |= _sizes(said)
    if said.get("cpus"):
        box["cpus"] = float(said["cpus"])
    if env := plain_env(said.get("env", {})):
        box["env"] = env
    if user := agent.get("user", said.get("user")):
        box["user"] = str(user)
    if said.get("workdir"):
        box["workdir"] = str(said["workdir"])
    asked = agent.get("network_mode", said.get("network_mode"))
    if asked == "public" or (asked is None and said.get("allow_internet") is True):
        box["network"] = "open"
    if check := said.get("healthcheck"):
        box["healthcheck"] = _healthcheck(check)
    return box


def _sizes(said: Mapping[str, Any]) -> dict[str, Json]:
    """Memory and disk in bytes, in the newer spelling (`memory_mb`) or the older (`memory = "2G"`)."""
    sizes: dict[str, Json] = {}
    for key, name in (("memory", "memory"), ("storage", "disk")):
        size = int(said[f"{key}_mb"] * 1024**2) if said.get(f"{key}_mb") else size_of(said.get(key, ""))
        if size:
            sizes[name] = size
    return sizes


def _healthcheck(check: Mapping[str, Any]) -> dict[str, Json]:
    """`start_period` and all retries together are how long we wait; defaults are the format's."""
    interval, timeout = float(check.get("interval", 5)), float(check.get("timeout", 30))
    wait = float(check.get("start_period", 0)) + int(check.get("retries", 3)) * (interval + timeout)
    tries = float(check.get("start_interval", interval)) or 1.0
    return {"command": str(check.get("command", "")), "interval": tries, "timeout": timeout, "wait": wait}


def size_of(text: object) -> int:
    """Bytes of the older spelling `2G`, `512MB`; 0 for what is none."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?)i?b?\s*", str(text), re.IGNORECASE)
    return int(float(found[1]) * _SIZE[found[2].lower()]) if found else 0


def solution_script(folder: Path, solution: Mapping[str, Any]) -> Json:
    """One shell script that lays down `solution/` as /solution and runs its `solve.sh`; None without one."""
    if not (folder / "solve.sh").is_file():
        return None
    lines = ["set -e", "mkdir -p /solution"]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = shlex.quote(f"/solution/{path.relative_to(folder).as_posix()}")
        data = base64.encodebytes(path.read_bytes()).decode()
        lines += [f'mkdir -p "$(dirname {name})"', f"base64 -d > {name} <<'END_OF_FILE'", f"{data}END_OF_FILE"]
    exports = [f"export {name}={shlex.quote(str(value))}" for name, value in plain_env(solution.get("env", {})).items()]
    lines += [*exports, "chmod +x /solution/solve.sh", "exec bash /solution/solve.sh"]
    return {"script": "\n".join(lines) + "\n"}
