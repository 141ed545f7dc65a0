"""The HTML page: self-contained, safe whatever the records say, the same bytes for the same records."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from report_lab import EVIL, Page, hostile

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))

from cases import CASES, nothing_ran, ordinary, rich

from harness.cli.main import main
from harness.records.outcome import Attempt
from harness.records.transcript import Transcript
from harness.report.html import render_html
from harness.report.markdown import render_full_markdown
from harness.report.reliability import SECTIONS, full_report
from harness.report.summary import full_json
from harness.report.text import render_full_text
from harness.store.folder import RunFolder


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    return full_report(hostile(tmp_path_factory.mktemp("attacked")))


@pytest.fixture(scope="module")
def attacked_page(attacked):
    return render_html(attacked)


@pytest.fixture(scope="module")
def page_alive(alive):
    return render_html(alive)


@pytest.fixture(scope="module")
def alive(tmp_path_factory):
    return full_report(rich(tmp_path_factory.mktemp("rich")))


def test_the_page_runs_nothing_and_asks_nobody(attacked_page):
    page = Page(attacked_page)
    assert page.tags & {"script", "img", "link", "iframe", "object", "embed", "form", "base"} == set()
    for tag, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    assert any(a.get("http-equiv") == "Content-Security-Policy" for _, a in page.found)
    assert re.search(r"url\((?!#)", attacked_page) is None
    assert "@import" not in attacked_page


def test_hostile_words_are_shown_and_not_obeyed(attacked_page):
    html = attacked_page
    page = Page(html)
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert "{{7*7}}" in "".join(page.text)
    assert "49" not in {t.strip() for t in page.text}
    assert page.wrong == []
    assert page.open == []
    assert not [c for c in html if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize("render", [render_full_text, render_full_markdown])
def test_no_form_lets_control_characters_through(attacked, render):
    assert not [c for c in render(attacked) if not c.isprintable() and c != "\n"]


def test_hostile_words_cannot_break_out_of_markdown(attacked):
    lines = render_full_markdown(attacked).splitlines()
    assert not [line for line in lines if "<script" in line.replace("\\<", "")]
    assert not [line for line in lines if line.startswith("#") and "alert" in line.replace("\\", "")[:8]]
    headers = [i for i, line in enumerate(lines) if re.fullmatch(r"(\| --- )+\|", line)]
    for i in headers:
        width = lines[i].count("---")
        for row in lines[i + 1 :]:
            if not row.startswith("|"):
                break
            assert len(re.findall(r"(?<!\\)\|", row)) == width + 1


def test_every_section_is_there_with_its_figures_or_its_reason(alive, page_alive):
    page = Page(page_alive)
    ids = [a["id"] for tag, a in page.found if tag == "section"]
    assert ids == [s.key for s in alive.sections]
    assert len(ids) == len(SECTIONS) + 1
    drawn = sum(tag == "svg" for tag, _ in page.found)
    assert drawn == sum(len(s.figures) for s in alive.sections) > 6
    for s in alive.sections:
        assert s.why_not or s.tables or s.notes, s.key


def test_figures_take_the_pages_colours_and_carry_no_words_of_their_maker(page_alive):
    html = page_alive
    assert "#010203" not in html
    assert "#0a0b0" not in html
    assert "matplotlib" not in html.lower()
    assert "var(--c0)" in html


def test_ids_are_not_doubled(page_alive):
    ids = re.findall(r'\bid="([^"]+)"', page_alive)
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("name", CASES)
def test_the_same_records_give_the_same_bytes_whatever_their_order(tmp_path, name):
    path = CASES[name](tmp_path)
    before = render_html(full_report(path))
    lines = (path / "attempts.jsonl").read_bytes().splitlines(keepends=True)
    (path / "attempts.jsonl").write_bytes(b"".join(reversed(lines)))
    assert render_html(full_report(path)) == before


def test_html_lies_in_the_run_unless_a_place_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "tasks").mkdir()
    monkeypatch.chdir(tmp_path)
    path = ordinary(tmp_path / "runs")
    assert main(["report", "--format", "html"]) == 0
    assert (path / "report.html").read_text().startswith("<!doctype html>")
    assert "report.html" in capsys.readouterr().err
    assert main(["report", "--format", "html", "--out", "here.html"]) == 0
    assert Path("here.html").read_bytes() == (path / "report.html").read_bytes()


def test_an_empty_run_has_a_page_too(tmp_path):
    page = Page(render_html(full_report(nothing_ran(tmp_path))))
    assert "nothing ran" in "".join(page.text)


def test_numbers_in_json_are_those_of_the_tables(alive):
    said = full_json(alive)
    by_key = {s["key"]: s for s in said["sections"]}
    alpha = by_key["failures"]["data"]["systems"]["alpha"]
    assert alpha["failed"] == 21
    assert alpha["false_success"] == 11
    row = next(r for r in by_key["failures"]["tables"][0]["rows"] if r[0].startswith("false success"))
    assert row[1].startswith("11/48 ")


def test_a_run_moved_elsewhere_says_the_same(tmp_path):
    path = rich(tmp_path / "a")
    shutil.copytree(path.parent, tmp_path / "b")
    assert render_html(full_report(tmp_path / "b" / path.name)) == render_html(full_report(path))


def test_a_run_that_was_broken_off_and_resumed_says_what_one_that_was_not_says(tmp_path):
    """Attempts that were written in two sessions, the second of them after a torn line."""
    whole = ordinary(tmp_path / "whole")
    broken = ordinary(tmp_path / "broken")
    lines = (broken / "attempts.jsonl").read_bytes().splitlines(keepends=True)
    (broken / "attempts.jsonl").write_bytes(b"".join(lines[:60]) + lines[60][:30])
    with RunFolder.open(broken) as folder:
        for line in lines[60:]:
            a = msgspec.json.decode(line, type=Attempt)
            folder.add(a, Transcript(a.task, a.system, a.epoch, a.attempt, a.output))
    assert render_html(full_report(broken)) == render_html(full_report(whole))


def test_the_attack_is_one(tmp_path):
    """The words would do harm in a page that does not escape them."""
    assert "script" in Page(f"<p>{EVIL}</p>").tags
