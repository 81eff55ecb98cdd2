"""Which orders a fault strikes: by symbol, side, type, and whether they are attached."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.simulator.faults.active import CountedFault
from services.simulator.venue.orders import Ticket
from services.simulator.wire.place_order import PlaceOrderRequest
from services.simulator.wire.requests import Request

__all__ = ["OrderFault", "placed"]


class OrderFault(CountedFault, frozen=True, kw_only=True):
    """A fault that strikes certain orders."""

    symbol: Annotated[str, Meta(description="a symbol, or nothing for all")] = ""
    """Symbol of the orders. Default: all."""
    side: Literal["BUY", "SELL", "any"] = "any"
    """Side of the orders."""
    order_type: Annotated[str, Meta(description="MKT, LMT, STP, STP LMT, TRAIL, TRAIL LIMIT, or nothing for all")] = ""
    """Type of the orders. Default: all."""
    attached: Literal["parent", "child", "any"] = "any"
    """`child`: attached orders only; `parent`: all others."""

    def fits(self, ticket: Ticket) -> bool:
        """Whether it strikes this order."""
        return (
            self.symbol in ("", ticket.symbol)
            and self.side in ("any", ticket.side)
            and self.order_type in ("", ticket.order_type)
            and self.attached in ("any", "child" if ticket.parent_id else "parent")
        )


def placed(request: Request) -> Ticket | None:
    """The ticket of a placeOrder, with the symbol that its contract names."""
    if not isinstance(request, PlaceOrderRequest):
        return None
    return msgspec.structs.replace(request.ticket, symbol=request.contract.symbol)
