"""`harness power` before and after runs: what is detectable, and what it costs, said with where it is from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compare"))

from nights import harness

SUITE = """
suite: mine
tasks:
  - {{id: one, prompt: "Say yes.", reference: "yes", graders: [match]}}
  - {{id: two, prompt: "Say no.", reference: "no", graders: [match]}}
systems:
  - {{name: floor, harness: empty}}
{systems}
epochs: 1
"""
DEAR = "  - {name: dear, harness: single_turn, model: anthropic/claude-opus-4-7}"
CHEAP = "  - {name: cheap, default: false, harness: single_turn, model: anthropic/claude-haiku-4-5}"
STRANGE = "  - {name: strange, harness: single_turn, model: openai/no-such-model-of-anybody}"


def said(root, *more):
    done = harness(root, "power", "--suite", "mine", *more)
    assert done.code == 0, done.err
    return " ".join(done.out.split())


def write(root, *systems):
    (root / "tasks" / "mine").mkdir(parents=True, exist_ok=True)
    (root / "tasks" / "mine" / "suite.yaml").write_text(SUITE.format(systems="\n".join(systems)))


def test_without_a_run_the_price_book_tells_the_cost(tmp_path):
    write(tmp_path, DEAR, CHEAP)
    text = said(tmp_path)
    assert "unknown" not in text
    assert "from prices, prompt lengths and 1,000 output tokens" in text
    data = json.loads(harness(tmp_path, "power", "--suite", "mine", "--json").out)
    dear = data["basis"]["cost_usd"]
    assert 0.02 < dear < 0.2  # 1,000 output tokens at 25 dollars a million, and a short prompt
    named = json.loads(harness(tmp_path, "power", "--suite", "mine", "--system", "cheap", "--json").out)
    assert 0 < named["basis"]["cost_usd"] < dear / 2


def test_a_suite_whose_default_systems_are_free_is_reckoned_with_the_others(tmp_path):
    write(tmp_path, CHEAP)
    text = said(tmp_path)
    assert "no default system asks a model that costs money" in text
    assert "costs below are those of cheap" in text


def test_an_unknown_price_is_named_and_is_no_cost(tmp_path):
    write(tmp_path, STRANGE)
    text = said(tmp_path)
    assert "no known price: strange" in text
    assert "unknown" in text


def test_no_loss_is_more_than_everything(tmp_path):
    write(tmp_path, DEAR)
    text = said(tmp_path)
    assert " 2 (now) 1 more than 100 more than 100 " in text
    assert "more than 100 points: with so few tasks not even the loss of every success would be shown" in text
    rows = json.loads(harness(tmp_path, "power", "--suite", "mine", "--json").out)["rows"]
    assert rows[0]["same"] is None and rows[0]["other"] is None
    assert "with so few tasks" in rows[0]["why_not"]
    many = json.loads(harness(tmp_path, "power", "--suite", "mine", "--tasks", "300", "--json").out)["rows"]
    assert all(0 < r["same"] < 1 and 0 < r["other"] < 1 and not r["why_not"] for r in many)
    plan = harness(tmp_path, "run", "--suite", "mine", "--dry-run")
    assert "a loss of more than 100 points of the same system" in plan.out + plan.err


def test_a_floor_in_the_history_says_nothing_about_a_model(tmp_path):
    write(tmp_path, DEAR)
    assert harness(tmp_path, "run", "--suite", "mine", "--system", "floor", "--epochs", "3", "--quiet").code == 0
    assert "assumed, no system was run with several epochs" in said(tmp_path)


@pytest.mark.parametrize(
    ("words", "word"), [(("--system", "nosuch"), "systems:"), (("--delta", "5"), "between 0 and 1")]
)
def test_nonsense_is_a_usage_error(tmp_path, words, word):
    write(tmp_path, DEAR)
    done = harness(tmp_path, "power", "--suite", "mine", *words)
    assert (done.code, word in done.err) == (2, True), done.err


def test_one_task_shows_nothing_and_no_number_is_nan(tmp_path):
    write(tmp_path, DEAR)
    path = tmp_path / "tasks" / "mine" / "suite.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "id: two" not in line))
    text = said(tmp_path)
    assert "suite mine: 1 task in 1 family, 1 epoch" in text
    assert "nan" not in text and "1 (now) 1 more than 100 more than 100 0%" in text
    row = json.loads(harness(tmp_path, "power", "--suite", "mine", "--json").out)["rows"][0]
    assert (row["power"], row["same"]) == (0.0, None)
