"""How each agent CLI is brought onto this machine: which packages, what is taken of them, what it needs in an image.

Measured facts behind every line: docs/design/014-agents.md. `{arch}` is x64 or arm64, `{triple}` the Rust name of it,
`{v}` the version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TRIPLES = {"x64": "x86_64", "arm64": "aarch64"}
NODE = "22.23.3"
"""The Node that comes with CLIs that need one; qwen-code asks for 22."""

How = Literal["native", "node", "python"]


@dataclass(frozen=True, slots=True)
class Tarball:
    """One package of the npm registry. `take` maps a folder or file of the package to its place in the layer."""

    package: str
    version: str
    take: Mapping[str, str]
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the layer of one agent is made. `version` is the one this release was tested with.

    `entry` is the program's words below the mount. `libc` is musl where the loader is brought along, so that one
    build runs in every image. `needs` is told before any model call when an image lacks it.
    """

    name: str
    how: How
    version: str
    package: str
    entry: tuple[str, ...]
    tarballs: tuple[Tarball, ...] = ()
    needs: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    libc: Literal["", "musl", "glibc"] = ""
    extra: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()
    without_loader: Recipe | None = None


def _node(take: Mapping[str, str] | None = None) -> Tarball:
    return Tarball("node-linux-{arch}", NODE, take or {"bin/node": "bin/node"})


CLAUDE_GLIBC = Recipe(
    name="claude_code",
    how="native",
    version="2.1.329",
    package="@anthropic-ai/claude-code",
    entry=("claude",),
    tarballs=(Tarball("@anthropic-ai/claude-code-linux-{arch}", "{v}", {"claude": "claude"}),),
    needs=("bash", "glibc>=2.26"),
    libc="glibc",
)
RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="claude_code",
            how="native",
            version="2.1.329",
            package="@anthropic-ai/claude-code",
            entry=("claude",),
            tarballs=(Tarball("@anthropic-ai/claude-code-linux-{arch}-musl", "{v}", {"claude": "claude"}),),
            needs=("bash",),
            libc="musl",
            without_loader=CLAUDE_GLIBC,
        ),
        Recipe(
            name="codex_cli",
            how="native",
            version="0.169.0",
            package="@openai/codex",
            entry=("bin/codex",),
            tarballs=(
                Tarball(
                    "@openai/codex",
                    "{v}-linux-{arch}",
                    {"vendor/{triple}-unknown-linux-musl": ""},
                    drop=("codex-resources/voice",),
                ),
            ),
            path=("codex-path",),
        ),
        Recipe(
            name="opencode",
            how="native",
            version="1.18.33",
            package="opencode-linux-x64",
            entry=("opencode",),
            tarballs=(Tarball("opencode-linux-{arch}", "{v}", {"bin/opencode": "opencode"}),),
            needs=("bash", "glibc>=2.17"),
            libc="glibc",
        ),
        Recipe(
            name="gemini_cli",
            how="node",
            version="0.61.0",
            package="@google/gemini-cli",
            entry=("bin/node", "node_modules/@google/gemini-cli/bundle/gemini.js"),
            tarballs=(_node(),),
            needs=("bash", "glibc>=2.28", "libstdc++"),
            libc="glibc",
        ),
        Recipe(
            name="qwen_code",
            how="node",
            version="0.24.4",
            package="@qwen-code/qwen-code",
            entry=("bin/node", "node_modules/@qwen-code/qwen-code/cli-entry.js"),
            tarballs=(_node(),),
            needs=("bash", "glibc>=2.28", "libstdc++"),
            libc="glibc",
            executable=("**/rg",),
        ),
        Recipe(
            name="mini_swe_agent",
            how="python",
            version="2.4.6",
            package="mini-swe-agent",
            entry=("python3", "-m", "minisweagent.run.mini"),
            extra=("mcp",),
            needs=("bash", "python3.11"),
        ),
        Recipe(
            name="aider",
            how="python",
            version="0.86.2",
            package="aider-chat",
            entry=("python3", "-m", "aider"),
            needs=("bash", "git", "python3.11"),
        ),
    )
}
