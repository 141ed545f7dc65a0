"""One YAML file as plain JSON values, with the place of every value and key.

PyYAML's C parser composes nodes; the values are made here, so that what YAML 1.1 would read in silence as something
else (`no`, `007`, `12:30`, dates, equal keys) is told instead. Lines and columns are counted from character offsets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness.config.syntax import MAX_DEPTH, syntax_fault, too_deep
from harness.errors import Fault, Place
from harness.records.content import Json

Loc = Sequence[int | str]
"""Where a value stands in a document: keys and list positions from the top."""

MAX_NODES = 2_000_000
"""More values than this in one file is a mistake or an alias bomb; big data belongs in `rows:`."""

MAX_DIGITS = 300
"""Longer numbers are text that lacks its quotes; a float ends at 309 digits, and Python refuses to print 4,301."""

_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = (_PREFIX + "int", _PREFIX + "float")
_ODD_FLOAT = re.compile("[:a-df-zA-DF-Z]")
_PLAIN_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)")


@dataclass(slots=True)
class Document:
    """A parsed file. `data` is None when the file could not be read; then `faults` says why."""

    shown: str
    text: str = ""
    root: yaml.Node | None = None
    data: Json = None
    faults: list[Fault] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def fault(self, what: str, loc: Loc = (), help: str = "", *, key: bool = False) -> Fault:
        """A fault at a value, or at its key with `key=True`. A `loc` that is not there means its nearest parent."""
        node, key_node = self.find(loc)
        return self._at(what, key_node if key and key_node is not None else node, help)

    def place(self, loc: Loc = ()) -> Place:
        """The place of a value."""
        node, _ = self.find(loc)
        return self._place(node.start_mark.index) if node is not None else Place(self.shown)

    def scalar(self, loc: Loc) -> str | None:
        """A plain scalar as it is written in the file, or None for anything else."""
        node, _ = self.find(loc)
        return node.value if isinstance(node, yaml.ScalarNode) and not node.style else None

    def find(self, loc: Loc) -> tuple[yaml.Node | None, yaml.Node | None]:
        """The node at `loc` and its key's node. Steps that are not in the file are passed over."""
        node, key_node = self.root, None
        for step in loc:
            if isinstance(node, yaml.MappingNode):
                pair = next((p for p in reversed(node.value) if p[0].value == step), None)
                if pair is not None:
                    key_node, node = pair
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                key_node, node = None, node.value[step]
        return node, key_node

    def unclear(self, loc: Loc) -> list[Fault]:
        """Numbers at or below `loc` that are written in another way than they are read (`3.10`, `0x1F`, `1_000`)."""
        node, _ = self.find(loc)
        return [
            self._at(
                f"YAML reads `{n.value}` as the number {value}",
                n,
                f'write "{n.value}" for the text, {value} for the number',
            )
            for n in _scalars(node)
            if not n.style and n.tag in _NUMBERS and len(n.value) <= MAX_DIGITS and str(value := _number(n)) != n.value
        ]

    def _at(self, what: str, node: yaml.Node | None, help: str) -> Fault:
        if node is None:
            return Fault(what, Place(self.shown), help)
        return self._at_index(what, node.start_mark.index, help)

    def _at_index(self, what: str, index: int, help: str) -> Fault:
        place = self._place(index)
        start = index - place.column + 1
        end = self.text.find("\n", start)
        return Fault(what, place, help, self.text[start : end if end >= 0 else None])

    def _place(self, index: int) -> Place:
        if not self._starts:
            self._starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = bisect_right(self._starts, index)
        return Place(self.shown, line, index - self._starts[line - 1] + 1)


def read_document(path: Path, shown: str) -> Document:
    """Read and parse a file; never raises for what the file says. `shown` is the path as told to the user."""
    document = Document(shown)
    try:
        raw = path.read_bytes()
    except OSError as e:
        document.faults.append(Fault(f"cannot read the file: {e.strerror}", Place(shown)))
        return document
    return parse_document(raw, shown)


def parse_document(raw: bytes, shown: str) -> Document:
    """Parse the bytes of a file."""
    document = Document(shown)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        document.faults.append(_not_utf8(raw, e, shown))
        return document
    document.text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        deep = too_deep(document.text)
        if deep is not None:
            document.faults.append(
                document._at_index(f"values nested more than {MAX_DEPTH} deep", deep, "is this data?")
            )
            return document
        document.root = yaml.CSafeLoader(document.text).get_single_node()
    except yaml.YAMLError as e:
        index, what, help = syntax_fault(e, document.text)
        document.faults.append(document._at_index(what, index, help))
        return document
    if document.root is None:
        document.faults.append(
            Fault("the file is empty", Place(shown), "harness new shows how each kind of file looks")
        )
        return document
    try:
        document.data = _Builder(document).build(document.root)
    except _TooMuch as e:
        document.faults.append(document._at(str(e), e.node, "write the rows into a JSONL file and use `rows:`"))
    return document


class _TooMuch(Exception):
    def __init__(self, what: str, node: yaml.Node) -> None:
        super().__init__(what)
        self.node = node


class _Builder:
    """Nodes to values. Anything refused is told and becomes None, so that all faults come at once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: yaml.Node) -> Json:
        self._count += 1
        if self._count > MAX_NODES:
            raise _TooMuch(f"the file holds more than {MAX_NODES:,} values after its aliases are followed", node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            return self._refuse("an alias that refers to itself", node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                self._known_tag(node, "seq")
                return [self.build(n) for n in node.value]
            self._known_tag(node, "map")
            return self._mapping(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node) -> dict[str, Json]:
        _flatten(node, self._refuse)
        own: dict[str, yaml.Node] = {}
        values: dict[str, Json] = {}
        for key, value in node.value:
            name = self._key(key)
            if name is None:
                continue
            if name in own:
                line = self._document._place(own[name].start_mark.index).line
                self._refuse(f"`{name}` is given twice; the first is in line {line}", key, "keep one of them")
                continue
            if not getattr(key, "merged", False):
                own[name] = key
            values[name] = self.build(value)
        return values

    def _key(self, key: yaml.Node) -> str | None:
        if not isinstance(key, yaml.ScalarNode):
            quote = 'quote a template: "{{ name }}"' if isinstance(key, yaml.MappingNode) else ""
            self._refuse("a key must be text", key, quote)
            return None
        if key.tag != _PREFIX + "str" and key.tag != _PREFIX + "value":
            read = key.tag.removeprefix(_PREFIX)
            self._refuse(f"a key must be text; YAML reads `{key.value}` as {_WORDS.get(read, read)}", key, _quote(key))
            return None
        return str(key.value)

    def _scalar(self, node: yaml.ScalarNode) -> Json:
        kind = node.tag.removeprefix(_PREFIX) if node.tag.startswith(_PREFIX) else node.tag
        text: str = node.value
        if kind in ("str", "value"):
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("int", "float") and len(text) > MAX_DIGITS:
            return self._refuse(f"a number of {len(text):,} characters", node, "write text in quotes")
        if (kind == "int" and _PLAIN_INT.fullmatch(text)) or (kind == "float" and not _ODD_FLOAT.search(text)):
            return _number(node)
        return self._trap(kind, node)

    def _trap(self, kind: str, node: yaml.ScalarNode) -> None:
        text = node.value
        if kind == "bool":
            value = "true" if text.lower() in ("yes", "on") else "false"
            what, help = f"YAML reads `{text}` as the boolean {value}", f'write {value}, or "{text}" for the word'
        elif kind in ("int", "float") and ":" in text:
            what, help = f"YAML reads `{text}` as a number in base 60", _quote(node)
        elif kind == "int":
            what = f"YAML reads `{text}` as an octal number"
            help = f'write "{text}" for the text, {text.lstrip("0") or 0} for the number'
        elif kind == "float":
            what, help = f"`{text}` is not a finite number", _quote(node)
        elif kind == "timestamp":
            what, help = f"YAML reads `{text}` as a date", _quote(node)
        else:
            what, help = f"the tag `{_short(node.tag)}` is not supported", "write the value without a tag"
        self._refuse(what, node, help)

    def _known_tag(self, node: yaml.Node, kind: str) -> None:
        if node.tag != _PREFIX + kind:
            self._refuse(f"the tag `{_short(node.tag)}` is not supported", node, "write the value without a tag")

    def _refuse(self, what: str, node: yaml.Node, help: str = "") -> None:
        self._document.faults.append(self._document._at(what, node, help))


_WORDS = {"bool": "a boolean", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}


class _Merged(yaml.ScalarNode):
    """A key that came in through `<<`; the mapping's own keys go before it."""

    merged = True


def _flatten(node: yaml.Node, refuse: Callable[[str, yaml.Node, str], None]) -> None:
    """Replace `<<` keys by what they refer to. Own keys win; of several sources the first wins (YAML merge type)."""
    if not any(k.tag == _PREFIX + "merge" for k, _ in node.value):
        return
    own = [(k, v) for k, v in node.value if k.tag != _PREFIX + "merge"]
    taken = {k.value for k, _ in own if isinstance(k, yaml.ScalarNode)}
    merged: list[tuple[yaml.Node, yaml.Node]] = []
    for key, value in node.value:
        if key.tag != _PREFIX + "merge":
            continue
        sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or source is node:
                refuse("`<<` takes a mapping or a list of mappings", source, "")
                continue
            _flatten(source, refuse)
            for k, v in source.value:
                if isinstance(k, yaml.ScalarNode) and k.value not in taken:
                    taken.add(k.value)
                    merged.append((_Merged(k.tag, k.value, k.start_mark, k.end_mark), v))
    node.value = merged + own


def _number(node: yaml.ScalarNode) -> int | float:
    text = node.value.replace("_", "")
    if node.tag == _PREFIX + "float":
        return float(text)
    return int(text) if text.lstrip("+-").isdigit() else int(text, 0)


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _scalars(child)
    elif isinstance(node, yaml.MappingNode):
        for _, child in node.value:
            yield from _scalars(child)


def _quote(node: yaml.Node) -> str:
    return f'write "{node.value}" for the text'


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else tag


def _not_utf8(raw: bytes, e: UnicodeDecodeError, shown: str) -> Fault:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Fault("the file is UTF-16, not UTF-8", Place(shown), "save it as UTF-8")
    line = raw.count(b"\n", 0, e.start) + 1
    start = raw.rfind(b"\n", 0, e.start) + 1
    column = len(raw[start : e.start].decode("utf-8-sig", "replace")) + 1
    what = f"not UTF-8: byte 0x{raw[e.start]:02x} at offset {e.start}"
    return Fault(what, Place(shown, line, column), "save the file as UTF-8")
