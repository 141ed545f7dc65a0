"""Tests that must fail, for JavaScript: one in every hidden file, a copy of a test of it where one can be read."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal

from harness.graders._canary_names import title_like
from harness.graders._canary_python import other_than, two

Style = Literal["jest", "vitest", "node"]
_TITLE = re.compile(r"^[ \t]*(?:test|it)\(\s*(['\"`])((?:(?!\1)[^\\\n])+)\1", re.MULTILINE)
_BLOCK = re.compile(
    r"^(?P<in>[ \t]*)(?P<call>(?:test|it)\()(?P<q>['\"`])(?P<title>(?:(?!(?P=q))[^\\\n])+)(?P=q), "
    r"(?P<how>(?:async )?(?:\(\) =>|function \(\)|function\(\))) \{\n(?P<body>(?:.*\n)*?)(?P=in)\}\);?[ \t]*$",
    re.MULTILINE,
)
_QUIET = re.compile(r"^\s*(?:(?:const|let) [\w{}\[\], ]+ = |assert[.(]|expect\()[^\n]*;?$")
_ASSERTED = re.compile(
    r"^(?P<head>\s*(?:assert\.(?:strictEqual|equal|deepStrictEqual)\(.*\), |expect\(.*\)\.(?:toBe|toEqual)\())"
    r"(?:(?P<q>['\"])(?P<text>[^'\"\\]*)(?P=q)|(?P<number>-?\d{1,9}))(?P<tail>\);?)$"
)
_KEPT = re.compile(r"^(?:const|let|var) (\w+) = (?!require\(|await import\()", re.MULTILINE)
_ESM = re.compile(r"^\s*(?:import\s|export\s)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Grown:
    """A hidden file with its canary's title, and the title of the test that it is a copy of, empty for none."""

    text: bytes
    title: str
    of: str = ""


def titles_of(text: str) -> list[str]:
    """Titles of the tests that can be seen in a text."""
    return [m[2] for m in _TITLE.finditer(text)]


def grown(style: Style, path: str, text: bytes, others: str, chance: random.Random) -> Grown | None:
    """A file with one test more, of no title that is in `others`. None if not text, or without tests to be seen."""
    try:
        source = text.decode("utf-8")
    except ValueError:
        return None
    titles = titles_of(source)
    if not titles or re.search(r"\b(?:test|it|describe|suite)\.only\b|only: true", source):
        return None
    title = title_like(titles, f"{source}\n{others}", chance)
    blocks = [m for m in _BLOCK.finditer(source) if not _odd(m["body"]) and _surely(source, m.start(), m["in"])]
    if not blocks:
        return Grown(_appended(style, path, source, title, chance).encode(), title)
    kept = frozenset(_KEPT.findall(source))
    chance.shuffle(blocks)
    blocks.sort(key=lambda m: _body(m["body"], kept, random.Random(0))[1])
    block = blocks[0]
    body = _body(block["body"], kept, chance)[0]
    copy = f"{block['in']}{block['call']}'{title}', {block['how']} {{\n{body}{block['in']}}});\n"
    return Grown(f"{source[: block.end()]}\n\n{copy}{source[block.end() :]}".encode(), title, block["title"])


def plain_test(style: Style, title: str, chance: random.Random) -> str:
    """A test file with one test that says that two numbers are equal that are not."""
    left, right = two(chance)
    if style == "node":
        said = f"test('{title}', () => {{\n  assert.equal({left}, {right});\n}});\n"
        return f"import assert from 'node:assert';\nimport test from 'node:test';\n\n{said}"
    said = f"test('{title}', () => {{\n  expect({left}).toBe({right});\n}});\n"
    return said if style == "jest" else f"import {{ test, expect }} from 'vitest';\n\n{said}"


def _odd(body: str) -> bool:
    """Whether a test may end early or leave out, or was read wrongly."""
    return bool(re.search(r"\breturn\b|skip|todo|\bdone\b|^[ \t]*(?:test|it|describe)\(", body, re.MULTILINE))


def _surely(source: str, at: int, space: str) -> bool:
    """Whether what stands around a test only describes it: in an `if`, a loop or a skipped suite it may not be told."""
    for line in reversed(source[:at].split("\n")):
        own = line[: len(line) - len(line.lstrip())]
        if line.strip() and len(own) < len(space):
            if not re.match(r"\s*(?:describe|suite)\(", line) or re.search(r"\b(?:skip|todo)\b", line):
                return False
            space = own
    return True


def _body(body: str, kept: frozenset[str], chance: random.Random) -> tuple[str, int]:
    """The body of a copy, which fails, and how unlike its test it is: 0 to 2."""
    lines = body.splitlines(keepends=True)
    quiet = bool(lines) and all(_QUIET.match(line.rstrip("\n")) for line in lines if line.strip())
    quiet = quiet and not kept & set(re.findall(r"\w+", body))
    if quiet and (m := _ASSERTED.match(lines[-1].rstrip("\n"))):
        value = m["text"] if m["number"] is None else int(m["number"])
        other = other_than(value, chance)
        said = f"{m['q']}{other}{m['q']}" if isinstance(other, str) else str(other)
        return "".join([*lines[:-1], f"{m['head']}{said}{m['tail']}\n"]), 0
    left, right = two(chance)
    if known := re.search(r"\bassert\.(strictEqual|equal|deepStrictEqual|deepEqual)\(", body):
        failing = f"assert.{known[1]}({left}, {right});\n"
    elif "expect(" in body:
        failing = f"expect({left}).toBe({right});\n"
    else:
        failing = f"if ({left} !== {right}) throw new Error('{left} is not {right}');\n"
    space = (re.match(r"[ \t]*", body) or [""])[0]
    return (body + space + failing, 1) if quiet else (space + failing + body, 2)


def _appended(style: Style, path: str, source: str, title: str, chance: random.Random) -> str:
    """The file with a test at its end that needs nothing of the file."""
    left, right = two(chance)
    mark = f"_{''.join(part.title() for part in title.split()[:2])}"
    source = source if source.endswith("\n") else source + "\n"
    body = f"('{title}', () => {{\n  if ({left} !== {right}) throw new Error('{left} is not {right}');\n}});\n"
    if style == "jest":
        return f"{source}\ntest{body}"
    of = "vitest" if style == "vitest" else "node:test"
    if style == "vitest" or path.endswith((".mjs", ".mts")) or _ESM.search(source):
        return f"{source}\nimport {{ test as {mark} }} from '{of}';\n{mark}{body}"
    return f"{source}\nrequire('{of}').test{body}"
