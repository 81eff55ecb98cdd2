"""A process asked by the clock, in lock-step, whether it is quiet: the question that waits, and its answer.

No links and no market here: the actor tells what it knows of itself. The rules are those of docs/lockstep.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from messages.frames import Idle, Probe

__all__ = ["ProbeState"]

NEVER = (0, 0)
"""The tick of a symbol of which none was handled."""


class ProbeState:
    """The clock's newest probe, and whom this process has sent rows since the step began."""

    def __init__(self) -> None:
        self._probe: Probe | None = None
        self._step = -1
        self._reached: dict[str, None] = {}

    def receive(self, probe: Probe) -> None:
        """A probe; of a step that is new, nobody was reached in it yet."""
        if probe.step != self._step:
            self._step = probe.step
            self._reached.clear()
        self._probe = probe

    def reach(self, peer: str) -> None:
        """Rows went to this process: from now on the clock asks it, too."""
        self._reached[peer] = None

    def waiting(self, ticks: Mapping[str, tuple[int, int]]) -> bool:
        """Whether a probe is to be answered, with these (run, number) of the last tick of each symbol.

        One about a tick waits until that was handled; a tick of another run of the gateway never comes.
        """
        if self._probe is None:
            return False
        run, number = ticks.get(self._probe.symbol, NEVER)
        return run == 0 or run != self._probe.tick[0] or number >= self._probe.tick[1]

    def answer(
        self,
        *,
        run: int,
        pending: int,
        work: int,
        ticks: Mapping[str, tuple[int, int]],
        wire: tuple[int, int],
        deadline_ns: int | None,
    ) -> Idle:
        """What is said to the probe that waits; then none does."""
        probe, self._probe = self._probe, None
        assert probe is not None, "there is none to answer"
        return Idle(
            step=probe.step,
            wave=probe.wave,
            run=run,
            pending=pending,
            work=work,
            reached=tuple(self._reached),
            tick=ticks.get(probe.symbol, NEVER),
            wire_in=wire[0],
            wire_out=wire[1],
            deadline_ns=deadline_ns,
        )
