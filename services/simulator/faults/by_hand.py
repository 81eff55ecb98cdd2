"""What others do in the account: orders by hand or of other clients, shares without an order, other contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from services.simulator.faults.active import ActiveFault, EnterManualOrder, Fault, RunExchangeAction
from services.simulator.venue.instruments import InstrumentTerms, name_of, other
from services.simulator.venue.orders import Side, Ticket
from services.simulator.venue.reports import Report

if TYPE_CHECKING:
    from services.simulator.venue.exchange import Exchange

__all__ = ["ForeignOrderFault", "ForeignPosition", "Transfer"]

Symbol = Annotated[str, Meta(min_length=1, description="a symbol")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="a currency")]
Account = Annotated[str, Meta(description="an account, or nothing for the first")]


class _ForeignFault(Fault, frozen=True, kw_only=True):
    """A fault about a contract of this ticker, and an account."""

    symbol: Symbol
    """Symbol."""
    sec_type: Literal["STK", "OPT", "FUT", "CFD"] = "STK"
    """Type of the contract: with OPT, a call; all but stocks in dollars have no market."""
    currency: Currency = "USD"
    """Currency of the contract: with EUR, a listing elsewhere."""
    account: Account = ""
    """Account; an unknown one joins the login. Default: the first."""

    @property
    def contract(self) -> InstrumentTerms:
        """The contract."""
        return other(self.symbol, self.sec_type, self.currency)

    def prepare(self, exchange: Exchange) -> list[Report]:
        """The broker knows the contract and the account from now on."""
        exchange.know(self.contract)
        if self.account:
            exchange.add_account(self.account)
        return []


class ForeignOrderFault(_ForeignFault, frozen=True, kw_only=True):
    """Somebody trades by hand in the same account: only reqAllOpenOrders shows the order, with the order id 0.

    Client 0 may make it its own (reqAutoOpenOrders, reqOpenOrders). With `client`, it is the order of another client.
    """

    side: Side = "SELL"
    """Side."""
    quantity: Annotated[float, Meta(gt=0)] = 1.0
    """Shares."""
    order_type: Literal["MKT", "LMT", "STP"] = "MKT"
    """Type."""
    price: Annotated[float, Meta(gt=0)] | None = None
    """Limit of LMT, stop of STP."""
    tif: Literal["DAY", "GTC"] = "GTC"
    """Time in force."""
    client: Annotated[int, Meta(ge=0)] | None = None
    """Client id of the other client. Default: none, it is entered in TWS."""
    order_ref: str = ""
    """Its reference."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(self.prepare))
        if self.client is None:
            active.do(EnterManualOrder(self._ticket(0, 0)))
        else:
            active.do(RunExchangeAction(self._place))

    def _place(self, exchange: Exchange) -> list[Report]:
        assert self.client is not None, "it is another client's"
        ticket = self._ticket(self.client, exchange.next_order_id(self.client))
        return exchange.place(msgspec.structs.replace(ticket, account=ticket.account or exchange.accounts[0]))

    def _ticket(self, client_id: int, order_id: int) -> Ticket:
        return Ticket(
            client_id=client_id,
            order_id=order_id,
            account=self.account,
            symbol=name_of(self.contract),
            side=self.side,
            quantity=self.quantity,
            order_type=self.order_type,
            limit_price=self.price if self.order_type == "LMT" else None,
            stop_price=self.price if self.order_type == "STP" else None,
            tif=self.tif,
            order_ref=self.order_ref,
        )


class ForeignPosition(_ForeignFault, frozen=True, kw_only=True):
    """The login holds something else of the same ticker: an option, a foreign listing, the stock in another account."""

    quantity: float = 1.0
    """Shares or contracts; negative: sold short, as a covered call."""
    price: Annotated[float, Meta(gt=0)] = 1.0
    """Cost of each."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(self.prepare), RunExchangeAction(self._hold))

    def _hold(self, exchange: Exchange) -> list[Report]:
        return exchange.transfer(name_of(self.contract), self.quantity, account=self.account, price=self.price)


class Transfer(Fault, frozen=True, kw_only=True):
    """Shares come into the account, or leave it, without an order: a transfer, or (0.05) a dividend reinvested."""

    symbol: Symbol
    """Symbol."""
    quantity: float
    """Shares; negative: they leave."""
    price: Annotated[float, Meta(gt=0)] | None = None
    """Cost of each. Default: as of those held, or the last price."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.transfer(self.symbol, self.quantity, price=self.price)))
