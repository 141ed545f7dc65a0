"""`allow:` says in words what a provider may do for an agent outside its box; it is part of the task's digest."""

from __future__ import annotations

from config_space import SUITE, Space

TASK = "id: a\nprompt: p\nreference: r\ngraders: [match]\n"


def test_nothing_is_allowed_unless_it_is_said(space: Space) -> None:
    plain = space.write({"tasks/demo/t.yaml": TASK}).load().tasks[0]
    assert plain.allow == ()
    allowed = space.write({"tasks/demo/t.yaml": TASK + "allow: [web_search, urls]\n"}).load().tasks[0]
    assert allowed.allow == ("web_search", "urls") and allowed.digest != plain.digest


def test_a_suite_allows_for_its_tasks_and_a_task_takes_it_back(space: Space) -> None:
    space.write({"tasks/demo/suite.yaml": SUITE + "defaults: {allow: [remote_mcp]}\n"})
    other = TASK.replace("id: a", "id: b") + "allow: []\n"
    space.write({"tasks/demo/t1.yaml": TASK, "tasks/demo/t2.yaml": other})
    assert [t.allow for t in space.load().tasks] == [("remote_mcp",), ()]


def test_a_word_that_is_none_is_told_with_its_place(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": TASK + "allow: [internet]\n"})
    (fault,) = space.faults()
    assert fault.startswith("tasks/demo/t.yaml:5:") and "internet" in fault
    assert "web_search" in space.message()
