"""What a model call costs: `PriceBook` for the engine, `Quote` for a plan, `SIMULATED` for models that are none."""

from harness.prices.book import SIMULATED, PriceBook, Quote, simulated_usage

__all__ = ["SIMULATED", "PriceBook", "Quote", "simulated_usage"]
