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

VERIFIER = "You check another's work. You are exact, and you report only what you can show to be wrong."
VERIFY = (
    "Above is a task. This answer was given:\n\n<answer>\n{answer}\n</answer>\n\n"
    "Work the task out for yourself, then compare: what, if anything, is wrong with the answer or missing from it?"
)
"""The verifier solves first and compares then: asked only to look the answer over, models tend to agree with it."""

NO_ANSWER = "There was no answer in the form that was asked for."
RETRY = (
    "An earlier answer to this task was:\n\n<answer>\n{answer}\n</answer>\n\n"
    "A check reported these problems, which may themselves be mistaken:\n{findings}\n\n"
    "Consider them and do the task again from the start."
)
"""The retry sees answer and findings, is told that findings may be mistaken, and gives a whole new answer."""

PLANNER = "You plan work that someone else will do. You do not do it yourself."
PLAN = (
    "Write a plan for the task above, for someone who sees the task and your plan. At most {steps} steps, each on one "
    "line of this form, and nothing after the last step:\n1. <what to do and how to know that it is done>"
)
"""Numbered lines, so that steps can be counted and given one at a time."""

FOLLOW = "Follow this plan, and depart from it where you see that it is wrong:\n\n{plan}"
STEP = "Now do step {number} of {total}, and only it. Keep what later steps need in your reply.\n\n{step}"
NOTES = "These steps were done already, with these results:\n\n{notes}"
"""What a worker gets: the plan whole, or the steps one at a time and then their results."""

REVIEWER = "You review finished work before it is delivered. You report only what you can show to be wrong."
