"""What a plugin author may import. Everything else in `harness` is private and may change in any release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import (
    HarnessError,
    LimitReached,
    MissingRequirement,
    ModelError,
    NoModelCall,
    SandboxError,
    UsageFault,
)
from harness.plugins.contracts import (
    NO_PURPOSE,
    Bench,
    Box,
    Card,
    Completed,
    Door,
    Gateway,
    Grader,
    GraderCase,
    Harness,
    Held,
    Model,
    ModelClient,
    Mount,
    Plugin,
    Purpose,
    Row,
    Sandbox,
    Served,
    SolveContext,
    TaskSource,
    Upstream,
    Work,
)
from harness.plugins.judging import Delivered, JudgeBudget, Rehearsal
from harness.records.content import (
    File,
    Json,
    Message,
    Reasoning,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    assistant,
    user,
)
from harness.records.exchange import Dialect, Exchange
from harness.records.judgement import Judgement, Reply
from harness.records.outcome import Artifact, Attempt, Grade, NotGraded, Output, Verdict
from harness.records.task import Healthcheck, Limits, SandboxSpec, Service, Shape, Task, TaskView
from harness.records.transcript import Transcript

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = [
    "NO_PURPOSE",
    "Artifact",
    "Attempt",
    "Bench",
    "Box",
    "Card",
    "Completed",
    "Delivered",
    "Dialect",
    "Door",
    "Exchange",
    "File",
    "Gateway",
    "Grade",
    "Grader",
    "GraderCase",
    "Harness",
    "HarnessError",
    "Healthcheck",
    "Held",
    "Json",
    "JudgeBudget",
    "Judgement",
    "LimitReached",
    "Limits",
    "Message",
    "MissingRequirement",
    "Model",
    "ModelClient",
    "ModelError",
    "Mount",
    "NoModelCall",
    "NotGraded",
    "Output",
    "Plugin",
    "Purpose",
    "Reasoning",
    "Rehearsal",
    "Reply",
    "Request",
    "Response",
    "Row",
    "Sandbox",
    "SandboxError",
    "SandboxSpec",
    "Served",
    "Service",
    "Shape",
    "SolveContext",
    "Task",
    "TaskSource",
    "TaskView",
    "Text",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Transcript",
    "Upstream",
    "Usage",
    "UsageFault",
    "Verdict",
    "Work",
    "assistant",
    "read_run",
    "user",
]  # fmt: skip


def read_run(path: str | Path) -> pd.DataFrame:
    """A run folder as a pandas DataFrame, one row per attempt (`final` marks the deciding ones).

    Raises StoreError when `path` is not a run folder or is from a newer version.
    """
    from harness.store.frame import read_frame

    return read_frame(path)
