"""Golden prices (reference/stats_ci.md 6.7, row 17) and equality with genai-prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.prices import SIMULATED, PriceBook, simulated_usage
from harness.records.content import Response, Usage

AT = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def priced(
    provider: str, model: str, usage: Usage, *, book: PriceBook | None = None, at: float = AT, **said: str
) -> Usage:
    response = Response((), "end", usage, priced_as=said)
    return (book or PriceBook.load(None)).price(provider, model, response, at)


def overlay(tmp_path: Path, text: str) -> PriceBook:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    return PriceBook.load(path)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "said", "usd"),
    [
        ("openai", "gpt-5.5", Usage(input=272_000, output=1_000), {}, 1.390),
        ("openai", "gpt-5.5", Usage(input=272_001, output=1_000), {}, 2.76501),
        ("openai", "gpt-5.5", Usage(input=72_001, cache_read=200_000, output=1_000), {}, 0.96501),
        ("openai", "gpt-5.5", Usage(input=272_001, output=1_000), {"batch": "true"}, 1.382505),
        ("openai", "gpt-5.5", Usage(input=1_000_000), {"service_tier": "priority"}, 12.5),
        ("openai", "gpt-5.5", Usage(input=100, output=10), {"service_tier": "default"}, 0.0008),
        ("anthropic", "claude-opus-4-7", Usage(cache_write_short=1_000_000), {}, 6.25),
        ("anthropic", "claude-opus-4-7", Usage(cache_write_long=1_000_000), {}, 10.0),
        ("anthropic", "claude-opus-4-7", Usage(cache_read=1_000_000), {}, 0.5),
        ("anthropic", "claude-opus-4-7", Usage(input=10, output=60, reasoning=40), {}, 0.00255),
        ("anthropic", "claude-opus-4-7", Usage(input=1_000_000), {"inference_geo": "us"}, 5.5),
        (
            "anthropic",
            "claude-opus-4-7",
            Usage(input=1_000_000),
            {"service_tier": "batch", "inference_geo": "us"},
            2.75,
        ),
        ("anthropic", "claude-sonnet-4-5", Usage(input=1, cache_read=200_000, output=10), {}, 0.120231),
    ],
)
def test_golden_prices(provider: str, model: str, usage: Usage, said: dict[str, str], usd: float) -> None:
    got = priced(provider, model, usage, **said)
    assert got.cost_usd == pytest.approx(usd, rel=1e-12)
    assert (got.unpriced, got.estimated) == (0, 0)
    assert got.tokens == usage.tokens


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-99-nobody"), ("nobody", "gpt-5.5"), ("litellm", "x"), ("openai", "")]
)
def test_unknown_price_is_unpriced_and_never_zero_cost_by_claim(provider: str, model: str) -> None:
    got = priced(provider, model, Usage(input=10, calls=1))
    assert (got.unpriced, got.cost_usd, got.estimated) == (1, 0.0, 0)
    assert PriceBook.load(None).price_of(provider, model) is None


def test_answer_without_any_usage_is_unpriced() -> None:
    assert priced("openai", "gpt-5.5", Usage(calls=1)).unpriced == 1


@pytest.mark.parametrize(
    "said",
    [
        {"service_teir": "flex"},
        {"service_tier": "gold"},
        {"inference_geo": "eu"},
        {"speed": "fast"},
    ],
)
def test_condition_that_no_rate_matches_is_list_price_marked_estimated(said: dict[str, str]) -> None:
    got = priced("openai", "gpt-5.5", Usage(input=1_000_000 // 4, calls=1), **said)
    assert (got.estimated, got.unpriced) == (1, 0)
    assert got.cost_usd == pytest.approx(1.25)


def test_condition_before_its_rate_began_is_estimated() -> None:
    early = datetime(2026, 9, 1, tzinfo=UTC).timestamp()
    assert priced("openai", "gpt-5.5", Usage(input=9, calls=1), at=early, service_tier="flex").estimated == 1


@pytest.mark.parametrize("word", ["standard", "default", "auto", "Standard", ""])
def test_plain_service_tier_is_the_exact_list_price(word: str) -> None:
    assert priced("anthropic", "claude-opus-4-7", Usage(input=9), service_tier=word).estimated == 0


def test_openai_twelve_hour_cache_write_is_two_and_a_half_times_input_and_estimated() -> None:
    short = priced("openai", "gpt-5.6", Usage(input=1, cache_write_short=1000, calls=1))
    long = priced("openai", "gpt-5.6", Usage(input=1, cache_write_long=1000, calls=1))
    assert (short.cost_usd, short.estimated) == (pytest.approx(0.000004 + 0.005), 0)
    assert (long.cost_usd, long.estimated) == (pytest.approx(0.000004 + 0.010), 1)


def test_the_model_that_answered_is_the_one_that_is_billed() -> None:
    response = Response((), "end", Usage(input=1_000_000, calls=1), model="claude-sonnet-4-6")
    got = PriceBook.load(None).price("anthropic", "claude-opus-4-7", response, AT)
    assert got.cost_usd == pytest.approx(3.0)


def test_name_that_only_the_suite_knows_falls_back_to_the_model_asked_for() -> None:
    response = Response((), "end", Usage(input=1_000_000, calls=1), model="deployment-17")
    assert PriceBook.load(None).price("anthropic", "claude-opus-4-7", response, AT).cost_usd == pytest.approx(5.0)


def test_price_follows_the_date_of_the_call_through_one_book() -> None:
    book = PriceBook.load(None)
    before, after = (datetime(2026, 8, d, 12, tzinfo=UTC).timestamp() for d in (20, 21))
    usage = Usage(input=1_000_00, calls=1)
    costs = [priced("openai", "gpt-5.6", usage, book=book, at=at).cost_usd for at in (before, after, before)]
    assert costs == pytest.approx([0.5, 0.4, 0.5])


def test_off_peak_price_holds_only_in_its_hours() -> None:
    book = PriceBook.load(None)
    for hour, minute in ((0, 10), (0, 29), (0, 31), (12, 0), (16, 29), (16, 31)):
        at = datetime(2025, 7, 1, hour, minute, tzinfo=UTC)
        got = priced("deepseek", "deepseek-chat", Usage(input=1000, output=500), book=book, at=at.timestamp())
        want = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1000, output_tokens=500),
            "deepseek-chat", provider_id="deepseek", genai_request_timestamp=at,
        )  # fmt: skip
        assert got.cost_usd == float(want.total_price)


def test_harness_cache_hit_costs_nothing_and_is_not_unpriced() -> None:
    got = priced("nobody", "x", Usage(input=10, calls=1, cached=1))
    assert (got.cost_usd, got.unpriced, got.cached) == (0.0, 0, 1)


def test_provider_recognised_by_pattern_only_is_estimated() -> None:
    assert priced("bedrock", "anthropic.claude-opus-4-7", Usage(input=5, calls=1)).estimated == 1


def test_simulated_model_costs_nothing_and_says_so() -> None:
    got = simulated_usage(Response((), "end", Usage(input=5, output=7, calls=1)))
    assert (got.cost_usd, got.unpriced, got.estimated, got.tokens) == (0.0, 0, 0, 12)
    assert str(SIMULATED) == "costs nothing: simulated, not a model"


def test_quote_reads_as_one_line_with_tiers_and_source() -> None:
    quote = PriceBook.load(None).price_of("openai", "gpt-5.5", AT)
    assert str(quote).startswith("$5 in, $0.5 cached, $30 out per million tokens; above 272,000 input tokens $10 in")
    assert quote is not None and quote.cost(Usage(input=1_000)) == 0.005


CHAT = [
    (p.id, m.id)
    for p in get_snapshot().providers
    if p.id in ("openai", "anthropic", "google", "mistral", "deepseek", "groq", "x-ai")
    for m in p.models
    if PriceBook.load(None).price_of(p.id, m.id, AT)
]
TOKENS = st.integers(0, 400_000)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CHAT), st.tuples(*[TOKENS] * 5), st.sampled_from(["", "batch", "flex", "priority"]))
def test_price_equals_genai_prices(chat: tuple[str, str], tokens: tuple[int, ...], how: str) -> None:
    fresh, read, short, long, out = tokens
    if chat[0] == "openai":
        long = 0  # the one rate that is ours: twelve-hour writes
    usage = Usage(input=fresh + 1, cache_read=read, cache_write_short=short, cache_write_long=long, output=out)
    said = {} if not how else {"batch": "true"} if how == "batch" else {"service_tier": how}
    context = {} if not how else {"processing": "batch"} if how == "batch" else {"service_tier": how}
    theirs = genai_prices.Usage(
        input_tokens=usage.input_total, output_tokens=out, cache_read_tokens=read,
        cache_write_tokens=short + long, cache_write_1h_tokens=long, cache_write_5m_tokens=short,
    )  # fmt: skip
    theirs.output_audio_tokens = theirs.input_audio_tokens = theirs.cache_audio_read_tokens = 0
    at = datetime.fromtimestamp(AT, UTC)
    want = genai_prices.calc_price(
        theirs, chat[1], provider_id=chat[0], genai_request_timestamp=at, price_context=context
    )
    assert Decimal(str(priced(*chat, usage, **said).cost_usd)) == Decimal(str(float(want.total_price)))


def test_overlay_prices_own_model_with_tiers_and_factors(tmp_path: Path) -> None:
    book = overlay(
        tmp_path,
        """
prices:
  - model: house-*
    provider: vllm
    input: 1
    cache_read: 0.1
    output: 4
    per_call: 0.01
    tiers: [{above: 1000, input: 2}]
    multipliers: {batch: 0.5, service_tier: {priority: 3}}
""",
    )
    at_limit = priced("vllm", "House-70b", Usage(input=400, cache_read=600, output=10), book=book)
    over = priced("vllm", "house-70b", Usage(input=401, cache_read=600, output=10), book=book)
    assert at_limit.cost_usd == pytest.approx((400 + 60 + 40) / 1e6 + 0.01, rel=1e-12)
    assert over.cost_usd == pytest.approx((802 + 60 + 40) / 1e6 + 0.01, rel=1e-12)
    both = priced("vllm", "house-7b", Usage(input=100), book=book, batch="true", service_tier="priority")
    assert both.cost_usd == pytest.approx((100 / 1e6 + 0.01) * 1.5, rel=1e-12)
    assert priced("other", "house-7b", Usage(input=100), book=book).unpriced == 1
    assert priced("vllm", "house-7b", Usage(input=1, cache_write_short=1, calls=1), book=book).estimated == 1
    assert priced("vllm", "house-7b", Usage(input=1, calls=1), book=book, service_tier="flex").estimated == 1


def test_overlay_discount_applies_to_the_list_price_and_its_conditions(tmp_path: Path) -> None:
    book = overlay(tmp_path, "prices: [{model: 'claude-*', of_list: 0.8, multipliers: {inference_geo: {eu: 1.1}}}]")
    assert priced("anthropic", "claude-opus-4-7", Usage(input=1_000_000), book=book).cost_usd == pytest.approx(4.0)
    usage = Usage(input=1_000_000)
    both = priced("anthropic", "claude-opus-4-7", usage, book=book, batch="true", inference_geo="eu")
    assert (both.cost_usd, both.estimated) == (pytest.approx(2.2), 0)


def test_overlay_dates_are_utc_days_and_inclusive(tmp_path: Path) -> None:
    book = overlay(
        tmp_path,
        "prices:\n"
        "  - {model: m, input: 1, output: 1, until: 2026-10-31}\n"
        "  - {model: m, input: 2, output: 2, from: 2026-11-01}\n",
    )
    last = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    costs = [priced("p", "m", Usage(input=1_000_000), book=book, at=at).cost_usd for at in (last, last + 1, last)]
    assert costs == [1.0, 2.0, 1.0]


def test_free_is_said_by_the_user_and_shown(tmp_path: Path) -> None:
    book = overlay(tmp_path, "prices: [{model: tiny, free: true}]")
    assert priced("local", "tiny", Usage(calls=1), book=book).unpriced == 0
    assert str(book.price_of("local", "tiny")) == "free (prices.yaml:1:10)"


def test_self_hosted_price_comes_from_gpu_hours_and_is_an_estimate(tmp_path: Path) -> None:
    book = overlay(
        tmp_path,
        "prices:\n"
        "  - model: own\n"
        "    self_hosted: {gpu_hour: 3.6, gpus: 2, input_tokens_per_s: 1000, output_tokens_per_s: 100}\n",
    )
    got = priced("local", "own", Usage(input=1000, output=100, calls=1), book=book)
    assert (got.cost_usd, got.estimated) == (pytest.approx(0.004), 1)


def test_every_fault_of_a_price_file_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        overlay(
            tmp_path,
            "prices:\n"
            "  - model: a\n"
            "    imput: 1\n"
            "    output: 2\n"
            "  - model: b\n"
            "    input: -1\n"
            "    output: 2\n"
            "  - {input: 1, output: 1}\n"
            "  - {model: c, input: 1, output: 1, multipliers: {service_tire: {x: 2}}}\n",
        )
    places = [str(f.place) for f in caught.value.faults]
    assert places == ["prices.yaml:3:5", "prices.yaml:6:12", "prices.yaml:8:5", "prices.yaml:9:50"]
    assert "did you mean 'input'?" in caught.value.render()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("prices: [{model: a, free: true, of_list: 1}]", "of_list and free given"),
        ("prices: [{model: a}]", "no price given"),
        ("prices: [{model: a, input: 1}]", "own rates need both input and output"),
        ("prices: [{model: a, of_list: 0.5, tiers: [{above: 5, input: 1}]}]", "belong to own rates"),
        ("prices: [{model: a, free: true}, {model: A, free: true}]", "priced twice for the same days"),
        ("prices: [{model: a, free: true, from: 2026-02-01, until: 2026-01-01}]", "until is before from"),
        ("prices: [{model: a, model: b, free: true}]", "key 'model' is given twice"),
        ("prices: [{model: a, free: true, multipliers: {service_tier: {standard: 2}}}]", "means the list price"),
        ("prices: [", "not YAML"),
        ("", "should be a valid dictionary"),
        ("prices: &a [*a]", "should be a valid dictionary"),
    ],
)
def test_each_fault_has_its_own_message(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        overlay(tmp_path, text)
    assert what in caught.value.render()


def test_absent_and_non_utf8_price_files_have_messages(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file") as caught:
        PriceBook.load(tmp_path / "none.yaml")
    assert "no such file" in caught.value.render()
    (tmp_path / "p.yaml").write_bytes(b"prices: \xff")
    with pytest.raises(ConfigError) as caught:
        PriceBook.load(tmp_path / "p.yaml")
    assert "p.yaml is not UTF-8" in caught.value.render()


def test_book_forgets_rather_than_grows_without_end() -> None:
    book = PriceBook.load(None)
    for i in range(5000):
        book.price("nobody", "m", Response((), "end", Usage(input=1), model=f"made-up-{i}"), AT)
    assert len(book._resolved) <= 4096


def test_versions_name_the_table_and_the_overlay(tmp_path: Path) -> None:
    versions = overlay(tmp_path, "prices: [{model: a, free: true}]").versions()
    assert versions["genai-prices"] == genai_prices.__version__
    assert len(versions["prices.yaml"]) == 16
