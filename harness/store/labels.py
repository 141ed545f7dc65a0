"""Labels of people: JSON lines in `graders/labels/`, and a copy in the run folder of those that hold for a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.errors import ConfigError, Fault, Place, StoreError
from harness.records.label import Label

LABELS = "labels.jsonl"
"""In a run folder: the labels that were there when it began."""
FOLDER = Path("graders") / "labels"
_decode = msgspec.json.Decoder(Label).decode


def read_labels(path: Path, shown: str = "") -> list[Label]:
    """Every label of a file, which `shown` names in faults. Raises ConfigError with the place of every bad line."""
    found, faults = sound_labels(path, shown)
    labels = [label for label, _ in found]
    faults += mixed(labels, shown or path.name)
    if faults:
        raise ConfigError(faults)
    return labels


def sound_labels(path: Path, shown: str = "") -> tuple[list[tuple[Label, Place]], list[Fault]]:
    """The sound labels of a file with their places, and what is wrong with the other lines. Raises StoreError.

    A label that replaces another of the same person takes its place.
    """
    name, faults = shown or path.name, list[Fault]()
    found: dict[tuple[object, ...], tuple[Label, Place]] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as e:
        raise StoreError(f"cannot read '{name}': {e.strerror}", help="harness label makes such a file") from e
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = Place(name, number, 1)
        try:
            label = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            faults.append(Fault(f"not a label: {e}", place, _HELP))
            continue
        key = (label.grader, label.item, label.labeler, label.run)
        faults += _amiss(label, found.get(key), place)
        found[key] = (label, place)
    return list(found.values()), faults


_HELP = "one JSON object a line: grader, task, labeler, label, and system, epoch, opponent, about where they apply"


def _amiss(label: Label, before: tuple[Label, Place] | None, place: Place) -> list[Fault]:
    """What is wrong with one line, beside the one of the same person about the same item."""
    faults = []
    if not 0 < label.inclusion_prob <= 1:
        faults.append(Fault(f"inclusion_prob is {label.inclusion_prob:g}", place, "a probability above 0, at most 1"))
    if not label.label or not label.labeler:
        faults.append(Fault("a label needs `label` and `labeler`", place, _HELP))
    if before is not None and before[0].set != label.set:
        what = f"'{label.task}' is in the {before[0].set} set and in the {label.set} set"
        faults.append(Fault(what, place, f"the first is in line {before[1].line}: keep one of the two"))
    elif before is not None and not label.replaces:
        what = f"'{label.labeler}' labelled '{label.task}' twice"
        faults.append(Fault(what, place, f"the first is in line {before[1].line}: remove one, or say replaces: true"))
    return faults


def mixed(labels: Iterable[Label], name: str) -> list[Fault]:
    """Items that are in the dev set and in the report set: what tuned the prompt cannot measure it."""
    sets: dict[tuple[object, ...], set[str]] = {}
    for label in labels:
        sets.setdefault((label.grader, label.item), set()).add(label.set)
    both = sorted(str(k[1]) for k, found in sets.items() if {"dev", "report"} <= found)
    if not both:
        return []
    n = "1 item is" if len(both) == 1 else f"{len(both)} items are"
    what = f"{n} in the dev set and in the report set: {both[0]}{' and others' if len(both) > 1 else ''}"
    return [Fault(what, Place(name), "keep one of the two: what tuned a prompt cannot measure it")]


def label_files(workspace: Path) -> list[Path]:
    """All files of `graders/labels/`."""
    return sorted((workspace / FOLDER).glob("*.jsonl"))


def workspace_labels(workspace: Path, graders: Iterable[str] | None = None) -> list[Label]:
    """All labels of the workspace, of these graders only. Raises ConfigError for every fault of every file at once."""
    return read_label_files(workspace, label_files(workspace), graders)


def read_label_files(workspace: Path, files: Iterable[Path], graders: Iterable[str] | None = None) -> list[Label]:
    """The labels of these files, of these graders only. Raises ConfigError for every fault of every file at once."""
    wanted = None if graders is None else set(graders)
    found: list[Label] = []
    faults: list[Fault] = []
    for path in files:
        try:
            found += read_labels(path, str(path.relative_to(workspace)))
        except ConfigError as e:
            faults += e.faults
    if faults:
        raise ConfigError(faults)
    return [x for x in found if wanted is None or x.grader in wanted]


def encode_labels(labels: Iterable[Label]) -> bytes:
    """Lines as they are kept."""
    return b"".join(msgspec.json.encode(label) + b"\n" for label in labels)
