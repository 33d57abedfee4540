"""What a step of the story is, and what it says when it fails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

StageT = TypeVar("StageT")


class StepFailed(Exception):
    """A step did not see what it had to see. The message is one line, meant for the person who ran the demo."""


@dataclass(frozen=True)
class Step(Generic[StageT]):
    """One step.

    Attributes:
        name: what happens, as a person would say it.
        tell: does it, checks it, and returns what was seen in a few words; raises `StepFailed` otherwise.
    """

    name: str
    tell: Callable[[StageT], str]


def require(condition: bool, failure: str) -> None:
    """Go on only if `condition` holds.

    Raises:
        StepFailed: with `failure`.
    """
    if not condition:
        raise StepFailed(failure)
