"""Labels of people, as runs keep them: a copy in the run folder, so that its report needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.config.suite import Suite
from harness.errors import ConfigError, Fault, Place
from harness.records.label import Label
from harness.store.folder import RunFolder
from harness.store.labels import LABELS, encode_labels, label_files, read_label_files


def labels_for(suite: Suite) -> list[Label]:
    """Labels for graders of this suite that hold in any run, of the files it names or all of the workspace.

    Raises ConfigError with every place.
    """
    known = read_label_files(suite.workspace, named_files(suite) or label_files(suite.workspace), suite.graders)
    return [x for x in known if not x.run]


def named_files(suite: Suite) -> list[Path]:
    """The files that the suite's `calibration` names. Raises ConfigError for one that is not there."""
    paths = [(name, suite.workspace / name) for name in suite.calibration.labels]
    place = Place(suite.path.relative_to(suite.workspace).as_posix())
    faults = [
        Fault(f"`calibration`: there is no file of labels '{name}'", place, "paths are relative to the workspace")
        for name, path in paths
        if not path.is_file()
    ]
    if faults:
        raise ConfigError(faults)
    return [path for _, path in paths]


def keep_labels(folder: RunFolder, labels: Sequence[Label]) -> None:
    """Put them into the run folder, where there are any."""
    if labels:
        folder.write_file(LABELS, encode_labels(labels))
