"""Suites in YAML with one planted fault each, checked as `harness check` does it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from harness.config.load import load_suite
from harness.qa.cache import CheckCache
from harness.qa.findings import Finding, TaskCheck
from harness.qa.suite import Checking
from harness.qa.task import Options

LIBRARIES = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")
ROOT = "/work/repo"
CORE = (
    'def total(prices):\n    """The sum of all prices."""\n    result = 0\n    return result\n\n\n'
    "def twice(a):\n    return 2 * a\n"
)
TREE = {
    "calc/__init__.py": "",
    "calc/core.py": CORE,
    "tests/test_twice.py": "from calc.core import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n",
    "README.md": "# calc\n",
}
GOLD = """diff --git a/calc/core.py b/calc/core.py
--- a/calc/core.py
+++ b/calc/core.py
@@ -1,7 +1,8 @@
 def total(prices):
     \"\"\"The sum of all prices.\"\"\"
-    result = 0
-    return result
+    amounts_in_cents = [round(price * 100) for price in prices]
+    sum_of_all_cents = sum(amounts_in_cents)
+    return sum_of_all_cents / 100
 
 
 def twice(a):
"""
HIDDEN = """from calc.core import total, twice


def test_total_of_three_prices():
    prices_of_three_things = [1.10, 2.20, 3.30]
    assert total(prices_of_three_things) == 6.6


def test_twice_still_works():
    assert twice(21) == 42
"""
PROMPT = (
    "The function `total` in calc/core.py always returns nought. Mend it so that it gives the sum of all prices that "
    "it is handed, exact to the cent, and change nothing else in this little package."
)
DOCKERFILE = f"""FROM harness-base:bookworm
COPY site /usr/lib/python3/dist-packages
RUN useradd --uid 1000 --user-group --create-home agent && install -d -o agent -g agent /work
COPY --chown=agent:agent repo {ROOT}
USER agent
WORKDIR {ROOT}
RUN git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm base
"""


def repo_task(**changes: Any) -> dict[str, Any]:
    """A sound task: a small repository, a hidden test that fails, one that passes."""
    return {
        "kind": "repo_patch",
        "prompt": PROMPT,
        "environment": {"dockerfile": "lab"},
        "repo": {"dest": ROOT},
        "reference": {"patch": GOLD},
        "tests": {"tests/test_total.py": HIDDEN},
        "fail_to_pass": ["tests/test_total.py::test_total_of_three_prices"],
        "pass_to_pass": ["tests/test_total.py::test_twice_still_works"],
        "timeout_s": 60,
        **changes,
    }


@dataclass
class CheckLab:
    """A workspace. `check` writes a suite of these tasks and checks it."""

    root: Path

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def suite(self, tasks: Mapping[str, Mapping[str, Any]], name: str = "own") -> str:
        said = {
            "suite": name,
            "systems": [{"name": "reference", "harness": "reference"}],
            "tasks": [{"id": id, **task} for id, task in tasks.items()],
        }
        self.write(f"tasks/{name}/suite.yaml", msgspec.json.encode(said).decode())
        return name

    def check(
        self,
        tasks: Mapping[str, Mapping[str, Any]],
        options: Options | None = None,
        *,
        name: str = "own",
        cache: bool = False,
        watch: Callable[[Checking], Callable[[], None]] = lambda _: lambda: None,
    ) -> dict[str, TaskCheck]:
        suite = load_suite(self.root, self.suite(tasks, name))
        checking = Checking(suite, suite.tasks, options or Options(2), CheckCache(self.root, on=cache))
        return {check.task: check for check in asyncio.run(checking.run(watch))}

    def write_image(self) -> None:
        """The build context of `lab`: the tree, and pytest copied from here, so that no network is needed."""
        context = self.root / "lab"
        (context / "site").mkdir(parents=True)
        for name in LIBRARIES:
            found = find_spec(name)
            assert found is not None and found.origin is not None, name
            if not found.origin.endswith("__init__.py"):
                shutil.copy(found.origin, context / "site")
                continue
            source = Path(found.origin).parent
            shutil.copytree(source, context / "site" / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path, text in TREE.items():
            self.write(f"lab/repo/{path}", text)
        self.write("lab/Dockerfile", DOCKERFILE)


def found(check: TaskCheck, name: str, level: str | None = None) -> list[Finding]:
    """The findings of one check."""
    return [f for f in check.findings if f.check == name and level in (None, f.level)]
