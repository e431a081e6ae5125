"""Numbers as people read them on the screen: durations, sizes, counts, axis labels."""

from __future__ import annotations

from tui.core.sentences import duration, size

__all__ = ["compact", "duration", "size", "tick"]

_THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def compact(count: float) -> str:
    """Return a count in at most five characters: ``950``, ``12k``, ``1.5M``."""
    value = abs(count)
    for limit, unit in _THOUSANDS:
        if value >= limit * 0.9995:
            scaled = count / limit
            return f"{scaled:.0f}{unit}" if value >= 99.5 * limit else f"{scaled:.3g}{unit}"
    return f"{count:.0f}"


def tick(value: float, step: float) -> str:
    """Return an axis label with as many digits as the distance between ticks asks for."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude >= 1e12:
        return f"{value:.1e}".replace("e+", "e").replace(".0e", "e")
    if magnitude >= 1e4:
        limit, unit = next((limit, unit) for limit, unit in _THOUSANDS if magnitude >= limit)
        return f"{value / limit:.{_digits(step / limit)}f}{unit}"
    if magnitude < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.{_digits(step)}f}"


def _digits(step: float) -> int:
    """Return how many digits behind the point tell multiples of ``step`` apart."""
    return next((d for d in range(6) if abs(step * 10**d - round(step * 10**d)) < 1e-6 * step * 10**d), 5)
