"""PyYAML's syntax errors in plain words, with the place the writer must look at."""

from __future__ import annotations

import re

import yaml

MAX_DEPTH = 100
"""Values nested deeper than this are refused: PyYAML's composer recurses in C and would end the process."""

_MANY_BRACKETS = 100
_DEEP_LINES = re.compile(r"^(?: {200}|(?:[-?] ){50})", re.MULTILINE)


def syntax_fault(e: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """Character offset, what, and help for a file that is not YAML."""
    if isinstance(e, yaml.reader.ReaderError):
        return int(e.position), f"a control character (0x{int(e.character):02x}) is in the file", "delete it"
    mark = getattr(e, "problem_mark", None)
    index = min(mark.index if mark else 0, len(text))
    problem = str(getattr(e, "problem", "") or e)
    start = text.rfind("\n", 0, index) + 1
    before = text[start:index]
    end = text.find("\n", index)
    rest = text[index : end if end >= 0 else None]
    indent = text[start : start + len(text[start:]) - len(text[start:].lstrip(" \t"))]
    if "\t" in indent.split("\n")[0]:
        at = start + indent.index("\t")
        return at, "a tab indents this line; YAML wants spaces", "replace the tab by spaces"
    if "another document" in problem:
        return index, "the file holds several documents; one file is one document", "delete the `---` between them"
    if "undefined alias" in problem:
        return (
            index,
            f"no anchor is named `{rest[1:].split()[0] if rest[1:].split() else ''}`",
            "define it above with &",
        )
    if "mapping values are not allowed" in problem:
        return index, "a second `: ` stands in this line", "quote the text that holds the colon"
    if "cannot start any token" in problem:
        return index, f"a value cannot begin with `{rest[:1]}`", "quote the value"
    context = getattr(e, "context_mark", None)
    if "unexpected end of stream" in problem and context is not None:
        return min(context.index, len(text)), "a quote is opened here and never closed", "close the quote"
    opened = ""
    if context is not None and context.line != (mark.line if mark else context.line):
        opened = f"it belongs to what begins in line {context.line + 1}"
    return index, f"not YAML: {problem}", opened or _hint(before)


def _hint(before: str) -> str:
    return "is a key, a dash or a quote missing before this?" if before.strip() else "look at the indentation here"


def too_deep(text: str) -> int | None:
    """Where values nest deeper than MAX_DEPTH, as a character offset. Only suspicious texts are parsed for it.

    Raises yaml.YAMLError.
    """
    if text.count("[") + text.count("{") < _MANY_BRACKETS and not _DEEP_LINES.search(text):
        return None
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return event.start_mark.index if event.start_mark else 0
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None
