"""Which model calls are tried again, how often, and how long to wait in between."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from harness.errors import ModelError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """One policy for every provider.

    `max_wait_s` bounds the waiting of one call, retries and Retry-After together; past it the attempt ends as an
    infrastructure error. Back-off is exponential with full jitter: uniform over [0, min(cap, base * 2**n)]
    (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015), never under what the server asked for.
    """

    tries: int = 10
    base_s: float = 1.0
    cap_s: float = 60.0
    max_wait_s: float = 600.0

    def delay(self, error: ModelError, failed: int, waited_s: float, rng: Random) -> float | None:
        """Seconds to wait after the `failed`-th failure, or None to give up."""
        if not error.retryable or failed >= self.tries:
            return None
        wait = rng.uniform(0, min(self.cap_s, self.base_s * 2 ** (failed - 1)))
        if error.retry_after_s is not None:
            wait = error.retry_after_s + min(wait, 1.0)
        return wait if waited_s + wait <= self.max_wait_s else None
