"""Labels of people, as runs keep them: a copy in the run folder, so that its report needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config.suite import Suite
from harness.records.label import Label
from harness.store.folder import RunFolder
from harness.store.labels import LABELS, encode_labels, workspace_labels


def labels_for(suite: Suite) -> list[Label]:
    """The workspace's labels for graders of this suite that hold in any run. Raises ConfigError with every place."""
    return [x for x in workspace_labels(suite.workspace, suite.graders) if not x.run]


def keep_labels(folder: RunFolder, labels: Sequence[Label]) -> None:
    """Put them into the run folder, where there are any."""
    if labels:
        folder.write_file(LABELS, encode_labels(labels))
