"""A small Harbor task written for these tests."""

from __future__ import annotations

from pathlib import Path

TOML = """\
schema_version = "1.4"
[metadata]
difficulty = "easy"
category = "files"
tags = ["sort"]
[agent]
timeout_sec = 300.0
[verifier]
timeout_sec = 60.0
[environment]
memory_mb = 512
cpus = 1
allow_internet = false
"""
GUID = "6b1f2f4e-0000-4000-8000-aaaaaaaaaaaa"
FILES = {
    "task.toml": TOML,
    "instruction.md": f"<!-- harness canary {GUID} -->\n\nSort /app/words.txt into /app/sorted.txt and delete "
    "/app/words.txt.\n",
    "environment/Dockerfile": "FROM harness-base:bookworm\n"
    "RUN mkdir /app && printf 'pear\\napple\\nfig\\n' > /app/words.txt\n"
    "WORKDIR /app\n",
    "tests/test.sh": "#!/bin/bash\nbash /tests/verify.sh && echo 1 > /logs/verifier/reward.txt "
    "|| echo 0 > /logs/verifier/reward.txt\n",
    "tests/verify.sh": "set -e\ntest ! -e /app/words.txt\nprintf 'apple\\nfig\\npear\\n' | cmp - /app/sorted.txt\n",
    "solution/solve.sh": "#!/bin/bash\nbash /solution/part.sh\nrm /app/words.txt\n",
    "solution/part.sh": "sort /app/words.txt > /app/sorted.txt\n",
}


def write_task(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    """The task's folder, with files replaced, added or (None) left out."""
    for name, text in {**FILES, **(changes or {})}.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder
