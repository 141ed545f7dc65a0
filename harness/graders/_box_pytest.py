"""Runs in a box, never here: pytest is imported before anything of the work can be.

    python3 -s _box_pytest.py ROOT INI REPORT AUTOLOAD BACKWARDS EXTRA_PATHS [pytest's arguments]

EXTRA_PATHS are separated by `:`. The image's own PYTHONPATH arrives as GRADE_PYTHONPATH, so that no sitecustomize of
the work is found when Python starts.
"""

import os
import sys


class Backwards:
    """A plugin that turns the order of the tests round."""

    def pytest_collection_modifyitems(self, items: list) -> None:  # type: ignore[type-arg]  # pytest is the box's
        """The last test first."""
        items.reverse()


def main() -> int:
    """Pytest's exit code."""
    root, ini, report, autoload, backwards, extra = sys.argv[1:7]
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - os alone, so that nothing else is loaded
    sys.path[:] = [p for p in sys.path if p and p != here]
    import pytest

    given = os.environ.pop("GRADE_PYTHONPATH", "")
    for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"):
        os.environ.pop(name, None)
    if given:
        os.environ["PYTHONPATH"] = given
    if autoload == "0":
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    paths = [p if p.startswith("/") else root + "/" + p for p in extra.split(":") if p]
    sys.path[:0] = [*paths, root, *(p for p in given.split(":") if p)]
    ours = ["-c", ini, f"--rootdir={root}", f"--confcutdir={root}", "-p", "no:cacheprovider", "-o", "addopts="]
    told = [f"--junitxml={report}", "-o", "junit_family=xunit1", "--continue-on-collection-errors", "-q", "--tb=short"]
    plugins = [Backwards()] if backwards == "1" else []
    return int(pytest.main([*ours, *told, *sys.argv[7:]], plugins=plugins))


if __name__ == "__main__":
    sys.exit(main())
