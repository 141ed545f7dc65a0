"""How a scripted judge reads a prompt: the pieces, the token, the form. For simulated judges and tests only.

It reads what a real judge would read, so that a prompt that lost a piece or mixed two up shows as a wrong verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.api import Request, Text

_PIECE = re.compile(
    r"<<<(?P<name>[^<>\n]+) (?P<mark>[0-9a-f]{12})>>>\n(?P<text>.*?)\n?<<<end (?P=name) (?P=mark)>>>", re.S
)
_HEAD = re.compile(r"Each piece stands between a line <<<NAME (?P<mark>[0-9a-f]{12})>>>")
_TOKEN = re.compile(r"Your check token is (?P<token>[0-9a-f]+)\.")


@dataclass(frozen=True, slots=True)
class Seen:
    """A prompt as read: `task` stands before the material; `pieces` are by name in the order shown.

    `protocol` is pairwise, rubric, ...
    """

    task: str
    pieces: dict[str, str]
    token: str
    decoy: str
    protocol: str
    whole: str = ""

    @property
    def answers(self) -> dict[str, str]:
        """What stands under each letter, in the order shown; "" where there is one piece of work only."""
        return {n.removeprefix("answer").strip(): t for n, t in self.pieces.items() if n.startswith("answer")}

    @property
    def question(self) -> str:
        """The task's prompt."""
        return self.pieces.get("question", "")


def read_prompt(request: Request) -> Seen:
    """The first message of a judge's conversation, read. Raises ValueError when it is not one of our prompts."""
    text = "".join(p.text for p in request.messages[0].parts if isinstance(p, Text))
    head, tokens = _HEAD.search(text), _TOKEN.findall(text)
    if head is None or not tokens:
        raise ValueError("this is no prompt of a judge")
    mark = head["mark"]
    pieces = {m["name"]: m["text"] for m in _PIECE.finditer(text) if m["mark"] == mark}
    note = pieces.pop("note", "")
    protocol = request.label.split(".")[1] if request.label.startswith("judge.") else ""
    return Seen(text[: head.start()], pieces, tokens[-1], note.removeprefix("token: "), protocol, text)
