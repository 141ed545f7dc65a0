"""choice: every known way to misread an answer, and the order of the options."""
# ruff: noqa: E501 - tables of answers read better on long lines

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Grade, Json, NotGraded, Verdict
from harness.graders.choice import Choice
from harness.testing.fake_work import fake_work

OPTIONS = ("Rome", "a cube", "C major", "Oslo")


def verdict(
    answer: str, reference: Json, choices: tuple[str, ...] = OPTIONS, order: tuple[int, ...] = (), **params: object
) -> Verdict:
    work = fake_work(answer, reference, choices=choices, choice_order=order)
    return asyncio.run(Choice.model_validate(params).grade(work))


def chosen(answer: str, **params: object) -> int | str:
    """The index that the answer is read as, or the label when it is not read."""
    for index in range(len(OPTIONS)):
        got = verdict(answer, index, **params)
        assert isinstance(got, Grade)
        if got.passed:
            return index
    return got.label


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # the whole answer
        ("B", 1), ("b", 1), ("(B)", 1), ("B.", 1), ("B)", 1), ("**B**", 1), ("[[B]]", 1), ("Option B", 1), ("`B`", 1),
        ("B) a cube", 1), ("B: because it fits", 1), ("Oslo", 3), ("oslo.", 3), ("A cube", 1), ("A", 0), ("a", 0),
        # declared
        ("Answer: B", 1), ("**Answer:** B", 1), ("Answer: **B**", 1), ("Answer:B", 1), ("Answer:\nB", 1),
        ("The correct answer is (B).", 1), ("The answer is B because A is wrong", 1), ("answer is D", 3),
        ("Final answer: **B) a cube**", 1), ("\\boxed{B}", 1), ("$\\boxed{\\text{B}}$", 1), ("<answer>B</answer>", 1),
        ("#### B", 1), ("I choose option (B) since", 1), ("The right answer is option C.", 2), ("Answer: $B$", 1),
        ("The answer is a cube", 1), ("The answer is C major", 2), ("the answer is a because", 0), ("Answer: A cube", 1),
        ("Reasoning: A is tempting, C too.\n\nAnswer: B", 1), ("\\boxed{B}\nAnswer: B", 1), ("The answer: B, not A", 1),
        # first or last line
        ("B\n\nBecause it is so.", 1), ("Because it is so.\n\n(B)", 1),
        # the only letter
        ("I think it is B.", 1), ("Therefore, B is right.", 1),
    ],
)  # fmt: skip
def test_what_is_read(answer: str, expected: int) -> None:
    assert chosen(answer) == expected


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("CORRECT", "no_answer"), ("INCORRECT", "no_answer"), ("NOT_ATTEMPTED", "no_answer"), ("ANSWER", "no_answer"),
        ("Answer: N/A", "no_answer"), ("A person said so", "no_answer"), ("I would think", "no_answer"),
        ("Answer: C++", "no_answer"), ("B-tree", "no_answer"), ("10", "no_answer"), ("None of these", "no_answer"),
        ("Answer: A. Wait. Answer: B", "ambiguous"), ("\\boxed{A}\nAnswer: B", "ambiguous"), ("A, B", "ambiguous"),
        ("Answer: A or B", "ambiguous"), ("Either A or B", "ambiguous"), ("Both A and B", "ambiguous"),
        ("B) Rome", "ambiguous"), ("Answer: D. Rome", "ambiguous"), ("I first thought [[A]] but [[B]]", "ambiguous"),
        ("A) Rome\nB) a cube\nC) C major", "ambiguous"), ("It's not B", "ambiguous"), ("The answer is not B", "ambiguous"),
        ("Answer: E", "off_menu"), ("E", "off_menu"), ("I think B, but the answer is E", "off_menu"),
        ("Answer: 7", "off_menu"),
    ],
)  # fmt: skip
def test_what_is_never_guessed(answer: str, label: str) -> None:
    assert chosen(answer) == label


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Ⓑ", 1), ("ⓑ", 1), ("Ｂ", 1), ("🅑", 1), ("⒝", 1), ("②", 1), ("2", 1), ("Answer: 2", 1), ("答案：Ｂ", 1),
        ("答案是B", 1), ("答え：イ", 1), ("正解は… 答え：B", 1), ("정답: 나", 1), ("정답은 B", 1), ("Ответ: Б", 1), ("Ответ: А", 0),
        ("С", 2), ("الإجابة: ب", 1), ("الإجابة: أ", 0), ("উত্তর: খ", 1), ("उत्तर: ख", 1), ("תשובה: ב", 1), ("Απάντηση: Β", 1),
        ("Respuesta: B", 1), ("Réponse : B", 1), ("Die Antwort ist B.", 1), ("Jibu: B", 1), ("คำตอบ: ข", 1), ("Đáp án: B", 1),
        ("Ответ: В", "ambiguous"),
    ],
)  # fmt: skip
def test_letters_of_other_scripts(answer: str, expected: int | str) -> None:
    assert chosen(answer) == expected


def test_a_declared_alphabet_settles_look_alikes() -> None:
    assert chosen("Ответ: В", alphabet="cyrillic") == 2
    assert chosen("Γ", alphabet="greek") == 2


def test_numbers_as_options_are_texts_and_not_positions() -> None:
    choices = ("4", "3", "2", "1")
    got = verdict("3", 1, choices)
    assert isinstance(got, Grade) and got.passed


def test_the_last_declaration_counts_where_the_suite_says_so() -> None:
    assert chosen("Answer: A. Wait.\nAnswer: B", conflict="last") == 1


@pytest.mark.parametrize("reference", ["B", "b", "a cube", "A Cube.", 1])
def test_forms_of_the_reference(reference: Json) -> None:
    got = verdict("B", reference)
    assert isinstance(got, Grade) and got.passed


@pytest.mark.parametrize("reference", ["E", "Madrid", 4, -1, "3"])
def test_a_reference_off_the_menu_is_not_graded(reference: Json) -> None:
    got = verdict("B", reference)
    assert isinstance(got, NotGraded) and got.cause == "bad_reference"


def test_a_reference_with_two_meanings_is_not_graded() -> None:
    got = verdict("B", "A", ("B", "A"))
    assert isinstance(got, NotGraded) and "index" in got.detail


@pytest.mark.parametrize("reference", [None, True, [], ["A"], {}, "", 1.5])
def test_a_bad_reference_is_refused_at_load(reference: Json) -> None:
    assert Choice().check_reference(reference)


def test_options_in_the_prompt_need_no_choices() -> None:
    got = verdict("Answer: J", "J", ())
    assert isinstance(got, Grade) and got.passed
    off = verdict("Answer: J", "B", (), options=4)
    assert isinstance(off, Grade) and off.label == "off_menu"


@pytest.mark.parametrize(
    ("answer", "value", "passed"),
    [("A, C", 1.0, True), ("A and C", 1.0, True), ("Answer: A, C", 1.0, True), ("AC", 1.0, True), ("(A) (C)", 1.0, True), ("A) Rome\nC) C major", 1.0, True), ("A) Rome\nD) Oslo", 1 / 3, False),
     ("A is one. B is not.", 0.0, False),
     ("C", 0.5, False), ("A, B, C", 2 / 3, False), ("B", 0.0, False), ("A, E", 0.0, False)],
)  # fmt: skip
def test_several_right_options(answer: str, value: float, passed: bool) -> None:
    got = verdict(answer, ["A", "C"], multiple=True, partial=True)
    assert isinstance(got, Grade) and got.passed is passed and got.value == pytest.approx(value)


ANSWERS = (
    "{L}",
    "({L})",
    "Answer: {L}",
    "The answer is {L}.",
    "**{L}**",
    "\\boxed{{{L}}}",
    "I think {L}.",
    "{L}) {T}",
    "{T}",
)
CHOICES = ("red", "green", "blue", "black", "white", "grey")


@given(st.permutations(range(6)), st.integers(0, 5), st.integers(0, 5), st.sampled_from(ANSWERS), st.booleans())
def test_shuffling_the_options_never_changes_the_verdict(
    order: list[int], right: int, named: int, form: str, as_letter: bool
) -> None:
    def said(shown: tuple[int, ...]) -> str:
        return form.format(L="ABCDEF"[shown.index(named)], T=CHOICES[named])

    reference: Json = "ABCDEF"[right] if as_letter else CHOICES[right]
    identity = tuple(range(6))
    plain = verdict(said(identity), reference, CHOICES, identity)
    shuffled = verdict(said(tuple(order)), reference, CHOICES, tuple(order))
    assert isinstance(plain, Grade) and isinstance(shuffled, Grade)
    assert plain.passed is shuffled.passed is (right == named)
    assert plain.label == shuffled.label


def test_an_order_that_does_not_fit_the_task_is_not_graded() -> None:
    got = verdict("B", "B", OPTIONS, (0, 0, 1, 2))
    assert isinstance(got, NotGraded)


@given(st.text(alphabet="ABCDabcd ().:*\n,answerisornot[]\\boxed{}", max_size=60))
def test_an_answer_without_a_single_reading_never_passes_by_chance(text: str) -> None:
    passes = [i for i in range(4) if isinstance(got := verdict(text, i), Grade) and got.passed]
    assert len(passes) <= 1


def test_nothing_depends_on_chance() -> None:
    before = random.getstate()
    verdict("no idea", "B")
    assert random.getstate() == before
