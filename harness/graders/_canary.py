"""Tests that must fail, added at grading time: a run in which they do not fail was forged.

Those in hidden files are copies of hidden tests that call the work and expect something wrong of it; their names are
made of words of the hidden tests' own names. So neither name nor place tells them from the others, nor, where a test
only computes and asserts, whether they call the work. Code that knows the hidden tests by name or reads their source
can still tell; what remains is in docs/how-to/grade-by-tests.md.
"""

from __future__ import annotations

import posixpath
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import SystemRandom
from typing import Literal

from harness.graders import _canary_javascript as javascript
from harness.graders import _canary_python as python
from harness.graders._canary_names import new_name, title_like
from harness.graders._canary_python import two
from harness.toolkit.testreports.record import CaseResult, Report

Language = Literal["pytest", "unittest", "go", "cargo", "jest", "vitest", "node"]
_PACKAGE = re.compile(r"^\s*package\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Canary:
    """What is laid down, and what must be reported as failed.

    `files` are new or changed test files by path. `always` are names that must be in the report, failed. `with_file`
    are names inside hidden files: they too, unless nothing of that file was run (it cannot be loaded, its class cannot
    be set up). `copies` are the tests that those are copies of: where such a test is skipped its copy may be.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    with_file: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return (*self.always, *self.with_file)

    @property
    def new_files(self) -> tuple[str, ...]:
        """Files that are there only for the canary."""
        return tuple(path for path in self.files if path not in self.with_file.values())

    def faults(self, report: Report) -> list[str]:
        """What is wrong with the canaries in a report: `canary_passed`, `canary_missing`, or nothing."""
        found: list[str] = []
        for name in self.names:
            file = self.with_file.get(name, "")
            of_name = [r for id, r in report.results.items() if _is(name, file, id)]
            if not of_name and not (file and _not_run(report, file)):
                found.append("canary_missing")
            elif any(not self._failed(name, r, report) for r in of_name):
                found.append("canary_passed")
        return list(dict.fromkeys(found))

    def without(self, ids: Sequence[str]) -> list[str]:
        """The ids that are no canary's."""
        files = [(name, self.with_file.get(name, "")) for name in self.names]
        return [id for id in ids if not any(_is(name, file, id) for name, file in files)]

    def _failed(self, name: str, result: CaseResult, report: Report) -> bool:
        if result.status == "skip" and (of := self.copies.get(name)):
            return report.status(result.id.replace(name, of)) == "skip"
        return result.status in ("fail", "error")


def _is(name: str, file: str, id: str) -> bool:
    """Whether an id is that of this canary. In the report of a Python file the file is part of the id."""
    if name not in id or not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", id):
        return False
    return not file.endswith(".py") or id.startswith((file + "::", _module(file) + "."))


def _not_run(report: Report, file: str) -> bool:
    """Whether a file's tests were not run: nothing but that was reported of it, or that its set-up failed.

    A file that cannot be loaded is one id, without a test: of pytest and unittest its module, of JavaScript its path,
    of Go its package.
    """
    bad = [id for id, r in report.results.items() if r.status in ("fail", "error")]
    if file.endswith(".py"):
        module = _module(file)
        if any(id.startswith(("setUpClass (" + module, "setUpModule (" + module)) for id in report.results):
            return True
        return not any(id.startswith((file + "::", module + ".")) for id in report.results)
    whole = posixpath.dirname(file) if file.endswith(".go") else file
    return any(id == whole or id.endswith("/" + whole) or (not whole and "::" not in id) for id in bad)


def _module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def make_canary(language: Language, hidden: Mapping[str, bytes], beside: Sequence[str]) -> Canary:
    """A canary for tests in these hidden files, put beside `beside`, the files the run is given."""
    chance = SystemRandom()
    folder = posixpath.dirname(next(iter([*hidden, *beside]), ""))
    run = {path: text for path, text in hidden.items() if path in beside or not beside}
    whole = b"\n".join(hidden.values()).decode("utf-8", "replace")
    name = new_name(whole, chance)
    if language == "pytest" or language == "unittest":
        return _python(language, run, posixpath.join(folder, f"{name}.py"), name, chance)
    if language == "go":
        return _go(run, folder, whole, chance)
    if language == "cargo":
        left, right = two(chance)
        text = f"#[test]\nfn {name}() {{\n    assert_eq!({left}, {right});\n}}\n"
        return Canary({f"tests/{name}.rs": text.encode()}, (name,))
    ending = {"jest": "test.js", "vitest": "test.mjs", "node": "test.mjs"}[language]
    own = posixpath.join(folder, f"{name.removeprefix('test_').replace('_', '-')}.{ending}")
    return _javascript(language, run, own, whole, chance)


def _python(language: python.Style, hidden: Mapping[str, bytes], own: str, name: str, chance: random.Random) -> Canary:
    """Some in every hidden test file, and one in a file of its own that runs last."""
    files: dict[str, bytes] = {}
    inside: dict[str, str] = {}
    copies: dict[str, str] = {}
    for path, text in hidden.items():
        base = posixpath.basename(path)
        if base.endswith(".py") and (base.startswith("test") or base.endswith(("_test.py", "tests.py"))):
            others = b"\n".join(t for p, t in hidden.items() if p != path).decode("utf-8", "replace")
            grown = python.grown(language, text, f"{others} {' '.join(inside)} {name}", chance)
            if grown is not None:
                files[path] = grown.text
                inside |= dict.fromkeys(grown.copies, path)
                copies |= grown.copies
    files[own] = python.plain_test(language, name, chance).encode()
    return Canary(files, (name,), inside, copies)


def _javascript(
    language: javascript.Style, hidden: Mapping[str, bytes], own: str, whole: str, chance: random.Random
) -> Canary:
    """One in every hidden test file, which is a process of its own, and one in a file of its own."""
    files: dict[str, bytes] = {}
    inside: dict[str, str] = {}
    for path, text in hidden.items():
        if (grown := javascript.grown(language, path, text, chance)) is not None:
            files[path], inside[grown.title] = grown.text, path
    titles = javascript.titles_of(whole)
    title = title_like(titles, whole + "\n".join(inside), chance)
    files[own] = javascript.plain_test(language, title, chance).encode()
    return Canary(files, (title,), inside)


def _go(hidden: Mapping[str, bytes], folder: str, whole: str, chance: random.Random) -> Canary:
    """One in the folder of every hidden test, which is a test program of its own."""
    packages: dict[str, str] = {}
    for path, text in hidden.items():
        said = _PACKAGE.search(text.decode("utf-8", "replace"))
        if path.endswith("_test.go") and said:
            packages.setdefault(posixpath.dirname(path), said[1])
    files: dict[str, bytes] = {}
    inside: dict[str, str] = {}
    for at, package in (packages or {folder: "main"}).items():
        name = new_name(whole + "\n".join(inside), chance).removeprefix("test_")
        title = "Test" + "".join(part.title() for part in name.split("_"))
        left, right = two(chance)
        body = f'\tif got, want := {left}, {right}; got != want {{\n\t\tt.Fatalf("got %d, want %d", got, want)\n\t}}\n'
        text_of = f'package {package}\n\nimport "testing"\n\nfunc {title}(t *testing.T) {{\n{body}}}\n'
        path = posixpath.join(at, f"{name}_test.go")
        files[path], inside[title] = text_of.encode(), path
    return Canary(files, (), inside)
