"""The files of a `script` verifier in its box, and the reward that it writes."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from harness.api import Box, Json, SandboxError
from harness.graders._clean import archive_of, fetch, private_folder
from harness.toolkit.normalise import excerpt

MAX_REWARD = 1024**2


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a verifier's files were laid and where it writes rewards; `files` are all of ours, by paths in the box.

    `flags` are of what was there before; `env` is the verifier's where it and the work are kept apart.
    """

    place: str
    rewards: Sequence[str]
    files: Mapping[str, bytes]
    flags: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


async def private_place(box: Box) -> str:
    """A folder that nobody can know before, with a place for what probes brought."""
    private = private_folder()
    await box.put_archive("/", archive_of({}, folders={private[1:]: 0o755, f"{private[1:]}/probes": 0o755}))
    return private


async def lay_verifier(
    box: Box, user: str, place: str, files: Mapping[str, bytes], rewards: Sequence[str]
) -> list[str]:
    """Lay the verifier down, root's and read-only, and empty the places of rewards, owned by who runs it.

    Returns flags of what was there. The engine replaces whatever is at a file's path, also a link or a folder.
    """
    flags = [f"prewritten_reward: {path}" for path in rewards if await something_at(box, path)]
    uid, _, gid = user.partition(":")
    owner = (int(uid), int(gid or uid)) if uid.isdigit() else (0, 0)
    open_to = 0o700 if uid.isdigit() else 0o777
    home = posixpath.join(posixpath.dirname(rewards[0]), "home")
    folders = dict.fromkeys([*(posixpath.dirname(path) for path in rewards), home], open_to)
    await box.put_archive(
        "/",
        archive_of(
            {path.lstrip("/"): b"" for path in rewards},
            owner=owner,
            mode=open_to & 0o666,
            folders={path.lstrip("/"): mode for path, mode in folders.items()},
        ),
    )
    readable = 0o550 if uid.isdigit() and gid.isdigit() else 0o555
    inside = {posixpath.dirname(f"{place}/{path}") for path in files}
    await box.put_archive(
        "/",
        archive_of(
            {f"{place}/{path}".lstrip("/"): data for path, data in files.items()},
            owner=(0, owner[1]),
            mode=readable,
            folders={path.lstrip("/"): readable for path in (place, *sorted(inside - {place}))},
        ),
    )
    return flags


async def something_at(box: Box, path: str) -> bool:
    """Whether something is at a path."""
    try:
        return bool(await fetch(box, "/", path, MAX_REWARD))
    except SandboxError as e:
        if e.fault not in ("path", "too_big"):
            raise
        return True


def placed(place: str, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The verifier's files by their paths in the box."""
    return {f"{place}/{path}": data for path, data in files.items()}


async def written_reward(box: Box, rewards: Sequence[str], key: str) -> float | None:
    """The reward, or None without one. Raises ValueError, SandboxError."""
    for path in rewards:
        for data in (await fetch(box, "/", path, MAX_REWARD)).values():
            if data.strip():
                return read_reward(data, key)
    return None


def read_reward(data: bytes, key: str) -> float:
    """A reward in [0, 1]: a number, or the number at `key` of a JSON object. Raises ValueError."""
    try:
        said: Json = msgspec.json.decode(data.strip())
    except (msgspec.DecodeError, RecursionError) as e:
        raise ValueError(f"the reward is no number and no JSON: {excerpt(data.decode('utf-8', 'replace'), 80)}") from e
    if isinstance(said, dict):
        said = said[key] if key in said else next(iter(said.values())) if len(said) == 1 else None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError("the reward is not a finite number")
    if not 0.0 <= said <= 1.0:
        raise ValueError(f"the reward {said:g} is not in [0, 1]")
    return float(said)
