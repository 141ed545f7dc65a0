"""bash_agent: how it acts, what it is told, how it ends. Real commands in a temporary folder."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest
from agent_boxes import FolderBox, bash, told, work

from harness.api import File, LimitReached, MissingRequirement, SandboxSpec, Text, ToolResult
from harness.harnesses import _agent_prompts as prompts
from harness.harnesses.bash_agent import BashAgent, read_reply
from harness.harnesses.self_verify import SelfVerify
from harness.testing.check_harness import check_harness
from harness.testing.checks import failed
from harness.testing.fakes import FakeContext, Says, a_file, a_response, a_task

AGENT = BashAgent()
TEXT = BashAgent(actions="text")
DONE = prompts.DONE


def fenced(command: str, fence: str = "```") -> str:
    return f"I look.\n\n{fence}bash\n{command}\n{fence}"


@pytest.mark.parametrize("params", [{}, {"actions": "text"}])
def test_it_keeps_the_contract(params: dict[str, str], tmp_path: Path) -> None:
    class Variant(BashAgent):
        """As its example, with other parameters."""

        example: ClassVar[Mapping[str, object]] = {**BashAgent.example, **params}

    assert failed(check_harness(Variant, tmp_path)) == []


def test_commands_run_and_their_output_comes_back(tmp_path: Path) -> None:
    answers = [bash("echo one > a.txt; echo two >&2; false"), bash("cat a.txt"), f"All good.\n{DONE}\n14 days\n"]
    output, ctx = work(AGENT, answers, tmp_path)
    assert (output.answer, output.declared_done) == ("14 days", True)
    assert output.metrics == {
        "turns": 3, "commands": 2, "format_errors": 0, "timeouts": 0, "elisions": 0, "ended": "done",
    }  # fmt: skip
    assert told(ctx, 1) == ["exit code: 1\n<output>\ntwo\n</output>"]
    assert told(ctx, 2) == ["exit code: 0\n<output>\none\n</output>"]
    assert all(c.request.cache and [t.name for t in c.request.tools] == ["bash"] for c in ctx.calls)


def test_every_command_has_a_shell_of_its_own_and_streams_keep_their_order(tmp_path: Path) -> None:
    script = "mkdir d; cd d; X=1; for i in 1 2; do echo out$i; echo err$i >&2; done"
    _, ctx = work(AGENT, [bash(script, 'pwd; echo "[$X]"'), DONE], tmp_path)
    first, second = told(ctx, 1)
    assert "out1\nerr1\nout2\nerr2" in first
    assert f"{tmp_path}/box\n[]" in second


def test_the_environment_asks_for_plain_output(tmp_path: Path) -> None:
    _, ctx = work(AGENT, [bash('echo "$PAGER $GIT_PAGER $TERM $GIT_TERMINAL_PROMPT"'), DONE], tmp_path)
    assert "cat cat dumb 0" in told(ctx, 1)[0]


def test_parallel_calls_are_answered_in_their_order(tmp_path: Path) -> None:
    _, ctx = work(AGENT, [bash("echo 1 > n", "cat n; echo 2 > n", "cat n"), DONE], tmp_path)
    results = ctx.calls[1].request.messages[-1].parts
    assert [type(p) for p in results] == [ToolResult] * 3
    assert [p.id for p in results if isinstance(p, ToolResult)] == ["call_0_0", "call_0_1", "call_0_2"]
    assert "1" in told(ctx, 1)[1] and "2" in told(ctx, 1)[2]


def test_text_actions_need_no_tools(tmp_path: Path) -> None:
    output, ctx = work(TEXT, [fenced("echo hi"), f"{DONE}\n"], tmp_path)
    assert output.declared_done and output.answer is None
    assert told(ctx, 1) == ["exit code: 0\n<output>\nhi\n</output>"]
    assert ctx.calls[0].request.tools == ()


def test_a_longer_fence_holds_a_command_with_backticks(tmp_path: Path) -> None:
    command = "cat > page.md <<'END'\n```bash\nls\n```\nEND"
    work(TEXT, [fenced(command, "````"), DONE], tmp_path)
    assert (tmp_path / "box/page.md").read_text() == "```bash\nls\n```\n"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("I would look around.", "had no commands"),
        (fenced("touch a") + "\n" + fenced("touch b"), "had 2 commands"),
        ("```bash\ntouch a", "had no commands"),
        ("```python\nopen('a', 'w')\n```", "had no commands"),
        (fenced(" "), "had no commands"),
        ({"text": "```bash\ntouch a", "stop": "max_tokens"}, "cut off"),
        (fenced("touch a") + f"\n{fenced('touch b')}\n{DONE}", "had 2 commands"),
    ],
)
def test_a_reply_without_exactly_one_command_runs_nothing(reply: object, said: str, tmp_path: Path) -> None:
    output, ctx = work(TEXT, [reply, DONE], tmp_path)
    assert said in told(ctx, 1)[0]
    assert (output.metrics["format_errors"], output.metrics["commands"]) == (1, 0)
    assert list((tmp_path / "box").iterdir()) == []


@pytest.mark.parametrize(
    "reply", [f"`{DONE}`", f"{DONE}.", f" {DONE}", DONE.lower(), f"**{DONE}**", f"say {DONE}", f"```\n{DONE}\n```", ""]
)
@pytest.mark.parametrize("agent", [AGENT, TEXT], ids=["tools", "text"])
def test_only_the_exact_marker_ends_the_work(agent: BashAgent, reply: str, tmp_path: Path) -> None:
    output, _ = work(agent, [reply, DONE], tmp_path)
    assert (output.metrics["turns"], output.metrics["format_errors"], output.declared_done) == (2, 1, True)


@pytest.mark.parametrize("ending", ["", "  ", "\r", "\n", "\n\n"])
def test_white_space_after_the_marker_does_not_matter(ending: str) -> None:
    assert read_reply(f"so\n{DONE}{ending}").done


def test_the_answer_may_hold_anything(tmp_path: Path) -> None:
    output, _ = work(TEXT, [f"{DONE}\n\n```bash\nls\n```\n{DONE}"], tmp_path)
    assert output.answer == f"```bash\nls\n```\n{DONE}"


@pytest.mark.parametrize(
    ("agent", "reply"),
    [(AGENT, bash("touch a", text=f"There.\n{DONE}")), (TEXT, f"{fenced('touch a')}\n{DONE}")],
    ids=["tools", "text"],
)
def test_a_reply_that_acts_does_not_end_the_work(agent: BashAgent, reply: object, tmp_path: Path) -> None:
    output, ctx = work(agent, [reply, DONE], tmp_path)
    assert "was not taken" in told(ctx, 1)[1]
    assert (tmp_path / "box/a").exists() and output.metrics["turns"] == 2


def test_format_errors_in_a_row_end_the_work(tmp_path: Path) -> None:
    output, _ = work(BashAgent(max_format_errors=2), ["hm", bash("true"), "hm", "hm", "never said"], tmp_path)
    assert (output.declared_done, output.answer, output.metrics["ended"]) == (False, None, "format_errors")
    assert (output.metrics["turns"], output.metrics["format_errors"]) == (4, 3)


def test_calls_that_cannot_be_made_count_as_format_errors(tmp_path: Path) -> None:
    broken = {"tools": [{"name": "bash", "arguments": '{"comm'}, {"name": "ls", "arguments": {}}]}
    output, ctx = work(AGENT, [broken, broken, broken], tmp_path)
    assert (output.metrics["format_errors"], output.metrics["turns"], output.metrics["ended"]) == (
        6,
        3,
        "format_errors",
    )
    results = ctx.calls[1].request.messages[-1].parts
    assert all(isinstance(p, ToolResult) and p.is_error for p in results) and len(results) == 2
    assert "there is no tool 'ls'; there are: bash" in told(ctx, 1)[1]


def test_max_turns_is_a_limit_and_what_was_done_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    folder.mkdir()
    ctx = FakeContext(tmp_path, Says(lambda r: a_response("hm")), box=FolderBox(folder))
    agent = BashAgent(max_turns=2, max_format_errors=9)
    with pytest.raises(LimitReached) as caught:
        asyncio.run(agent.solve(a_task("x"), ctx))
    assert caught.value.kind == "turns" and len(ctx.calls) == 2
    assert [o.metrics["turns"] for o in ctx.saved] == [0, 1, 2]
    assert ctx.saved[-1].declared_done is False and "ended" not in ctx.saved[-1].metrics


def test_a_refusal_ends_the_work(tmp_path: Path) -> None:
    output, _ = work(AGENT, [{"text": "I cannot help with that.", "stop": "refusal"}], tmp_path)
    assert (output.refused, output.declared_done, output.metrics["ended"]) == (True, False, "refusal")


def test_a_command_that_takes_too_long_is_said_to(tmp_path: Path) -> None:
    output, ctx = work(BashAgent(command_timeout_s=0.2), [bash("sleep 5"), DONE], tmp_path)
    assert told(ctx, 1)[0].startswith("timed out: killed after 0.2 s")
    assert output.metrics["timeouts"] == 1


def test_the_tasks_own_command_timeout_holds_too(tmp_path: Path) -> None:
    task = a_task("x", sandbox=SandboxSpec(command_timeout_s=7))
    _, ctx = work(AGENT, [DONE], tmp_path, task)
    assert "killed after 7 seconds" in ctx.calls[0].request.system


def test_long_output_is_shown_by_its_ends(tmp_path: Path) -> None:
    _, ctx = work(BashAgent(output_chars=1000), [bash("seq 1 100000"), DONE], tmp_path)
    said = told(ctx, 1)[0]
    assert "\n1\n2\n3\n" in said and "\n100000\n</output>" in said
    assert "587,894 characters left out" in said and len(said) < 1300


def test_odd_commands_and_outputs_are_survived(tmp_path: Path) -> None:
    long = "true # " + "é" * 80_000
    odd = [long, "a\0b", "echo '\ud800'", r"printf '\377\033[31mred\033[0m\0\r\nx\b'"]
    _, ctx = work(AGENT, [bash(*odd), DONE], tmp_path)
    first, second, third, fourth = told(ctx, 1)
    assert first == "exit code: 0\n(no output)"
    assert second.startswith("not run") and "?" in third
    assert "\ufffdred\ufffd\nx\ufffd" in fourth


def test_a_box_without_bash_is_worked_in_with_sh(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    box = FolderBox(tmp_path / "box", shells=("sh",))
    _, ctx = work(AGENT, [bash("echo hi"), DONE], tmp_path, box=box)
    assert "hi" in told(ctx, 1)[0] and box.commands[-1][0] == "sh"


def test_the_task_its_files_and_its_place_are_told_and_files_are_laid_down(tmp_path: Path) -> None:
    data = a_file(tmp_path, "in/data.csv", b"a,b\n")
    picture = a_file(tmp_path, "in/dot.png", b"png", "image/png")
    baked = File("tests.txt", "in/t", "text/plain", "0")
    spec = SandboxSpec(network="internal", files=(baked,))
    task = a_task("Sum it.", files=(data, picture), sandbox=spec)
    _, ctx = work(AGENT, [DONE], tmp_path, task)
    first = ctx.calls[0].request.messages[0].parts
    assert first[0] == picture and len(first) == 2
    said = ctx.calls[0].last_text
    assert said.startswith("Sum it.\n\nWhere you work: the working folder is ") and f"{tmp_path}/box;" in said
    assert said.endswith("- tests.txt\n- data.csv\n- dot.png") and "the network reaches nothing outside" in said
    assert (tmp_path / "box/data.csv").read_bytes() == b"a,b\n" and not (tmp_path / "box/tests.txt").exists()


def test_images_can_be_kept_back_and_those_of_the_prompt_are_shown_once(tmp_path: Path) -> None:
    picture = a_file(tmp_path, "in/dot.png", b"png", "image/png")
    shown = a_task((Text("What is it?"), picture), files=(picture,))
    _, ctx = work(AGENT, [DONE], tmp_path, shown)
    assert [type(p) for p in ctx.calls[0].request.messages[0].parts] == [Text, File, Text]
    kept_back = a_task("What is it?", files=(picture,))
    _, ctx = work(BashAgent(attach_images=False), [DONE], tmp_path, kept_back)
    assert [type(p) for p in ctx.calls[0].request.messages[0].parts] == [Text]


def test_old_outputs_are_left_out_in_one_cut_and_noted(tmp_path: Path) -> None:
    agent = BashAgent(elide_above=3000, elide_to=1500)
    output, ctx = work(agent, [*[bash("seq 1 500")] * 12, DONE], tmp_path)
    cuts = [i for i, n in enumerate(ctx.notes) if n[0] == "elision"]
    assert output.metrics["elisions"] == len(cuts) >= 2
    requests = [c.request.messages for c in ctx.calls]
    kept = sum(b[: len(a)] == a for a, b in pairwise(requests))
    assert kept == len(requests) - 1 - len(cuts)


def test_an_empty_box_is_not_worked_in(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, Says("x"))
    with pytest.raises(MissingRequirement):
        asyncio.run(AGENT.solve(a_task("x"), ctx))


def test_an_agent_can_be_verified_and_goes_on_in_the_same_box(tmp_path: Path) -> None:
    answers = {
        "solve": [bash("echo first > log"), f"{DONE}\n13"],
        "verify": ["PROBLEM: it is 14\nVERDICT: PROBLEMS"],
        "solve.2": [bash("cat log"), f"{DONE}\n14"],
        "verify.2": ["VERDICT: OK"],
    }
    output, ctx = work(SelfVerify(inner=AGENT, rounds=1), answers, tmp_path)
    assert (output.answer, output.metrics["verify_retries"], output.metrics["commands"]) == ("14", 1, 1)
    assert any("first" in text for i in range(1, len(ctx.calls)) for text in told(ctx, i))


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="elide_to must be below"):
        BashAgent(elide_above=10, elide_to=10)


def test_a_changed_prompt_raises_the_version() -> None:
    """What agents are told decides results. When this fails: raise VERSION, then put the new digest here."""
    texts = [f"{k}={v}" for k, v in sorted(vars(prompts).items()) if k.isupper() and k != "VERSION"]
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
    assert (prompts.VERSION, digest) == ("1", "54550fda73e6")


def test_house_rules_stand_at_the_end_of_the_system_prompt(tmp_path: Path) -> None:
    _, ctx = work(BashAgent(instructions="Answer in French."), [DONE], tmp_path)
    assert ctx.calls[0].request.system.endswith("\n\nAnswer in French.")


def test_a_model_that_repeats_its_input_declares_nothing(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    echo = Says(lambda r: "\n".join([r.system, *(getattr(p, "text", "") for m in r.messages for p in m.parts)]))
    for agent in (AGENT, TEXT):
        ctx = FakeContext(tmp_path, echo, box=FolderBox(tmp_path / "box"))
        output = asyncio.run(BashAgent(actions=agent.actions, max_turns=9).solve(a_task("x"), ctx))
        assert output.declared_done is False
