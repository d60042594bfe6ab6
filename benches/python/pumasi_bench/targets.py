"""What is to be reached, as data: a target has the words of the table and the test behind them.

A target is never an assertion. A missed one is printed as missed and the program still ends with
status 0, because a benchmark that fails a build on a noisy machine is soon switched off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A goal for one row: ``test(ours, rival)`` on two results in the row's unit.

    In a row without a rival, ``rival`` is NaN, to which no comparison is true. A goal is a limit at
    the rival's own result if the noise alone decides between two who are as good as each other.
    """

    text: str
    test: Callable[[float, float], bool]
    at_the_rival: bool = False


def times_faster(times: float) -> Target:
    """Take so many times less time than the rival."""
    return Target(f"{times:g} times faster", lambda ours, rival: ours * times <= rival)


def times_the_rate(times: float) -> Target:
    """Do so many times the rival's operations per second."""
    return Target(f"{times:g} times the rate", lambda ours, rival: ours >= rival * times)


def within(percent: float) -> Target:
    """Take at most so many percent more time than the rival."""
    return Target(f"within {percent:g} %", lambda ours, rival: ours <= rival * (1 + percent / 100))


def no_slower() -> Target:
    """Take no more time than the rival."""
    return Target("no slower", lambda ours, rival: ours <= rival, at_the_rival=True)


def at_most_more(amount: float, unit: str) -> Target:
    """Exceed the rival by no more than a fixed amount."""
    return Target(f"at most {amount:g} {unit} more", lambda ours, rival: ours - rival <= amount)


def at_most(amount: float, unit: str) -> Target:
    """Stay under a ceiling, whatever the rival does."""
    return Target(f"at most {amount:g} {unit}", lambda ours, _: ours <= amount)


def at_least(amount: float, unit: str) -> Target:
    """Stay above a floor, whatever the rival does."""
    return Target(f"at least {amount:g} {unit}", lambda ours, _: ours >= amount)
