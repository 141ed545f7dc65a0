"""The program in an answer."""

from __future__ import annotations

from harness.toolkit.fences import fenced_blocks

_NAMES: dict[str, tuple[str, ...]] = {
    "python": ("python", "py", "python3"),
    "node": ("javascript", "js", "node", "mjs"),
    "bash": ("bash", "sh", "shell"),
}


def code_of(text: str, language: str) -> str:
    """The last fenced block of this language, else the last block, else the whole text when it has no fence.

    The last is what a system that thinks aloud settles on.
    """
    text = text.replace("\r\n", "\n")
    if "```" not in text and "~~~" not in text:
        return text
    blocks = list(fenced_blocks(text))
    if not blocks:
        return text
    names = _NAMES.get(language, (language,))
    of_language = [code for tag, code in blocks if tag in names]
    return (of_language or [code for _, code in blocks])[-1]
