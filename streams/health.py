"""Health by progress: what each stage has done last, and what that says of the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

STALLED_S = 120.0
"""Seconds without a sign of progress, work being there, after which a stage counts as stalled."""


@dataclass(slots=True)
class Stage:
    """One stage of a worker.

    Attributes
    ----------
    ready
        Whether it has its partitions and works.
    turned
        When its loop last came round, on the monotonic clock: it does so whether there is work or not.
    waiting
        What it waits for, in words, empty where for nothing.
    detail
        Figures for people and programs.
    """

    name: str
    now: Callable[[], float] = time.monotonic
    ready: bool = False
    turned: float = field(default_factory=time.monotonic)
    waiting: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    _reached: int = -1
    _moved: float = field(default_factory=time.monotonic)

    def reach(self, position: int, behind: int) -> None:
        """The stage has read so far, and so many records are left: while any are, it must come forward."""
        if position != self._reached or not behind:
            self._reached, self._moved = position, self.now()

    def turn(self) -> None:
        """The loop has come round."""
        self.turned = self.now()

    @property
    def stalled(self) -> bool:
        """Whether the loop has not come round, or left records lying, for too long."""
        return self.now() - min(self.turned, self._moved) > STALLED_S


class Health:
    """The stages of a worker, and how they are."""

    def __init__(self) -> None:
        """A worker without stages."""
        self.stages: dict[str, Stage] = {}

    def stage(self, name: str) -> Stage:
        """The stage of this name, made if there is none."""
        return self.stages.setdefault(name, Stage(name))

    @property
    def live(self) -> bool:
        """Whether every stage comes forward: if not, restarting the process is the remedy."""
        return not any(stage.stalled for stage in self.stages.values())

    @property
    def ready(self) -> bool:
        """Whether every stage works."""
        return bool(self.stages) and self.live and all(stage.ready for stage in self.stages.values())

    def fields(self) -> dict[str, Any]:
        """All of it, for programs."""
        stages = {
            stage.name: {
                "ready": stage.ready,
                "stalled": stage.stalled,
                "last_turn_s": round(stage.now() - stage.turned, 1),
                **({"waiting": stage.waiting} if stage.waiting else {}),
                **stage.detail,
            }
            for stage in self.stages.values()
        }
        return {"live": self.live, "ready": self.ready, "stages": stages}
