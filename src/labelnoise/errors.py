"""The one exception that a user's mistake raises, and the check that most often raises it."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any


class InputError(ValueError):
    """What was passed in can't be used. The message names the offending value and what to do."""


def check_number(value: Any, rule: str, within: Callable[[float], bool]) -> float:
    """Check that a value is a finite number in its range and return it as float.

    Args:
        value: whatever was passed in.
        rule: how the message begins, such as "level must lie in (0, 1)".
        within: tells whether a finite number lies in the range.

    Raises:
        InputError: the rule, and the value that breaks it.
    """
    if isinstance(value, numbers.Real) and math.isfinite(value) and within(float(value)):
        return float(value)
    raise InputError(f"{rule}, not {value!r}.")
