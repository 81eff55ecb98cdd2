"""In lock-step the clock's probe asks a process whether it is idle: the probe that waits, and its answer.

No links and no market here: the actor passes its own counts. The rules are in docs/lockstep.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from messages.frames import Idle, Probe

__all__ = ["ProbeState"]

NEVER = (0, 0)
"""The tick of a symbol of which no tick was handled."""


class ProbeState:
    """The clock's newest probe, and the processes that got rows from this one since the step started."""

    def __init__(self) -> None:
        self._probe: Probe | None = None
        self._step = -1
        self._reached: dict[str, None] = {}

    def receive(self, probe: Probe) -> None:
        """Take a probe. A new step starts with no process reached."""
        if probe.step != self._step:
            self._step = probe.step
            self._reached.clear()
        self._probe = probe

    def reach(self, peer: str) -> None:
        """Rows went to this process: from now on the clock probes it, too."""
        self._reached[peer] = None

    def waiting(self, ticks: Mapping[str, tuple[int, int]]) -> bool:
        """Whether a probe is to be answered. `ticks`: (run, number) of the last tick of each symbol.

        A probe about a tick waits until that tick was handled. A tick of another run of the gateway never comes.
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
        """The answer to the probe that waits. Afterwards none waits."""
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
