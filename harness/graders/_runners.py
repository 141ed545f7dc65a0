"""How each test runner is started, what it writes, and how it says that tests failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.graders import _protected as protected
from harness.graders._canary import Language
from harness.toolkit.testreports.read import Format

Runner = Literal[
    "pytest", "unittest", "go", "cargo", "nextest", "jest", "vitest", "node", "ctest", "tap", "junit", "command"
]
NOBODY = "65534:65534"
"""The user of tests whose runner does not write into the tree: they cannot change a file that is yet to be loaded."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run happens in its box. `private` is ours alone; tests can write in `out` and `home` only.

    `report` is the path of the report. `files` are test files from `root`. `backwards`: the last test first, where the
    runner can.
    """

    root: str
    private: str
    report: str
    files: Sequence[str]
    python: str = "python3"
    autoload: bool = False
    paths: Sequence[str] = ()
    options: Sequence[str] = ()
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """One runner. `failed` are its exit codes for failed tests; empty means any but 0.

    `stdout` says that the report is what it prints. `user` is who runs it, empty for the box's own user.
    `believes` says whose word the runner takes for how tests went, besides its own: `program`, what a test program
    prints (cargo, go) or that it ended with 0 (nextest); `files`, what each test file's process writes (node);
    `anything`, the same where no canary can stand beside the tests (tap, ctest). `own_formats` are more formats that it
    writes to a file itself.
    """

    format: Format
    argv: Callable[[Place], list[str]]
    protected: Sequence[str]
    canary: Language | None = None
    failed: frozenset[int] = frozenset((1,))
    stdout: bool = False
    believes: Literal["", "program", "files", "anything"] = ""
    own_formats: Sequence[Format] = ()
    user: str = ""
    report: str = ""


def profile(runner: Runner) -> Profile:
    """The profile of a runner. `tap`, `junit` and `command` start nothing by themselves."""
    return _PROFILES[runner]


def boot_files(ini: Mapping[str, str]) -> dict[str, bytes]:
    """What lies in our private folder of a box: starters of runners, and our configuration of pytest and nextest."""
    here = Path(__file__).parent
    names = ("_box_pytest.py", "_box_unittest.py")
    nextest = b'[profile.ci.junit]\npath = "junit.xml"\n'
    lines = "".join(f"{key} = {_indented(value)}\n" for key, value in ini.items())
    return {**{name: (here / name).read_bytes() for name in names}, "pytest.ini": f"[pytest]\n{lines}".encode(),
            "nextest.toml": nextest}  # fmt: skip


def _indented(value: str) -> str:
    lines = value.strip().split("\n")
    return lines[0] if len(lines) == 1 else "\n" + "\n".join("    " + line.strip() for line in lines)


_HIDE = 'GRADE_PYTHONPATH="$PYTHONPATH" PYTHONPATH= PYTHONSAFEPATH=1 PYTHONNOUSERSITE=1 exec "$@"'


def _pytest(at: Place) -> list[str]:
    boot = [at.python, "-s", f"{at.private}/_box_pytest.py", at.root, f"{at.private}/pytest.ini", at.report]
    return [
        "sh",
        "-c",
        _HIDE,
        "sh",
        *boot,
        str(int(at.autoload)),
        str(int(at.backwards)),
        ":".join(at.paths),
        *at.options,
        *at.files,
    ]


def _unittest(at: Place) -> list[str]:
    boot = [
        at.python,
        "-s",
        f"{at.private}/_box_unittest.py",
        at.root,
        at.report,
        str(int(at.backwards)),
        ":".join(at.paths),
    ]
    return ["sh", "-c", _HIDE, "sh", *boot, *at.files]


def _go(at: Place) -> list[str]:
    folders = dict.fromkeys("./" + file.rpartition("/")[0] for file in at.files)
    order = ["-shuffle=1"] if at.backwards else []
    return ["go", "test", "-json", "-count=1", *order, *at.options, *(folders or ["./..."])]


def _cargo(at: Place) -> list[str]:
    return ["cargo", "test", "--offline", "--no-fail-fast", *at.options]


def _nextest(at: Place) -> list[str]:
    ours = ["--config-file", f"{at.private}/nextest.toml", "--profile", "ci"]
    return ["cargo", "nextest", "run", "--offline", "--no-fail-fast", *ours, *at.options]


def _jest(at: Place) -> list[str]:
    paths = ["--runTestsByPath", *at.files] if at.files else []
    return ["npx", "--no-install", "jest", "--json", f"--outputFile={at.report}", "--ci", *at.options, *paths]


def _vitest(at: Place) -> list[str]:
    told = ["--reporter=json", f"--outputFile={at.report}"]
    return ["npx", "--no-install", "vitest", "run", *told, *at.options, *at.files]


def _node(at: Place) -> list[str]:
    told = ["--test-reporter=junit", f"--test-reporter-destination={at.report}"]
    return ["node", "--test", *told, *at.options, *at.files]


_MAKE_AND_TEST = 'cmake -S . -B build >&2 && cmake --build build >&2 && exec ctest --test-dir build --output-junit "$@"'


def _ctest(at: Place) -> list[str]:
    return ["sh", "-c", _MAKE_AND_TEST, "sh", at.report, *at.options]


def _none(at: Place) -> list[str]:
    return []


_PROFILES: Mapping[Runner, Profile] = {
    "pytest": Profile("junit", _pytest, protected.PYTHON, "pytest", user=NOBODY),
    "unittest": Profile("lines", _unittest, protected.PYTHON, "unittest", user=NOBODY),
    "go": Profile("go", _go, protected.GO, "go", frozenset((1, 2)), stdout=True, believes="program"),
    "cargo": Profile("cargo", _cargo, protected.RUST, "cargo", frozenset((101,)), stdout=True, believes="program"),
    "nextest": Profile("junit", _nextest, protected.RUST, "cargo", frozenset((100,)), believes="program",
                       report="target/nextest/ci/junit.xml"),
    "jest": Profile("jest", _jest, protected.JAVASCRIPT, "jest", user=NOBODY),
    "vitest": Profile("jest", _vitest, protected.JAVASCRIPT, "vitest", user=NOBODY),
    "node": Profile("junit", _node, protected.JAVASCRIPT, "node", believes="files", own_formats=("tap",), user=NOBODY),
    "ctest": Profile("junit", _ctest, protected.ANY, failed=frozenset((8,)), believes="anything"),
    "tap": Profile("tap", _none, protected.ANY, failed=frozenset(), stdout=True, believes="anything"),
    "junit": Profile("junit", _none, protected.ANY, failed=frozenset()),
    "command": Profile("lines", _none, protected.ANY, failed=frozenset()),
}  # fmt: skip
