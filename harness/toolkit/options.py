"""Which options a text names: the extraction behind `choice`.

Four kinds of evidence, from strong to weak; the strongest kind that is there decides, and two verdicts inside one kind
are a conflict. Nothing falls back from a declared letter that is not on the menu to an earlier mention.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.toolkit.answers import declarations, last_line
from harness.toolkit.letters import Alphabet, letter_class, meanings, plain
from harness.toolkit.normalise import Ignored, normaliser

_SAME: frozenset[Ignored] = frozenset(("case", "punctuation", "whitespace", "articles"))
_AND = r"\s*(?:,|;|/|&|\+|\band\b|\bor\b|\bund\b|\boder\b|\bet\b|\bou\b|\by\b|\bo\b|\be\b|\bи\b|\bили\b|、|和|及|或)\s*"
_NOUN = r"(?:option|choice|answer|letter|alternative|variant|вариант|opción|opcion|opção|réponse|antwort|选项)\s*:?\s*"
_GOES_ON = re.compile(
    r"\s+(?:because|since|as|for|due|given|which|where|while|with|but|so|is|are|was|it|this|that|from|per|by|if|and|or|in|"
    r"weil|da|denn|car|parce|porque|perché|потому|так|since)\b|\s*[.,;:!?)\]}>|—–\n\r\"'。，、]|\s+[-—–(\[]|\s*$",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|none|never|neither|nor|cannot|except|wrong|incorrect|false|rule|ruled|eliminate|unlikely|"
    r"nicht|kein|keine|pas|non|ne|não|nao|nunca|не|ни|нет|nie|nem|inte|ikke|niet|geen|değil)\b|n't\b|n’t\b|不|没|非|없|لا|ليس|नहीं",
    re.IGNORECASE,
)
_CHOSEN = (
    r"(?:\b(?:choose|pick|select|go\s+with|chose|picked|selected)\s+(?:{noun})?|\b(?:correct|right|best|final)\s+{noun}(?:is\s+)?"
    r"|\[\[\s*)"
)
_ALSO = r"(?:and|und|et|y|e|и|oraz|og|och|en)"
_APART = (re.compile(r"[\r\n;]+"), re.compile(rf"[\r\n;,、，]+(?:\s*{_ALSO}\s)?|\s{_ALSO}\s"))
"""What stands between the options of a list: lines first, because an option may have a comma in it."""
_BULLET = re.compile(r"^(?:[-*•–]|\d{1,2}[.)])\s+")
_NOT_APPLICABLE = re.compile(r"(?:(?:final\s+)?answer\s*:\s*)?n\s*/\s*a\W*", re.IGNORECASE)
_CHOICE_WORDS = ("choose", "chose", "pick", "select", "go with", "correct", "right", "best", "final", "[[")


@dataclass(frozen=True, slots=True)
class Named:
    """What a text names: option numbers as shown, or why none could be read. `shown` is the text it was read from."""

    options: frozenset[int] = frozenset()
    fault: str = ""
    label: str = "no_answer"
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """The options as shown: normalised texts by number (none when the prompt holds them), and how many there are."""

    texts: tuple[str, ...]
    count: int
    alphabet: Alphabet
    digits: bool
    multiple: bool
    longest: int = 0


@lru_cache(maxsize=4096)
def menu(options: tuple[str, ...], count: int, alphabet: Alphabet, multiple: bool) -> Menu:
    """The menu of a task. Digits stand for options only where no option is a number itself."""
    texts = tuple(normaliser(_SAME)(o) for o in options)
    digits = not any(t.replace(".", "").replace(",", "").lstrip("-").isdigit() for t in texts)
    return Menu(texts, len(options) or count, alphabet, digits, multiple, max(map(len, options), default=0))


def read_options(text: str, shown: Menu, *, last_wins: bool = False) -> Named:
    """What the text names, by the strongest evidence in it. `last_wins` settles declarations that differ."""
    stripped = text.strip()
    if len(stripped) < 200 and (named := _letters_only(plain(stripped), shown) or _by_text(stripped, shown)):
        return named
    if named := _list_only(stripped, shown):
        return named
    if declared := _declared(text, shown, last_wins):
        return declared
    if shown.multiple and (named := _list_of_lines(text, shown)):
        return named
    lines = [plain(line) for line in (_first_line(text), last_line(text))]
    read = (_letters_only,) if shown.multiple else (_letters_only, _lettered)
    at_edges = [named for line in lines for reader in read if (named := reader(line, shown))]
    if at_edges:
        return _agree(at_edges, "the first and the last line name different options")
    if named := _by_text(last_line(text), shown) or _list_only(last_line(text), shown):
        return named
    return _lone(plain(text[-20_000:]), shown)


def _letters_only(text: str, shown: Menu) -> Named | None:
    """`B`, `(B)`, `B.`, `option B`, `[[B]]`, and `A, C` or `A and C`: nothing but letters."""
    if len(text) > 80:
        return None
    if _NOT_APPLICABLE.fullmatch(text):
        return Named(fault="the answer is n/a", shown=text)
    m = _patterns(shown.alphabet, shown.digits)["only"].fullmatch(text)
    if not m:
        return _run_of_letters(text, shown) if shown.multiple else None
    return _named(_patterns(shown.alphabet, shown.digits)["letter"].findall(m["all"]), shown, text)


def _run_of_letters(text: str, shown: Menu) -> Named | None:
    """Where several may be named: `AC`, `(A) (C)`, `A C`."""
    letters = _patterns(shown.alphabet, shown.digits)["letter"].findall(text)
    if text.isascii() and text.isupper() and text.isalpha() and len(set(text)) == len(text):
        return _named(text, shown, text)
    rest = [c for c in text if not c.isspace() and c not in "()[],;."]
    return _named(letters, shown, text) if letters and len(rest) == len(letters) else None


def _list_of_lines(text: str, shown: Menu) -> Named | None:
    """Where several may be named: lines that all are lettered, `A) Rome` and `C) Oslo`."""
    lines = [line for line in text.splitlines() if line.strip()]
    each = [_letters_only(plain(line), shown) or _lettered(plain(line), shown) for line in lines[:30]]
    found = [named for named in each if named]
    if not found or len(found) < len(lines):
        return None
    faulty = next((named for named in found if named.fault), None)
    return faulty or Named(frozenset().union(*(named.options for named in found)), shown=text)


def _lettered(text: str, shown: Menu) -> Named | None:
    """`B) Paris`, `B. because ...`, `(B) ...`: a letter set apart, then anything. A letter whose text is another
    option's is a conflict."""
    m = _patterns(shown.alphabet, shown.digits)["set_apart"].match(text)
    if not m:
        return None
    named = _named([m[1] or m[2] or m[3]], shown, text)
    said = _by_text(text[m.end() :], shown)
    if said and named.options and said.options != named.options:
        return Named(fault="the letter and the text after it are different options", label="ambiguous", shown=text)
    return named


def _by_text(text: str, shown: Menu) -> Named | None:
    """The text of one option, and nothing else."""
    if not shown.texts or not text or len(text) > shown.longest + 40:
        return None
    said = normaliser(_SAME)(plain(text))
    same = frozenset(i for i, option in enumerate(shown.texts) if option == said and option)
    if not same:
        return None
    if len(same) > 1:
        return Named(fault="several options have this text", label="ambiguous", shown=text)
    return Named(same, shown=text)


def _list_only(text: str, shown: Menu) -> Named | None:
    """Several options by their texts (or letters set apart), and nothing else: by lines and bullets, or by commas.

    Every piece must be a whole option, so a text with a comma in it is never cut into another option's name.
    """
    if not (shown.multiple and shown.texts) or len(text) > (shown.longest + 40) * shown.count:
        return None
    for apart in _APART:
        pieces = [_BULLET.sub("", piece.strip()) for piece in apart.split(text) if piece.strip()]
        found = [_by_text(piece, shown) or _lettered(plain(piece), shown) for piece in pieces]
        named = [n.options for n in found if n and not n.fault]
        if len(pieces) > 1 and len(named) == len(pieces):
            return Named(frozenset[int]().union(*named), shown=text)
    return None


def _declared(text: str, shown: Menu, last_wins: bool) -> Named | None:
    """What is declared: `Answer: B`, `the answer is (B) because`, boxes, `[[B]]`, `I choose B`."""
    found = [named for said in declarations(text) if (named := _one_declaration(said, shown))]
    lowered = text[-20_000:].lower()
    if any(word in lowered for word in _CHOICE_WORDS):
        body = plain(text[-20_000:])
        for m in deque(_patterns(shown.alphabet, shown.digits)["chosen"].finditer(body), 100):
            if named := _one_declaration(_first_line(body[m.end() : m.end() + 200]), shown):
                found.append(named)
    if not found:
        return None
    return found[-1] if last_wins else _agree(found, "different options are declared")


def _one_declaration(said: str, shown: Menu) -> Named | None:
    said = plain(said)
    if named := _letters_only(said, shown) or _by_text(said, shown) or _by_text(_sentence(said), shown):
        return named
    if named := _list_only(said, shown):
        return named
    patterns = _patterns(shown.alphabet, shown.digits)
    if not (m := patterns["leading"].match(said)):
        return None
    letters = patterns["letter"].findall(m["all"])
    last, rest = m["all"].rstrip(")]}")[-1:], said[m.end() :]
    weak = last in "AIai" or last.islower() or last.isdigit()
    if rest and rest[0] in "+#&'’-_/\\=^" and not rest.startswith("- ") and said[: m.end()][-1] not in ")]}":
        return None  # C++, C#, B-tree, N/A, A/B testing
    if weak and not _GOES_ON.match(rest):
        return None  # the answer is a cube
    if _lettered(said, shown) and len(letters) == 1:
        return _lettered(said, shown)
    return _named(letters, shown, said)


def _lone(text: str, shown: Menu) -> Named:
    """The only option letter that stands alone anywhere, in a text without any negation. The weakest evidence."""
    patterns = _patterns(shown.alphabet, shown.digits)
    distinct = {next(filter(None, m.groups())) for m in patterns["lone"].finditer(text)}
    words = "AI" if shown.count > 8 else "A"  # also words: counted only where they end a phrase
    distinct |= {m[0] for m in patterns["word"].finditer(text) if m[0] in words and _GOES_ON.match(text, m.end())}
    if not distinct:
        return Named(fault="no option is named")
    if len(distinct) > 1:
        return Named(fault=f"several options are named and none is declared: {_list(distinct)}", label="ambiguous")
    if _NEGATION.search(text):
        return Named(fault="an option is named, but not declared, in a text with a negation", label="ambiguous")
    return _named(sorted(distinct), shown, sorted(distinct)[0])


def _named(letters: Iterable[str], shown: Menu, text: str) -> Named:
    """Option numbers for letters; off the menu and look-alikes are faults."""
    table, options = meanings(shown.alphabet), set()
    for letter in letters:
        meant = frozenset({int(letter) - 1}) if letter in "123456789" else table.get(letter.upper(), frozenset())
        on_menu = [i for i in meant if i < shown.count]
        if not on_menu:
            return Named(fault=f"'{letter}' is not an option", label="off_menu", shown=text)
        if len(on_menu) > 1:
            return Named(fault=f"'{letter}' can mean two options in different alphabets", label="ambiguous", shown=text)
        options.add(on_menu[0])
    if len(options) > 1 and not shown.multiple:
        return Named(fault="more than one option is named", label="ambiguous", shown=text)
    return Named(frozenset(options), shown=text)


def _agree(found: Sequence[Named], conflict: str) -> Named:
    different = {(n.options, n.label if n.fault else "") for n in found}
    return found[-1] if len(different) == 1 else Named(fault=conflict, label="ambiguous", shown=found[-1].shown)


def _sentence(text: str) -> str:
    return re.split(r"[.;\n](?:\s|$)", text, maxsplit=1)[0]


def _first_line(text: str) -> str:
    return text.lstrip().split("\n", 1)[0].strip()[:2000]


def _list(letters: Iterable[str]) -> str:
    return ", ".join(sorted(letters)[:8])


@lru_cache(maxsize=16)
def _patterns(alphabet: Alphabet, digits: bool) -> dict[str, re.Pattern[str]]:
    one = f"[{letter_class(alphabet, digits)}]"
    upper = f"[{''.join(meanings(alphabet))}]"
    solid = f"(?<![^\\W_]){one}(?![^\\W_])"
    item = rf"[(\[{{<]*+(?:{_NOUN})?[(\[{{<]*{solid}[)\]}}>]*"
    several = rf"(?P<all>{item}(?:{_AND}{item})*)"
    edge = r"[\s\"'“”.:。،;!]*"
    prose = upper if alphabet != "latin" else "[B-HJ-Z]"
    return {
        "only": re.compile(rf"{edge}(?:{_NOUN})?{several}{edge}", re.IGNORECASE),
        "letter": re.compile(solid),
        "set_apart": re.compile(rf"\s*(?:[(\[]({one})[)\]]|({one})[)\].:]+(?=\s|$)|({upper})\s+[-—–]\s)\s*"),
        "leading": re.compile(rf"(?:the\s+)?(?:{_NOUN})?{several}", re.IGNORECASE),
        "word": re.compile(r"(?<![^\W_'’+#-])[AI](?![^\W_]|['’+#]|-\w)"),
        "chosen": re.compile(_CHOSEN.replace("{noun}", _NOUN), re.IGNORECASE),
        "lone": re.compile(
            rf"\(({one})\)|\b(?:option|choice)\s+({upper})(?![^\W_])|(?<![^\W_'’+#-])({prose})(?![^\W_]|['’+#]|-\w)"
        ),
    }
