"""Which process connects to which: one table, for processes and for the in-process runner alike.

Gateway, risk, clock and recorder bind, the others dial them. The recorder consumes the rows of all. Ticks and market
time are published, and only the newest matters.
"""

from __future__ import annotations

import msgspec

from services.trading.ids import kind_of_process

__all__ = ["OWN_TICKER", "WIRING", "Wiring", "wiring_of"]

OWN_TICKER = "$"
"""A placeholder for the ticker of a symbol process."""


class Wiring(msgspec.Struct, frozen=True):
    """One kind of process.

    `dials`: the processes that it connects to, each with the topics that it wants from there ('*' all). `wants`: the
    topics that it wants of processes that connect to it. `binds`: others connect to it. `publishes`: it has
    publications. `subscribes`: the topics that it wants of each publisher ('' all). `control`: it takes commands.
    """

    dials: dict[str, tuple[str, ...]] = {}
    wants: tuple[str, ...] = ()
    binds: bool = False
    publishes: bool = False
    subscribes: dict[str, tuple[str, ...]] = {}
    control: bool = False


WIRING: dict[str, Wiring] = {
    "gateway": Wiring(
        dials={"clock": ("fleet",), "recorder": ()},
        binds=True,
        publishes=True,
        subscribes={"clock": ("time",)},
    ),
    "risk": Wiring(
        dials={"gateway": ("*",), "clock": ("fleet",), "recorder": ()},
        wants=("fleet",),
        binds=True,
        subscribes={"gateway": ("",), "clock": ("time",)},
        control=True,
    ),
    "symbol": Wiring(
        dials={
            "gateway": (OWN_TICKER, "fleet"),
            "risk": (OWN_TICKER, "fleet"),
            "clock": ("fleet",),
            "recorder": (),
        },
        subscribes={"gateway": (OWN_TICKER,), "clock": ("time",)},
    ),
    "clock": Wiring(dials={"recorder": ()}, binds=True, publishes=True, control=True),
    "recorder": Wiring(wants=("**",), binds=True, subscribes={"clock": ("time",)}),
    "watchdog": Wiring(dials={"recorder": ()}, subscribes={"clock": ("time",)}, control=True),
    "simulator": Wiring(dials={"clock": ()}),
}


def wiring_of(process: str, ticker: str = "") -> Wiring:
    """The wiring of a process by its name, its own ticker filled in."""
    wiring = WIRING[kind_of_process(process)]

    def fill(topics: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(ticker if topic == OWN_TICKER else topic for topic in topics)

    return msgspec.structs.replace(
        wiring,
        dials={peer: fill(topics) for peer, topics in wiring.dials.items()},
        subscribes={peer: fill(topics) for peer, topics in wiring.subscribes.items()},
    )
