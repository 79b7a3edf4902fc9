"""What the parameters of an estimator may be, and the sentence that names one that is not."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from pipeline.errors import InputError

LARGEST = sys.float_info.max


class Number(NamedTuple):
    """Finite numbers from `low` to `high`, of which `integer` allows the integers alone."""

    low: float
    high: float = LARGEST
    integer: bool = False

    def __str__(self) -> str:
        kind = "an integer" if self.integer else "a number"
        if self.high == LARGEST:
            return f"{kind} of at least {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def allows(self, value: Any) -> bool:
        """Whether it is such a number; True and False are none."""
        kind = Integral if self.integer else Real
        fits = isinstance(value, kind) and not isinstance(value, bool)
        return fits and self.low <= value <= self.high


def integer(low: int) -> Number:
    """Integers of at least `low`."""
    return Number(low, integer=True)


class Matrix:
    """Arrays of two dimensions."""

    def __str__(self) -> str:
        return "a matrix"

    def allows(self, value: Any) -> bool:
        """Whether it is one."""
        return getattr(value, "ndim", 0) == 2


Choice = Number | Matrix | str | bool | None
Choices = Mapping[str, tuple[Choice, ...]]


def check_values(choices: Choices, values: Mapping[str, Any], owner: str) -> None:
    """Name a value that is none of the choices of its parameter.

    Parameters
    ----------
    choices : mapping
        By parameter; those that are left out may be anything.
    values : mapping
        By parameter.
    owner : str
        Whose parameters they are.

    Raises
    ------
    InputError
    """
    for name, value in values.items():
        allowed = choices.get(name)
        if allowed and not any(_is_allowed(choice, value) for choice in allowed):
            raise InputError(
                f"{name} of {owner} is {reprlib.repr(value)} but must be "
                f"{' or '.join(map(_text, allowed))}"
            )


def _is_allowed(choice: Choice, value: Any) -> bool:
    if isinstance(choice, Number | Matrix):
        return choice.allows(value)
    return type(value) is type(choice) and value == choice


def _text(choice: Choice) -> str:
    return str(choice) if isinstance(choice, Number | Matrix) else repr(choice)
