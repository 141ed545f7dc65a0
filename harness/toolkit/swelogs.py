"""Terminal output of test runners as SWE-bench's registry names its parsers; used for its rows alone.

What is odd here (the last line of a name wins, ids end at a space) is odd there, and expected names depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

Statuses = dict[str, str]
"""Status by test: PASSED, FAILED, SKIPPED, ERROR or XFAIL."""

_WORDS = ("FAILED", "PASSED", "SKIPPED", "ERROR", "XFAIL")
_COUNT = re.compile(r"\[\d+\]")
_CONTROL = str.maketrans("", "", "".join(map(chr, range(1, 32))))


def pytest(log: str) -> Statuses:
    """`PASSED id`, as the summary of `pytest -rA` has it; an id ends at the first space."""
    return dict(_summary(log))


def pytest_options(log: str) -> Statuses:
    """The same, with a path as parameter cut down to its last part."""
    return {_short_option(name): status for name, status in _summary(log)}


def _summary(log: str) -> Iterator[tuple[str, str]]:
    for line in log.split("\n"):
        if line.startswith(_WORDS):
            words = (line.replace(" - ", " ") if line.startswith("FAILED") else line).split()
            if len(words) > 1 and not _is_count(words[0], words[1]):
                yield words[1], words[0]


def pytest_v2(log: str) -> Statuses:
    """The same without colours, with whole ids, and with `id PASSED` as older versions write it."""
    found: Statuses = {}
    for raw in log.split("\n"):
        line = re.sub(r"\[\d+m", "", raw).translate(_CONTROL)
        if line.startswith(_WORDS):
            words = (line.split(" - ", 1)[0] if line.startswith("FAILED") else line).split()
            if len(words) > 1 and not _is_count(words[0], words[1]):
                found[" ".join(words[1:])] = words[0]
        elif line.endswith(_WORDS) and len(words := line.split()) > 1:
            found[" ".join(words[:-1])] = words[-1]
    return found


def matplotlib(log: str) -> Statuses:
    """Pytest, with mouse buttons by their numbers."""
    return pytest(log.replace("MouseButton.LEFT", "1").replace("MouseButton.RIGHT", "3"))


def seaborn(log: str) -> Statuses:
    """`FAILED id`, `PASSED id` and `id PASSED [ 10%]`; nothing else."""
    found: Statuses = {}
    for line in log.split("\n"):
        words = line.split()
        if len(words) < 2:
            continue
        if line.startswith("FAILED"):
            found[words[1]] = "FAILED"
        elif " PASSED " in line:
            if words[1] == "PASSED":
                found[words[0]] = "PASSED"
        elif line.startswith("PASSED"):
            found[words[1]] = "PASSED"
    return found


def sympy(log: str) -> Statuses:
    """`test_x ok`, `test_x F`, `test_x E`, and the titles `___ file.py:test_x ___` of failures."""
    found: Statuses = {f"{m[1]}.py:{m[2]}": "FAILED" for m in re.finditer(r"_* (.*)\.py:(.*) _*", log)}
    endings = {" E": "ERROR", " F": "FAILED", " ok": "PASSED"}
    for line in map(str.strip, log.split("\n")):
        if line.startswith("test_"):
            for ending, status in endings.items():
                if line.endswith(ending):
                    found[line.split()[0]] = status
    return found


_DJANGO_ENDS = {" ... ok": "PASSED", " ... OK": "PASSED", " ...  OK": "PASSED"}
_DJANGO_BROKEN = (
    r"^(.*?)\s\.\.\.\sTesting against Django installed in (?s:.*?) silenced\)\.\nok$",
    r"^(.*?)\s\.\.\.\sInternal Server Error: /.*/\nok$",
    r"^(.*?)\s\.\.\.\sSystem check identified no issues \(0 silenced\)\nok$",
)
"""Output between the dots and `ok` that Django's own runner is known to let in."""


def django(log: str) -> Statuses:
    """`test_x (module.Class) ... ok` of Django's runner, blocks `FAIL: test_x`, and results torn over two lines."""
    found: Statuses = {}
    before = ""
    for line in map(str.strip, log.split("\n")):
        if "--version is equivalent to version" in line:
            found["--version is equivalent to version"] = "PASSED"
        if " ... " in line:
            before = line.split(" ... ")[0]
        found.update(_django_line(line))
        if line.startswith("ok") and before:
            found[before] = "PASSED"
    for pattern in _DJANGO_BROKEN:
        found.update({m[1]: "PASSED" for m in re.finditer(pattern, log, re.MULTILINE)})
    return found


def _django_line(line: str) -> Statuses:
    found: Statuses = {}
    for ending, status in _DJANGO_ENDS.items():
        if line.endswith(ending):
            name = line
            if line.startswith("Applying sites.0002_alter_domain_unique...test_no_migrations"):
                name = line.split("...", 1)[-1].strip()
            found[name.rsplit(ending, 1)[0]] = status
            break
    if " ... skipped" in line:
        found[line.split(" ... skipped")[0]] = "SKIPPED"
    for word, status in (("FAIL", "FAILED"), ("ERROR", "ERROR")):
        if line.endswith(f" ... {word}"):
            found[line.split(f" ... {word}")[0]] = status
        if line.startswith(f"{word}:") and len(words := line.split()) > 1:
            found[words[1]] = status
    return found


_GO = re.compile(r"--- (PASS|FAIL|SKIP): (.+) \((.+)\)")
_CARGO = re.compile(r"test\s+(\S+)\s+\.\.\.\s+(\w+)")
_GO_WORDS = {"PASS": "PASSED", "FAIL": "FAILED", "SKIP": "SKIPPED"}
_CARGO_WORDS = {"ok": "PASSED", "FAILED": "FAILED"}


def gotest(log: str) -> Statuses:
    """`--- PASS: TestX (0.00s)` of `go test -v`."""
    matches = (_GO.fullmatch(line.strip()) for line in log.split("\n"))
    return {m[2]: _GO_WORDS[m[1]] for m in matches if m}


def cargo(log: str) -> Statuses:
    """`test module::name ... ok` of `cargo test`."""
    matches = (_CARGO.fullmatch(line.strip()) for line in log.split("\n"))
    return {m[1]: _CARGO_WORDS[m[2]] for m in matches if m and m[2] in _CARGO_WORDS}


def _is_count(status: str, name: str) -> bool:
    """`SKIPPED [3] file.py:7: why` counts tests and names none."""
    return status == "SKIPPED" and _COUNT.fullmatch(name) is not None


def _short_option(name: str) -> str:
    m = re.search(r"(.*?)\[(.*)\]", name)
    if not m:
        return name
    option = m[2]
    if option.startswith("/") and not option.startswith("//") and "*" not in option:
        option = f"/{option.rsplit('/', 1)[-1]}"
    return f"{m[1]}[{option}]"


_SAME = {
    "pytest": ("astroid", "flask", "marshmallow", "pvlib", "pyvista", "sqlfluff", "xarray"),
    "pytest_options": ("pydicom", "requests", "pylint"),
    "pytest_v2": ("astropy", "scikit", "sphinx"),
}
_OWN: Mapping[str, Callable[[str], Statuses]] = {
    f.__name__: f
    for f in (pytest, pytest_options, pytest_v2, matplotlib, seaborn, sympy, django, gotest, cargo)
}  # fmt: skip
PARSERS: Mapping[str, Callable[[str], Statuses]] = {
    **{f"parse_log_{name}": parse for name, parse in _OWN.items()},
    **{f"parse_log_{other}": _OWN[name] for name, others in _SAME.items() for other in others},
}
"""Parsers by the names that rows give them."""

OF_REPO: Mapping[str, str] = {
    "astropy/astropy": "astropy", "django/django": "django", "matplotlib/matplotlib": "matplotlib",
    "mwaskom/seaborn": "seaborn", "pallets/flask": "flask", "psf/requests": "requests", "pydata/xarray": "xarray",
    "pylint-dev/pylint": "pylint", "pytest-dev/pytest": "pytest", "scikit-learn/scikit-learn": "scikit",
    "sphinx-doc/sphinx": "sphinx", "sympy/sympy": "sympy", "marshmallow-code/marshmallow": "marshmallow",
    "pvlib/pvlib-python": "pvlib", "pydicom/pydicom": "pydicom", "pylint-dev/astroid": "astroid",
    "pyvista/pyvista": "pyvista", "sqlfluff/sqlfluff": "sqlfluff",
}  # fmt: skip
"""The parser of each repository of rows from before version 5, which name none."""
