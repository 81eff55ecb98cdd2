"""Which orders a fault strikes: by symbol, side, type, and whether they are attached."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from services.simulator.faults.active import Counted
from services.simulator.venue.orders import Ticket

__all__ = ["Matching", "placed"]


class Matching(Counted, frozen=True, kw_only=True):
    """What these have in common: which orders they strike."""

    symbol: Annotated[str, Meta(description="a symbol, or nothing for all")] = ""
    """Symbol of the orders. Default: all."""
    side: Literal["BUY", "SELL", "any"] = "any"
    """Side of the orders."""
    order_type: Annotated[str, Meta(description="MKT, LMT, STP, STP LMT, TRAIL, TRAIL LIMIT, or nothing for all")] = ""
    """Type of the orders. Default: all."""
    attached: Literal["parent", "child", "any"] = "any"
    """`child`: attached orders only; `parent`: all others."""

    def fits(self, ticket: Ticket) -> bool:
        """Whether an order like this is meant."""
        return (
            self.symbol in ("", ticket.symbol)
            and self.side in ("any", ticket.side)
            and self.order_type in ("", ticket.order_type)
            and self.attached in ("any", "child" if ticket.parent_id else "parent")
        )


def placed(request: Any) -> Ticket | None:
    """The ticket of a placeOrder, with the symbol that its contract names."""
    if type(request).__name__ != "PlaceOrder":
        return None
    ticket: Ticket = msgspec.structs.replace(request.ticket, symbol=request.contract.symbol)
    return ticket
