"""Prompts as a harness handles them: text or parts."""

from __future__ import annotations

from harness.records.content import File, Text
from harness.records.task import TaskView

Prompt = str | tuple[Text | File, ...]


def prompt_text(prompt: Prompt) -> str:
    """The text of a prompt; files are named in brackets."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(p.text if isinstance(p, Text) else f"[file: {p.name}]" for p in prompt)


def prompt_parts(prompt: Prompt, add: str = "") -> tuple[Text | File, ...]:
    """The prompt as parts, with `add` joined to its last text (or as a text of its own after a file)."""
    parts: tuple[Text | File, ...] = (Text(prompt),) if isinstance(prompt, str) else prompt
    if not add:
        return parts
    last = parts[-1] if parts else None
    if isinstance(last, Text):
        return (*parts[:-1], Text(last.text + add))
    return (*parts, Text(add.lstrip("\n")))


def task_parts(task: TaskView, add: str = "") -> tuple[Text | File, ...]:
    """The whole task as message parts: its files first, as providers advise for documents, then the prompt."""
    return (*task.files, *prompt_parts(task.prompt, add))


def with_text(prompt: Prompt, add: str) -> Prompt:
    """The prompt with a paragraph added at its end."""
    return f"{prompt}\n\n{add}" if isinstance(prompt, str) else prompt_parts(prompt, f"\n\n{add}")
