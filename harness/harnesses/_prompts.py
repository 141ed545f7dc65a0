"""What the shipped harnesses say to a model beyond the task, and why it is said in this way.

Wording is ours. The *forms* follow what graders of public benchmarks read: a last line with a marker is the form of
chat-style multiple choice (reference/benchmarks.md section 1), a box that of competition mathematics (section 2), and a
confidence from 0 to 100 that of HLE and BrowseComp. A change here changes results: raise `version` of the harnesses.
"""

from __future__ import annotations

TAGGED = (
    "When you have worked it out, end your reply with one line of this form, and put nothing after the answer on it:\n"
    "{tag}: <your answer>"
)
"""A line of its own at the end, so that the last marker wins and reasoning before it is free."""

LETTER = "End your reply with one line of this form, where X is the letter of the option you choose:\n{tag}: X"
"""One letter only; two letters are no answer."""

BOXED = "Put your final answer, and only it, in \\boxed{...}."
"""The form mathematical graders read."""

JSON = "Reply with the JSON value only, without any text around it."
"""Said also when a schema is asked of the provider: not every provider can hold a reply to a schema."""

DONT_KNOW = "I DON'T KNOW"
"""The default words for abstaining: nobody writes them by accident as a whole answer."""

ABSTAIN = "If you cannot answer reliably, give exactly this as your answer instead of guessing: {marker}"
"""Permission to abstain. Without it, wrong and does-not-know cannot be told apart."""

CONFIDENCE_TAG = "CONFIDENCE"
CONFIDENCE = (
    "On the very last line, say how likely it is that your answer is right, as a whole number from 0 (certainly wrong) "
    "to 100 (certainly right), in this form:\nCONFIDENCE: <number>"
)
"""Verbalised confidence, asked in the same call as the answer; it is not a probability from the model's logits."""
