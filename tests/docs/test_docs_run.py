"""Every page of the docs does what it says; and the runner that shows it can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_session import ROOT, blocks_of, fits, new_workspace, run_page

PAGES = sorted(p for p in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")] if p.is_file())
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_of_the_page_hold(page: Path, tmp_path: Path) -> None:
    """The first page by the program that is installed, as a reader has it."""
    installed = page.name == "README.md"
    assert run_page(page.read_text(encoding="utf-8"), new_workspace(tmp_path), installed=installed) == []


@pytest.mark.docker
@pytest.mark.parametrize("page", [p for p in PAGES if "<!-- test: engine" in p.read_text()], ids=lambda p: p.name)
def test_blocks_of_the_page_hold_with_an_engine(page: Path, tmp_path: Path) -> None:
    wrong = run_page(
        page.read_text(encoding="utf-8").replace("<!-- test: run", "<!-- test: skip"),
        new_workspace(tmp_path),
        engine=True,
        installed=True,
    )
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_of_the_page_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    lost = [t for t in targets if not (page.parent / t).exists()]
    assert lost == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = {ROOT / "README.md"}, [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        targets = {(page.parent / t).resolve() for t in LINK.findall(page.read_text(encoding="utf-8"))}
        new = [t for t in targets - reached if t in PAGES]
        reached.update(new)
        todo += new
    assert [p.relative_to(ROOT).as_posix() for p in PAGES if p not in reached] == []


def test_every_page_leads_somewhere() -> None:
    assert [p.relative_to(ROOT).as_posix() for p in PAGES if not LINK.search(p.read_text(encoding="utf-8"))] == []


def page_of(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def test_commands_share_a_workspace_and_see_written_files(tmp_path: Path) -> None:
    page = page_of(
        "<!-- test: file data/a.yaml -->", "```yaml", "a: 1", "```",
        "<!-- test: run -->", "```console", "$ cat data/a.yaml", "a: 1", "$ echo one \\", "    two", "one two", "```",
        "<!-- test: run -->", "```console", "$ false", "$ echo $?", "1", "```",
    )  # fmt: skip
    assert run_page(page, tmp_path) == []


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (["$ echo a", "b"], "printed:\na"),
        (["$ echo a"], "but the page shows"),
        (["$ false"], "ended with 1"),
        (["$ exit 3"], "the shell ended early"),
        ([""], "must begin with"),
    ],
)
def test_page_that_does_not_hold_is_caught(tmp_path: Path, body: list[str], what: str) -> None:
    page = page_of("<!-- test: run -->", "```console", *body, "```")
    try:
        wrong = run_page(page, tmp_path)
    except AssertionError as e:
        wrong = [str(e)]
    assert len(wrong) == 1 and what in wrong[0]


@pytest.mark.parametrize(("language", "text"), [("yaml", "a: [1"), ("json", "{a: 1}"), ("python", "def f(:\n    pass")])
def test_block_that_does_not_parse_is_caught_unless_skipped(tmp_path: Path, language: str, text: str) -> None:
    block = [f"```{language}", text, "```"]
    assert "does not parse" in run_page(page_of(*block), tmp_path)[0]
    assert run_page(page_of("<!-- test: skip shows a fault -->", *block), tmp_path) == []


def test_unknown_directive_is_caught(tmp_path: Path) -> None:
    assert "unknown directive" in run_page(page_of("<!-- test: rnu -->", "```yaml", "a: 1", "```"), tmp_path)[0]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a ... c", "a b c\n", True),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nd", True),
        ("...\nd", "a\nb", False),
        ("a.c", "abc", False),
        ("a ...", "a", True),
        ("a ...", "a b", True),
        ("a ...", "ab", False),
        ("a", "a\nb", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_wildcards_fit_only_what_they_say(shown: str, printed: str, same: bool) -> None:
    assert fits(shown, printed) is same


def test_blocks_know_their_line_and_language() -> None:
    (block,) = blocks_of("# title\n\n```yaml\na: 1\n```\n")
    assert (block.language, block.line, block.text) == ("yaml", 3, "a: 1\n")


def test_price_file_of_the_how_to_is_a_price_file(tmp_path: Path) -> None:
    from harness.prices import PriceBook

    page = (ROOT / "docs" / "how-to" / "prices.md").read_text(encoding="utf-8")
    assert run_page(page, tmp_path) == []
    book = PriceBook.load(tmp_path / "prices.yaml")
    assert str(book.price_of("vllm", "house-70b")).startswith("$0.2 in, $0.02 cached, $0.8 out")
