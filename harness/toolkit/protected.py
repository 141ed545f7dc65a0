"""Places in a file system that decide how a verifier runs: work may not bring them into the box that grades it.

A verifier of a terminal task is a shell script that calls the image's own commands. Whoever replaces one of them, or
what every shell and interpreter reads before it starts, writes the verdict. Swapped commands, start-up files and
test-runner configuration are how such graders were forged (issues of Harbor and terminal-bench: #974, #1607, #1779,
#2551; #1267, #1775).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Container, Sequence

VERIFIER_PLACES = ("/tests", "/logs", "/solution", "/oracle")
"""Where a verifier and its verdict live: work never brings anything there."""

START_UP = (
    "/etc/ld.so.*", "/etc/profile", "/etc/profile.d/*", "/etc/bash.bashrc", "/etc/environment", "/etc/env.d/*",
    "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers*", "/etc/zsh/*", "/etc/pip.conf", "/etc/gitconfig",
    "*/.bashrc", "*/.bash_profile", "*/.bash_login", "*/.bash_logout", "*/.profile", "*/.zshrc", "*/.zshenv",
    "*/.pydistutils.cfg", "*/.config/pip/*", "*/.pip/*", "*/.config/uv/*", "/etc/uv/*", "*/.curlrc", "*/.wgetrc",
    "*/.netrc", "*/.gitconfig", "*/.npmrc",
)  # fmt: skip
"""What shells, the loader, and installers read before they do anything."""

PYTHON = (
    "*/sitecustomize.py", "*/usercustomize.py", "*/sitecustomize/*", "*/usercustomize/*", "*.pth", "*/pyvenv.cfg",
    "*/site-packages/pytest*", "*/site-packages/_pytest*", "*/site-packages/pluggy*", "*/site-packages/iniconfig*",
    "*/dist-packages/pytest*", "*/dist-packages/_pytest*", "*/pytest.py", "*/_pytest.py",
    "/conftest.py", "/pytest.ini", "/tox.ini", "/setup.cfg", "/pyproject.toml", "*/.pytest.ini",
)  # fmt: skip
"""What a Python interpreter or pytest loads by itself."""

COMMAND_FOLDERS = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/")
LIBRARIES = ("/lib/*", "/lib32/*", "/lib64/*", "/libx32/*", "/usr/lib/*.so", "/usr/lib/*.so.*", "/usr/libexec/*")
VERIFIER_COMMANDS = frozenset((
    "sh", "bash", "dash", "env", "python", "python3", "pytest", "py.test", "uv", "uvx", "pip", "pip3", "curl", "wget",
    "git", "cat", "echo", "test", "[", "grep", "sed", "awk", "diff", "cmp", "timeout", "sudo", "su", "tee", "apt",
    "apt-get",
))  # fmt: skip
"""What verifiers call besides: also dropped where the image has no such command, for it is installed at grading."""


def shadow(path: str, image_commands: Container[str], allow: Sequence[str] = ()) -> str:
    """Why a path may not come into a grading box, or nothing. `allow` are globs that may all the same.

    `image_commands` are names of the commands that the image has on its PATH.
    """
    if any(path == place or path.startswith(f"{place}/") for place in VERIFIER_PLACES):
        return "it belongs to the verifier"
    if any(fnmatch.fnmatchcase(path, glob) for glob in allow):
        return ""
    if any(fnmatch.fnmatchcase(path, glob) for glob in (*START_UP, *PYTHON)):
        return "programs read it before they start"
    if any(fnmatch.fnmatchcase(path, glob) for glob in LIBRARIES):
        return "programs load it"
    folder, _, name = path.rpartition("/")
    called = name in VERIFIER_COMMANDS or name in image_commands or name.startswith(("python3", "pip3"))
    if called and (f"{folder}/" in COMMAND_FOLDERS or folder.endswith("/.local/bin")):
        return "a verifier may call this command"
    return ""


SYSTEM = (*COMMAND_FOLDERS, "/lib/", "/lib32/", "/lib64/", "/usr/lib/", "/usr/libexec/", "/usr/local/lib/")
"""Where the image's own files may not be replaced or deleted: the standard library stands there, and all packages."""


def is_system(path: str, allow: Sequence[str] = ()) -> bool:
    """Whether a path is in a folder of the system, or is one of these folders or above them."""
    if any(fnmatch.fnmatchcase(path, glob) for glob in allow):
        return False
    return any(path.startswith(folder) or folder.startswith(f"{path}/") for folder in SYSTEM)
