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

from harness.graders import _canary_blocks as blocks
from harness.graders import _canary_javascript as javascript
from harness.graders import _canary_python as python
from harness.graders._canary_names import new_name, title_like
from harness.toolkit.testreports.record import CaseResult, Report

Language = Literal["pytest", "unittest", "go", "cargo", "jest", "vitest", "node"]
_PACKAGE = re.compile(r"^\s*package\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Canary:
    """What is laid down, and what must be reported as failed.

    `files` are new or changed test files by path. `always` are names that must be in the report, failed. `with_file`
    are names inside hidden files: they too, unless nothing of that file was run (it cannot be loaded, its class cannot
    be set up). `copies` are the tests that those are copies of: where such a test is skipped its copy may be. `plain`
    are names that do not do what the test does that they are of. `beside` are other tests of a file, by title.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    with_file: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return (*self.always, *self.with_file)

    @property
    def new_files(self) -> tuple[str, ...]:
        """Files that are there only for the canary."""
        return tuple(path for path in self.files if path not in self.with_file.values())

    def faults(self, report: Report) -> list[str]:
        """What is wrong with the canaries in a report: `canary_passed`, `canary_missing`, `cut_short`, or nothing.

        `cut_short`: one is missing, and its file or program is said to have failed, as one that crashes is.
        """
        found: list[str] = []
        for name in self.names:
            file = self.with_file.get(name, "")
            of_name = [r for id, r in report.results.items() if _is(name, file, id)]
            if not of_name and not (file and self._not_run(report, file)):
                found.append("cut_short" if file and self._broke(report, file) else "canary_missing")
            elif any(not self._failed(name, r, report) for r in of_name):
                found.append("canary_passed")
        return sorted(dict.fromkeys(found))

    def without(self, ids: Sequence[str]) -> list[str]:
        """The ids that are no canary's."""
        files = [(name, self.with_file.get(name, "")) for name in self.names]
        return [id for id in ids if not any(_is(name, file, id) for name, file in files)]

    def covers(self, ids: Sequence[str], report: Report) -> bool:
        """Whether each of these tests ran in a program in which a copy of a test did what its test does, and failed.

        Told by how ids begin: `package::`, `crate::`.
        """
        heads = self.heads(report, plain=False)
        return bool(heads) and all(id.startswith(heads) for id in ids)

    def heads(self, report: Report, *, plain: bool = True) -> tuple[str, ...]:
        """How the ids of this canary's programs begin: of Go `package::`, of Rust `crate::`. With `plain` of all."""
        found = (
            id[: id.index(name)]
            for name, file in self.with_file.items()
            if file.endswith((".go", ".rs")) and (plain or name not in self.plain)
            for id in report.results
            if _is(name, file, id)
        )
        return tuple(sorted(set(found) - {""}))

    def _failed(self, name: str, result: CaseResult, report: Report) -> bool:
        if result.status == "skip" and (of := self.copies.get(name)):
            return report.status(result.id.replace(name, of)) == "skip"
        return result.status in ("fail", "error")

    def _broke(self, report: Report, file: str) -> bool:
        """Whether a file of JavaScript, or a package of Go, failed. One that was not built is in no report."""
        bad = [id for id, r in report.results.items() if r.status in ("fail", "error")]
        if file.endswith(".go"):
            told = (*report.results, *report.silent)
            of_package = [id for id in told if self._package(id) == posixpath.dirname(file)]
            return not of_package or any(id in bad for id in of_package)
        return not file.endswith((".py", ".rs")) and any(id == file or id.endswith("/" + file) for id in bad)

    def _not_run(self, report: Report, file: str) -> bool:
        """Whether a file's tests were not run: nothing but that was reported of it, or that its set-up failed.

        A file that cannot be loaded is one id, without a test: of pytest and unittest its module, of JavaScript its
        path, of Go its package. A file of Rust's that is left out is a program without a test.
        """
        ids = report.results
        if file.endswith(".py"):
            module = _module(file)
            if any(id.startswith(("setUpClass (" + module, "setUpModule (" + module)) for id in ids):
                return True
            return not any(id.startswith((file + "::", module + ".")) for id in ids)
        if file.endswith(".rs"):
            program = posixpath.basename(file).removesuffix(".rs")
            return posixpath.dirname(file).endswith("tests") and not any(program in id.split("::")[:-1] for id in ids)
        if file.endswith(".go"):
            of_package = [id for id in ids if self._package(id) == posixpath.dirname(file)]
            return bool(of_package) and not any("::" in id for id in of_package)
        said = any(id.startswith(file + " > ") or id.rpartition(" > ")[2] in self.beside.get(file, ()) for id in ids)
        return self._broke(report, file) and not said

    def _package(self, id: str) -> str:
        """The folder of the package of a Go id, as far as hidden tests tell: `` is the module's own."""
        package = id.partition("::")[0]
        folders = {posixpath.dirname(path) for path in self.with_file.values()} - {""}
        return max((at for at in folders if package == at or package.endswith("/" + at)), key=len, default="")


def _is(name: str, file: str, id: str) -> bool:
    """Whether an id is that of this canary. In the report of a Python file the file is part of the id."""
    if name not in id or not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", id):
        return False
    return not file.endswith(".py") or id.startswith((file + "::", _module(file) + "."))


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
    if language == "go" or language == "cargo":
        return _built("go" if language == "go" else "rust", hidden, folder, chance)
    ending = {"jest": "test.js", "vitest": _ending(beside), "node": "test.mjs"}[language]
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
    copies: dict[str, str] = {}
    beside: dict[str, tuple[str, ...]] = {}
    for path, text in hidden.items():
        if (grown := javascript.grown(language, path, text, "\n".join((whole, *inside)), chance)) is not None:
            files[path], inside[grown.title] = grown.text, path
            beside[path] = tuple(javascript.titles_of(text.decode("utf-8", "replace")))
            if grown.of:
                copies[grown.title] = grown.of
    titles = javascript.titles_of(whole)
    title = title_like(titles, whole + "\n".join(inside), chance)
    files[own] = javascript.plain_test(language, title, chance).encode()
    return Canary(files, (title,), inside, copies, beside=beside)


def _ending(given: Sequence[str]) -> str:
    """How a test file's name ends, as that of the first given: vitest runs only what its configuration includes."""
    found = [m[0] for path in given if (m := re.search(r"(?<=\.)(?:test|spec)\.[cm]?[jt]sx?$", path))]
    return found[0] if found else "test.mjs"


def _built(style: blocks.Style, hidden: Mapping[str, bytes], folder: str, chance: random.Random) -> Canary:
    """One in every hidden file of tests, which is a program of its own or part of one; else one in a file of its own.

    In Go a folder is a program, and in Rust a file in `tests`.
    """
    whole = b"\n".join(hidden.values()).decode("utf-8", "replace")
    files: dict[str, bytes] = {}
    inside: dict[str, str] = {}
    copies: dict[str, str] = {}
    plain: set[str] = set()
    packages: dict[str, str] = {}
    for path, text in hidden.items():
        if not path.endswith("_test.go" if style == "go" else ".rs"):
            continue
        if said := _PACKAGE.search(text.decode("utf-8", "replace")):
            packages.setdefault(posixpath.dirname(path), said[1])
        if (grown := blocks.grown(style, text, f"{whole} {' '.join(inside)}", chance)) is not None:
            files[path], inside[grown.name] = grown.text, path
            if grown.of:
                copies[grown.name] = grown.of
            if not grown.runs:
                plain.add(grown.name)
    alone = {at: p for at, p in packages.items() if at not in map(posixpath.dirname, files)}
    if style == "go" and not packages:
        alone = {folder: "main"}
    elif style == "rust":
        alone = {} if files else {folder if folder.endswith("tests") else "tests": ""}
    for at, package in alone.items():
        name = blocks.plain_name(style, whole + "\n".join(inside), chance)
        head = f'package {package}\n\nimport "testing"\n\n' if style == "go" else ""
        file = f"{new_name('', chance).removeprefix('test_')}_more_test.go" if style == "go" else f"{name}.rs"
        path = posixpath.join(at, file)
        files[path], inside[name] = (head + blocks.plain_test(style, name, chance)).encode(), path
        plain.add(name)
    return Canary(files, (), inside, copies, frozenset(plain))
