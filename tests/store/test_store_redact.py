from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.records.outcome import Artifact, Attempt, Output
from harness.records.transcript import Transcript
from harness.store.encode import encode
from harness.store.folder import RunFolder
from harness.store.log import run_log
from harness.store.read import iter_attempts, read_manifest, read_transcript, settled
from harness.store.redact import MARK, Redactor, _vocabulary, secrets_of

SECRET = 'p@ss"w\\ord/with+every=thing☃'
# Put together here so that no scanner takes this file for a leak.
SHAPED = ["sk" + "-ant-api03-" + "A1b2C3d4" * 5, "gh" + "p_" + "aB3" * 12, "AK" + "IA" + "ABCDEFGH12345678"]
SHAPED += ["xo" + "xb-" + "1234567890abcde", "hf" + "_" + "aB" * 15, "github" + "_pat_" + "aB1_" * 6]


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        base64.b64encode(b"user:" + raw + b"@host").decode(),
        base64.b64encode(b"x" + raw).decode(),
    ]


@pytest.mark.parametrize("form", forms(SECRET))
def test_a_secret_is_found_in_every_form_and_the_json_stays_json(form):
    data = encode_text(f"before {form} after")
    cleaned = Redactor([SECRET]).json(data)
    text = json.loads(cleaned)["answer"]
    assert MARK in text
    assert form not in text
    assert text.startswith("before ")


@pytest.mark.parametrize("key", SHAPED)
@pytest.mark.parametrize("before", ["", " ", "\n", "\\n", '"', "Bearer ", "KEY="])
def test_strings_shaped_like_keys_go_though_nobody_named_them(key, before):
    text = json.loads(Redactor().json(encode_text(f"{before}{key} tail")))["answer"]
    assert key not in text
    assert text == f"{before}{MARK} tail"


@pytest.mark.parametrize(
    "text", ["task-0001 and risk-free", "ask-me-anything-about-the-long-hyphenated-words", "sk-learn", "hf_hub", "AKIA"]
)
def test_ordinary_words_stay(text):
    data = encode_text(text)
    assert Redactor([SECRET]).json(data) is data


def encode_text(text: str) -> bytes:
    return msgspec.json.encode({"answer": text, "n": 12345678, "deep": [{"k": text}]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=200, deadline=None)
@given(value=json_values, secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=20),
       before=texts, after=texts)  # fmt: skip
def test_redaction_never_corrupts_json_and_leaves_no_secret(value, secret, before, after):
    assume(secret not in MARK and MARK not in secret and secret not in _vocabulary())
    whole = {"value": value, "text": before + secret + after, "nested": json.dumps({"v": secret})}
    cleaned = Redactor([secret]).json(msgspec.json.encode(whole))
    found = json.loads(cleaned)
    assert secret not in found["text"].replace(MARK, "\0")
    assert json.dumps(secret)[1:-1] not in found["nested"].replace(MARK, "\0")
    assert b"\n" not in cleaned


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet='nabtu"\\\n\t0123456789', max_size=80), secret=st.text(alphabet="nabtu0123", min_size=8))
def test_a_secret_behind_a_backslash_does_not_break_the_line(text, secret):
    """The fault another harness had: the escape `\\n` cut in two."""
    data = encode_text(text + "\n" + secret[1:] + "\n" + secret)
    assert secret not in json.loads(Redactor([secret]).json(data))["answer"]


@pytest.mark.parametrize("word", ["attempts", "transcript", "not_graded", "infra_error", "ungradable", "model_digest"])
def test_a_variable_that_holds_a_word_of_ours_breaks_no_record(tmp_path, manifest, make, word):
    with RunFolder.create(tmp_path, manifest, secrets=[word]) as folder:
        folder.add(*make(task=word, answer=f"the {word} is"))
    (attempt,) = iter_attempts(folder.path)
    assert attempt.task == word
    assert attempt.output.answer == f"the {MARK} is"
    assert (word, "alpha", 1) in settled(folder.path).done


def test_names_with_key_like_endings_are_secrets_and_short_values_are_not():
    environ = {
        "OPENAI_API_KEY": "abcdefgh1", "MY_TOKEN": "tokenvalue", "X_SECRET": "short", "PATH": "/usr/bin:/bin",
        "MAX_TOKENS": "100000000", "DB_PASSWORD": "longpassword", "KEYBOARD": "qwertyuiop", "apikey": "lowercase1",
    }  # fmt: skip
    assert set(secrets_of(environ)) == {"abcdefgh1", "tokenvalue", "longpassword", "lowercase1"}


def test_nothing_in_the_folder_holds_a_secret(tmp_path, manifest, make, monkeypatch):
    monkeypatch.setenv("HOUSE_API_KEY", SECRET)
    other = "given-by-the-engine-1"
    dirty = " ".join([*forms(SECRET), *SHAPED, other])
    with RunFolder.create(tmp_path, manifest, secrets=[other]) as folder:
        attempt, transcript = make(answer=dirty)
        folder.add(attempt, transcript, [Artifact("log.txt", dirty.encode()), Artifact(f"{other}.txt", b"x")])
        folder.write_file("report.md", dirty)
        folder.write_file("summary.json", json.dumps({"a": dirty}))
        log = logging.Logger("test")
        handler = run_log(folder.path, [other])
        log.addHandler(handler)
        log.warning("said %s", dirty)
        handler.close()
    stored = b"\n".join(p.read_bytes() for p in folder.path.rglob("*") if p.is_file())
    stored += "\n".join(str(p) for p in folder.path.rglob("*")).encode()
    for form in [*forms(SECRET)[:6], *SHAPED, other]:
        assert form.encode() not in stored, form
    (read,) = iter_attempts(folder.path)
    assert MARK in (read.output.answer or "")
    assert MARK in (read_transcript(folder.path, read).output.answer or "")
    json.loads((folder.path / "summary.json").read_text())


def test_the_manifest_keeps_its_identity(tmp_path, manifest):
    with RunFolder.create(tmp_path, manifest, secrets=["single_turn", "openai/x-secret", manifest.run]) as folder:
        pass
    assert read_manifest(folder.path).run == manifest.run


def test_the_log_is_in_utc_and_the_root_logger_is_left_alone(tmp_path):
    before = list(logging.getLogger().handlers)
    handler = run_log(tmp_path)
    log = logging.Logger("harness.test")
    log.addHandler(handler)
    log.error("x %s", "y")
    handler.close()
    assert "Z ERROR harness.test: x y" in (tmp_path / "run.log").read_text()
    assert logging.getLogger().handlers == before


def test_what_is_clean_is_returned_as_it_is():
    attempt = Attempt(task="t", system="s", epoch=1, attempt=1, status="graded", output=Output(answer="14 days"))
    data = encode(attempt)
    assert Redactor([SECRET]).json(data) is data
    assert msgspec.json.decode(encode(Transcript("t", "s", 1, 1, Output())), type=Transcript).task == "t"


def test_private_keys_go_whole():
    block = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIabc\ndef==\n-----END RSA PRIVATE " + "KEY-----"
    assert json.loads(Redactor().json(encode_text(f"a {block} b")))["answer"] == f"a {MARK} b"
