"""The terminal side of labelling: one card at a time, one key for an answer, every label on disk at once."""

from __future__ import annotations

import os
import termios
import textwrap
import tty
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shutil import which
from subprocess import DEVNULL, Popen
from time import monotonic
from typing import TextIO

import msgspec

from harness.cli._label_draw import Work
from harness.cli._out import printable
from harness.engine.cards import Item
from harness.errors import Exit
from harness.plugins.contracts import Card
from harness.records.label import UNSURE, Label

KEYS = "123456789"
LETTERS = "abcdefghijkl"
"""Of the sides, in the order shown; other keys of the desk are none of these."""
WIDTH = 100
STEP = "step"


@dataclass(slots=True)
class Desk:
    """Where a person sits: the work, the keyboard's file descriptor, the screen."""

    work: Work
    keyboard: int
    screen: TextIO
    before: Label | None = field(default=None)

    def say(self, text: str = "") -> None:
        """One piece of text, made harmless, now."""
        self.screen.write(printable(text) + "\n")
        self.screen.flush()

    def key(self) -> str:
        """One key. Raises EOFError at the end of input, KeyboardInterrupt for Ctrl-C."""
        pressed = os.read(self.keyboard, 1)
        if pressed in (b"", b"\x04"):
            raise EOFError
        more = next((n for n, first in ((3, 0xF0), (2, 0xE0), (1, 0xC0)) if pressed and pressed[0] >= first), 0)
        pressed += os.read(self.keyboard, more) if more else b""
        if pressed == b"\x03":
            raise KeyboardInterrupt
        return pressed.decode("utf-8", "replace")


def sit_down(desk: Desk) -> int:
    """Serve cards until all are done or the person stops. The terminal is as before, whatever happens."""
    work = desk.work
    desk.say(
        f"{len(work.left)} of {work.drawn} to label for '{work.grader}', set {work.template.set}, as {work.labeler}"
    )
    kept = termios.tcgetattr(desk.keyboard)
    _keys_alone(desk.keyboard)
    try:
        for i, item in enumerate(work.left):
            if not _serve(desk, item, work.drawn - len(work.left) + i + 1):
                break
    except EOFError:
        desk.say()
    except KeyboardInterrupt:
        desk.say("stopped")
        return Exit.INTERRUPTED
    finally:
        termios.tcsetattr(desk.keyboard, termios.TCSADRAIN, kept)
        desk.say(f"{len(work.done)} labelled now, {len(work.left) - len(work.done)} to go: {work.shown}")
    return Exit.OK


def _keys_alone(keyboard: int) -> None:
    """Each key by itself and unseen; Ctrl-C is a key too, so that it comes between two answers and never inside one."""
    tty.setcbreak(keyboard)
    mode = termios.tcgetattr(keyboard)
    mode[3] &= ~termios.ISIG
    termios.tcsetattr(keyboard, termios.TCSADRAIN, mode)


def _serve(desk: Desk, item: Item, number: int) -> bool:
    """One card until it is answered; False when the person stops."""
    work = desk.work
    card = work.card(item)
    if not isinstance(card, Card):
        desk.say(f"left out: {card}")
        return True
    sides = list(card.sides)
    work.order.shuffle(sides)
    menu = _menu(card, sides)
    heading = f"{number} of {work.drawn}"
    _show(desk, card, sides, heading)
    note, began = "", monotonic()
    while True:
        keys = [*(f"[{key}] {words}" for key, (words, _) in menu.items()), "[n]ote", "[q]uit"]
        keys += ["[o]pen the files"] if any(card.files) else []
        keys += ["[z] say the last one again"] if desk.before else []
        desk.say("  ".join(keys))
        pressed = desk.key()
        if pressed in menu:
            words, label = menu[pressed][0], _said(desk, card, menu[pressed][1])
            _keep(desk, item, card, label, (sides, note, monotonic() - began))
            desk.say(f"-> {_told(words, label)}\n")
            return True
        if pressed == "q":
            return False
        if pressed == "n":
            note = _line(desk, "note: ")
        elif pressed == "o" and any(card.files):
            _open(desk, card, sides)
        elif pressed == "z" and desk.before:
            _again(desk)
            _show(desk, card, sides, heading)
        else:
            desk.say(_no_key(pressed))


def _told(words: str, label: str) -> str:
    """What was answered, in the words of its key; a step by its number."""
    return f"step {label} is the first wrong one" if label.isdecimal() else words


def _no_key(pressed: str) -> str:
    return "one key is the answer, without return" if pressed in ("\n", "\r") else f"'{pressed}' is no key here"


def _open(desk: Desk, card: Card, sides: list[tuple[str, str]]) -> None:
    """Each image and PDF with this desktop's program, in the order on the screen, by the letter of its side."""
    program = os.environ.get("HARNESS_OPEN") or which("xdg-open") or which("open")
    if not program:
        desk.say("no program here opens files (xdg-open; or name one: HARNESS_OPEN); their paths stand above")
        return
    letters = [LETTERS[sides.index(side)].upper() if len(sides) > 1 else "the work" for side in card.sides]
    ordered = sorted(zip(letters, card.files[1:], strict=True))
    for title, paths in [("given", card.files[0]), *ordered]:
        for path in paths:
            desk.say(f"{title}: {path}")
            try:
                Popen(  # the desktop's own program stays open while the person goes on
                    [program, str(desk.work.workspace / path)], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as e:
                desk.say(f"{program} cannot be started: {e.strerror}")
                return


def _menu(card: Card, sides: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Keys with their words and the label they stand for. Sides go by the letters on the screen, never by name."""
    if card.picks:
        stands_for = dict(zip(card.sides, card.picks, strict=True))
        best = "better" if len(sides) == 2 else "best"
        menu = {key: (f"{key.upper()} is {best}", stands_for[s]) for key, s in zip(LETTERS, sides, strict=False)}
        menu["t"] = ("tie", "tie")
    else:
        menu = {key: (word.replace("_", " "), word) for key, word in zip(KEYS, card.menu, strict=False)}
    if card.steps:
        menu["s"] = ("a step is wrong: its number", STEP)
    return {**menu, "u": ("unsure", UNSURE)}


def _said(desk: Desk, card: Card, label: str) -> str:
    """The label; a step by its number, which is asked for until it is one of the steps."""
    while label == STEP:
        number = _line(desk, f"which step, 0 to {card.steps - 1}: ").strip()
        if number.isdecimal() and int(number) < card.steps:
            return str(int(number))
        desk.say(f"there is no step '{number}'")
    return label


def _show(desk: Desk, card: Card, sides: list[tuple[str, str]], heading: str) -> None:
    desk.say(f"=== {heading} " + "=" * 60)
    for title, text in card.given:
        _block(desk, title, text)
    for i, (_, text) in enumerate(sides):
        _block(desk, LETTERS[i].upper() if len(sides) > 1 else "the work", text)
    desk.say(textwrap.fill(card.asked, WIDTH))


def _block(desk: Desk, title: str, text: str) -> None:
    desk.say(f"--- {title} " + "-" * max(4, 60 - len(title)))
    desk.say("\n".join(textwrap.fill(line, WIDTH, replace_whitespace=False) for line in text.splitlines()))


def _keep(desk: Desk, item: Item, card: Card, label: str, how: tuple[list[tuple[str, str]], str, float]) -> None:
    sides, note, seconds = how
    task, system, epoch, opponent, about = item
    made = msgspec.structs.replace(
        desk.work.template, task=task, system=system, epoch=epoch, opponent=opponent, about=about, label=label,
        work=card.digest, seconds=round(seconds, 1), shown=tuple(name for name, _ in sides), note=note,
        at=datetime.now(UTC).isoformat(timespec="seconds"), replaces=item in desk.work.stale,
    )  # fmt: skip
    desk.work.file.add(made)
    desk.work.done.add(item)
    desk.before = made


def _again(desk: Desk) -> None:
    """Another answer to the card before; the first stays in the file, replaced."""
    before = desk.before
    assert before is not None
    card = desk.work.card(before.item)
    if not isinstance(card, Card):
        return
    sides = sorted(card.sides, key=lambda side: before.shown.index(side[0]))
    menu = _menu(card, sides)
    _show(desk, card, sides, "the last one again")
    desk.say(
        "  ".join([*(f"[{key}] {words}" for key, (words, _) in menu.items()), "[any other key] leave it as it was"])
    )
    pressed = desk.key()
    if pressed not in menu:
        desk.say("-> left as it was\n")
        return
    desk.before = msgspec.structs.replace(before, label=_said(desk, card, menu[pressed][1]), replaces=True)
    desk.work.file.add(desk.before)
    desk.say(f"-> {_told(menu[pressed][0], desk.before.label)}, instead of the first\n")


def _line(desk: Desk, title: str) -> str:
    """What is typed after a title, up to the return key."""
    desk.screen.write(title)
    desk.screen.flush()
    text = ""
    while (pressed := desk.key()) not in ("\n", "\r"):
        text = text[:-1] if pressed in ("\x7f", "\b") else text + pressed
        desk.screen.write(printable(pressed) if pressed.isprintable() else "")
        desk.screen.flush()
    desk.say()
    return text
