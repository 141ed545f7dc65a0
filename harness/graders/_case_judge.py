"""A scripted judge for the cases that a judge grader ships with: it always says the same thing, in the right form."""

from __future__ import annotations

import json

from harness.api import Json

TOKEN = r"Your check token is (?P<token>\w+)\."
"""Finds the token in a prompt, as a rule of the model `scripted`."""


def case_judge(verdict: Json, *, when: str = "", mine: str = "", **fields: Json) -> Json:
    """A judge for a `GraderCase` that replies with these fields, this verdict, and the token it was given.

    `when` is looked for before the token; the word `mine` in the reply becomes what its group `mine` found.
    """
    said = {"reason": "as scripted", **fields, "verdict": verdict, "token": "TOKEN"}
    text = json.dumps(said).replace("\\", "\\\\").replace('"TOKEN"', '"\\g<token>"')
    if mine:
        text = text.replace(mine, "\\g<mine>")
    rule = {"when": f"{when}.*{TOKEN}" if when else TOKEN, "answer": text}
    return {
        "name": "scripted-judge", "output": "json", "retries": {"repair": 0, "fresh": 0},
        "model": {"use": "scripted", "name": "case-judge", "rules": [rule]},
    }  # fmt: skip
