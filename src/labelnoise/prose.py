"""Numbers and findings as words, so that no sentence of the book holds a number typed by hand."""

from __future__ import annotations

from collections.abc import Sequence

from labelnoise.statistics import Interval


def with_interval(value: Interval, unit: str = "points", digits: int = 1) -> str:
    """``+0.8 points (95 % interval +0.5 to +1.1, n = 10)``."""
    if value.n == 1:
        return f"{value.mean:+.{digits}f} {unit} (one seed, so no interval)"
    return f"{value.mean:+.{digits}f} {unit} (95 % interval {value.low:+.{digits}f} to {value.high:+.{digits}f}, n = {value.n})"


def verdict(gain: Interval) -> str:
    """What a paired difference in accuracy says: a gain, a loss, or neither."""
    if gain.n > 1 and gain.low > 0:
        return "gains"
    if gain.n > 1 and gain.high < 0:
        return "loses"
    return "neither gains nor loses for certain"


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
