"""Links and globs of collected trees, without an engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine.boxes import probe_image, specs_of
from harness.engine.paths import leaves_tree, left_out
from harness.engine.probes import _reached, _rows, is_alive
from harness.engine.recording import elided
from harness.records.task import Collect, SandboxSpec, Task


@pytest.mark.parametrize(
    ("name", "target", "leaves"),
    [
        ("a", "b", False), ("a", "../b", True), ("d/a", "../b", False), ("d/a", "../../b", True),
        ("a", "/etc/passwd", True), ("a", "/work/repo/x", False), ("a", "/work/repository", True),
        ("a", "/work/repo/../x", True), ("d/a", "x/../../../y", True), ("d/a", "x/../y", True), ("a", ".", False),
        ("a", "..", True), ("d/e/a", "../..", False),
    ],
)  # fmt: skip
def test_links_that_leave_the_tree(name: str, target: str, leaves: bool) -> None:
    assert leaves_tree(name, target, "/work/repo") is leaves


WORDS = st.lists(st.sampled_from(["..", "a", "b", "."]), min_size=1, max_size=5).map("/".join)


@settings(max_examples=150, deadline=None)
@given(links=st.dictionaries(st.sampled_from(["l", "a/l", "a/b/l", "a/b/m", "m"]), WORDS, max_size=4), walk=WORDS)
def test_no_chain_of_accepted_links_leads_out(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, str], walk: str
) -> None:
    top = tmp_path_factory.mktemp("t") / "x" / "root"
    (top / "a" / "b").mkdir(parents=True)
    for name, target in links.items():
        if not leaves_tree(name, target, str(top)):
            (top / name).symlink_to(target)
    for name in links:
        link = top / name
        if link.is_symlink():
            try:
                reached = Path(os.path.realpath(link, strict=True))
            except OSError:
                continue
            assert reached.is_relative_to(top.resolve()), (name, links)


def test_globs_leave_out_files_and_whole_folders() -> None:
    assert left_out("build/x/y.o", ["build"]) and left_out("a/b.pyc", ["*.pyc"]) and left_out("d/x", ["d/"])
    assert not left_out("builder/x", ["build"]) and not left_out("a.py", [])


def test_probes_of_sqlite_wait_for_the_stop_and_others_do_not() -> None:
    sqlite = Collect("a", "sql", options={"url": "sqlite:///work/x.db", "query": "q"})
    other = Collect("a", "sql", options={"url": "postgresql://db/x", "query": "q"})
    assert not is_alive(sqlite) and is_alive(other) and not is_alive(Collect("p", "patch", "/x"))


def test_services_are_asked_by_the_engines_names_and_the_box_by_its_own() -> None:
    inside = SandboxSpec(network="internal")
    assert _reached("http://db:1/x", inside) == ("http://db:1/x", False)
    assert _reached("http://box:1/x", inside) == ("http://box:1/x", False)
    assert _reached("http://u:p@box:1/x", SandboxSpec()) == ("http://u:p@127.0.0.1:1/x", True)
    assert _reached("http://localhost/x", inside) == ("http://localhost/x", True)


def test_one_row_of_mysql_is_one_row_whatever_line_ends_its_text_has() -> None:
    said = "name\tn\na\u2028b\x0bc\x85d\re\tNULL\n".encode()
    assert _rows(said, "\t") == [["name", "n"], ["a\u2028b\x0bc\x85d\re", "\\N"]]
    assert _rows(b"", "\t") == []


def test_images_to_prepare_are_those_of_boxes_and_probes_once() -> None:
    probes = (Collect("c", "command", options={"argv": ["x"], "image": "tool"}), Collect("h", "http"))
    tasks = [Task(id=i, prompt="p", sandbox=SandboxSpec(image="own"), collect=probes) for i in "ab"]
    assert [s.image for s in specs_of([*tasks, Task(id="c", prompt="p")])] == ["own", "tool", "sandbox"]
    assert probe_image(Collect("f", "file", "/x")) == ""


def test_long_output_keeps_its_two_ends() -> None:
    text = "a" * 50 + "b" * 1000 + "c" * 50
    short = elided(text, 100)
    assert short.startswith("a" * 50) and short.endswith("c" * 50) and "1000 characters left out" in short
    assert elided("short", 100) == "short"
