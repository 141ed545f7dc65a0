"""14 Money, tokens and time: what a success costs, where tokens go, and which price list was used."""

from __future__ import annotations

from harness.records.content import Json
from harness.report.evidence import Evidence
from harness.report.judges_sections import money_table
from harness.report.model import SystemReport
from harness.report.section import Section, Table
from harness.report.tables import cost_table, token_table, work_table
from harness.report.words import percent

PRICE_SOURCES = ("genai-prices", "prices.yaml")
SILENT = ("simulated", "none")


def spend(e: Evidence) -> Section:
    """Never unavailable: unpriced, simulated and no calls are said in words."""
    return Section(
        "spend",
        "cost, tokens and time",
        tables=(cost_table(e.systems), *_judges(e), _ratios(e), token_table(e.systems), work_table(e.systems)),
        notes=(_prices(e),),
        methods=(
            "cost per success: all billed calls over successes, log-delta interval clustered by family; without a "
            "success the total is a lower bound; tokens in disjoint buckets; p50 and p95 by order statistics (Conover)",
        ),
        data={"systems": {s.name: _data(s) for s in e.systems}},
    )


def _judges(e: Evidence) -> tuple[Table, ...]:
    """What judges cost besides: sentinels, controls and audits belong to no system."""
    found = e.report.judges
    return (money_table(found.sheets),) if found else ()


def _prices(e: Evidence) -> str:
    used = [f"{k} {v}" for k, v in sorted(e.manifest.versions.items()) if k in PRICE_SOURCES]
    return f"prices as of {e.manifest.created[:10]}: {', '.join(used) or 'the list is not recorded in the manifest'}"


def _tokens(s: SystemReport) -> dict[str, int]:
    return {c.name: c.n for c in s.tokens}


def _ratios(e: Evidence) -> Table:
    rows = []
    for s in e.systems:
        t = _tokens(s)
        read = t["input"] + t["cache_read"] + t["cache_write_short"] + t["cache_write_long"]
        wrote = t["output"] + t["reasoning"]
        if not read + wrote:
            rows.append((s.name, *("no tokens",) * 4, _failed(s)))
            continue
        per = f"{(read + wrote) / s.cost.successes:,.0f}" if s.cost.successes else f">= {read + wrote:,}, no success"
        rows.append(
            (
                s.name,
                per,
                f"{wrote / read:.3f} (1 out for {read / wrote:.1f} in)" if read and wrote else "undefined",
                percent(s.cache_share) if s.cache_share is not None else "no input",
                percent(t["reasoning"] / wrote) if wrote else "no output",
                _failed(s),
            )
        )
    header = ("system", "tokens per success", "output / input", "cache share of input", "reasoning of output", "wasted")
    note = (
        "wasted: share of the cost that went into attempts which failed for infrastructure; the judge's cost is apart"
    )
    return Table("where the tokens go", header, tuple(rows), (note,))


def _failed(s: SystemReport) -> str:
    if s.cost.kind in SILENT or not s.cost.calls:
        return "no cost"
    if s.cost.unpriced or not s.cost.total:
        return f"undefined: {s.cost.unpriced:,} calls have no price"
    return percent(s.cost.failed_attempts / s.cost.total)


def _data(s: SystemReport) -> dict[str, Json]:
    i = s.cost.per_success.interval
    return {
        "kind": s.cost.kind,
        "total_usd": s.cost.total,
        "per_success_usd": s.cost.per_success.value,
        "per_success_interval": [i.low, i.high] if i else None,
        "tokens": {k: v for k, v in _tokens(s).items()},
        "cache_share": s.cache_share,
        "out_per_in": s.out_per_in,
    }
