"""What a check found: one line for a person, one word for a program, and the one thing to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["pass", "warn", "fail", "skip"]
_WORST_FIRST: tuple[State, ...] = ("fail", "warn", "pass", "skip")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's answer.

    Attributes:
        check: what was looked at, for example ``camera north``.
        state: ``pass``; ``warn``: it works, but not as it should; ``fail``: nothing or nobody would be found or told;
            ``skip``: it was not looked at, and ``told`` says why.
        told: what was found.
        fix: what to do, naming the setting or the command; ``None`` when there is nothing to do.
        measured: numbers behind it, with units in their names.
    """

    check: str
    state: State
    told: str
    fix: str | None = None
    measured: Mapping[str, float | str] = field(default_factory=dict)


def worst(findings: Iterable[Finding]) -> State:
    """Give the worst state of all; ``pass`` for none."""
    states = {finding.state for finding in findings}
    return next((state for state in _WORST_FIRST if state in states), "pass")
