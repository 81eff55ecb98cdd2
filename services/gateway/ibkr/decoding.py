"""The messages of IB Gateway, decoded from their raw fields: orders, executions, commissions, positions. Pure.

The library's own decoder swallows what it can't read, drops the time of a completed order, and reads times in the
wrong zone. So this file reads the fields itself, and raises Undecodable for what does not say what it should. The
layouts are those of the server versions 157 to 178; a field that the fleet does not use is passed over unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import msgspec
from msgspec.structs import replace

from messages.broker import BrokerCommission, BrokerExecution, BrokerOrder, BrokerPosition
from services.gateway.ibkr.fields import Fields, Undecodable, number_of
from services.gateway.ibkr.times import UnknownZone, wall_time, when

__all__ = [
    "STATUSES",
    "ContractDetails",
    "OrderStatus",
    "commission_of",
    "completed_of",
    "contract_of",
    "execution_of",
    "market_rule_of",
    "open_order_of",
    "order_key",
    "order_status_of",
    "position_of",
    "subject_of",
    "with_status",
]

STATUSES = {"ApiPending": "PendingSubmit", "ApiCancelled": "Cancelled"}
"""Statuses that only a client's library has: an order that is not sent yet, and one cancelled before it was sent."""

WORKING = frozenset({"PendingSubmit", "PreSubmitted", "Submitted"})

SIDES = {"BOT": "BUY", "SLD": "SELL"}

CONDITIONS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
"""How many fields a condition of an order has after its type: price, time, margin, execution, volume, change."""


class OrderStatus(msgspec.Struct, frozen=True):
    """IBKR's orderStatus."""

    order_id: int
    status: str
    filled: float
    remaining: float
    avg_price: float
    perm_id: int
    parent_id: int
    why_held: str


class ContractDetails(msgspec.Struct, frozen=True):
    """What the fleet uses of IBKR's contract details. `rules`: the numbers of its market rules, by exchange."""

    con_id: int
    ticker: str
    rules: dict[str, int]


def order_key(order_id: int, perm_id: int) -> int:
    """The key under which the edge keeps an order: its permId, or while it has none, its negative order id."""
    return perm_id or -order_id


def open_order_of(fields: Sequence[str], version: int) -> BrokerOrder:
    """An openOrder: the order's terms and its status. What filled comes with the orderStatus."""
    f = Fields(fields)
    f.skip(1, "the message's number")
    order_id = f.integer("orderId")
    contract = _contract(f)
    side, quantity, order_type = f.text("action"), f.number("totalQuantity"), f.text("orderType")
    limit_price, aux_price, tif = f.price("lmtPrice"), f.price("auxPrice"), f.text("tif")
    oca_group, account = f.text("ocaGroup"), f.text("account")
    f.expect("openClose", "origin")
    reference, client_id, perm_id = f.text("orderRef"), f.integer("clientId"), f.integer("permId")
    f.expect("outsideRth", "hidden", "discretionaryAmt", "goodAfterTime", "sharesAllocation")
    f.expect("faGroup", "faMethod", "faPercentage")
    f.skip(1 if version < 177 else 0, "faProfile")
    f.expect("modelCode", "goodTillDate", "rule80A", "percentOffset", "settlingFirm", "shortSaleSlot")
    f.expect("designatedLocation", "exemptCode", "auctionStrategy", "startingPrice", "stockRefPrice", "delta")
    f.expect("stockRangeLower", "stockRangeUpper", "displaySize", "blockOrder", "sweepToFill", "allOrNone", "minQty")
    oca_type = f.integer("ocaType")
    f.expect("eTradeOnly", "firmQuoteOnly", "nbboPriceCap")
    parent_id = f.integer("parentId")
    f.expect("triggerMethod", "volatility", "volatilityType")
    _delta_neutral(f, 8)
    f.expect("continuousUpdate", "referencePriceType")
    f.text("trailStopPrice")  # it comes again further on
    trailing_pct = f.price("trailingPercent")
    f.expect("basisPoints", "basisPointsType")
    _combo_and_scale(f)
    f.expect("optOutSmartRouting")
    _clearing_and_algo(f)
    f.expect("solicited", "whatIf")
    status = f.text("status")
    trail_stop_price, limit_offset = _trail_of(f, order_type)
    return _order(
        contract,
        order_id=order_id,
        client_order_id=reference,
        perm_id=perm_id,
        client_id=client_id,
        side=side,
        order_type=order_type,
        quantity=quantity,
        status=status,
        parent_id=parent_id,
        limit_price=limit_price,
        aux_price=aux_price,
        trailing_pct=trailing_pct,
        trail_stop_price=trail_stop_price,
        limit_offset=limit_offset,
        tif=tif,
        account=account,
        oca_group=oca_group,
        oca_type=oca_type,
    )


def _trail_of(f: Fields, order_type: str) -> tuple[float | None, float | None]:
    """(trailStopPrice, lmtPriceOffset), the last fields in use. Only trailing orders depend on them."""
    try:
        f.skip(14, "the margins, the commission and the warning")
        f.expect("randomizeSize", "randomizePrice")
        _pegged_and_conditions(f, order_type)
        f.expect("adjustedOrderType", "triggerPrice")
        return f.price("trailStopPrice"), f.price("lmtPriceOffset")
    except Undecodable:
        if order_type.startswith("TRAIL"):
            raise
        return None, None  # real world: a person's order with a condition of a kind that is new


def completed_of(fields: Sequence[str], version: int, gateway_zone: tzinfo) -> tuple[BrokerOrder, str]:
    """A completed order, and what is wrong with its time. It has no order id, and its quantity is 0 if it filled."""
    f = Fields(fields)
    f.skip(1, "the message's number")
    contract = _contract(f)
    side, quantity, order_type = f.text("action"), f.number("totalQuantity"), f.text("orderType")
    limit_price, aux_price, tif = f.price("lmtPrice"), f.price("auxPrice"), f.text("tif")
    oca_group, account = f.text("ocaGroup"), f.text("account")
    f.expect("openClose", "origin")
    reference, perm_id = f.text("orderRef"), f.integer("permId")
    f.expect("outsideRth", "hidden", "discretionaryAmt", "goodAfterTime", "faGroup", "faMethod", "faPercentage")
    f.skip(1 if version < 177 else 0, "faProfile")
    f.expect("modelCode", "goodTillDate", "rule80A", "percentOffset", "settlingFirm", "shortSaleSlot")
    f.expect("designatedLocation", "exemptCode", "startingPrice", "stockRefPrice", "delta")
    f.expect("stockRangeLower", "stockRangeUpper", "displaySize", "sweepToFill", "allOrNone", "minQty")
    oca_type = f.integer("ocaType")
    f.expect("triggerMethod", "volatility", "volatilityType")
    _delta_neutral(f, 4)
    f.expect("continuousUpdate", "referencePriceType")
    f.text("trailStopPrice")
    trailing_pct = f.price("trailingPercent")
    _combo_and_scale(f)
    _clearing_and_algo(f)
    f.expect("solicited")
    status = f.text("status")
    f.expect("randomizeSize", "randomizePrice")
    _pegged_and_conditions(f, order_type)
    trail_stop_price, limit_offset = f.price("trailStopPrice"), f.price("lmtPriceOffset")
    f.expect("cashQty", "dontUseAutoPriceForHedge", "isOmsContainer", "autoCancelDate")
    filled = f.number("filledQuantity")
    f.expect("refFuturesConId", "autoCancelParent", "shareholder", "imbalanceOnly", "routeMarketableToBbo")
    f.expect("parentPermId")
    completed, ended = f.text("completedTime"), f.text("completedStatus")
    order = _order(
        contract,
        order_id=0,
        client_order_id=reference,
        perm_id=perm_id,
        client_id=0,
        side=side,
        order_type=order_type,
        quantity=quantity,
        status=status,
        parent_id=0,
        limit_price=limit_price,
        aux_price=aux_price,
        trailing_pct=trailing_pct,
        trail_stop_price=trail_stop_price,
        limit_offset=limit_offset,
        tif=tif,
        account=account,
        oca_group=oca_group,
        oca_type=oca_type,
    )
    completed_ns, trouble = 0, ""
    try:
        completed_ns = when(completed, gateway_zone) if completed else 0
    except Undecodable as error:
        trouble = str(error)
    return replace(order, completed_status=ended or status, filled=filled, completed_ns=completed_ns), trouble


def order_status_of(fields: Sequence[str]) -> OrderStatus:
    """An orderStatus. An order of which nothing remains is filled, whatever its status says."""
    f = Fields(fields)
    f.skip(1, "the message's number")
    order_id, status = f.integer("orderId"), f.text("status")
    filled, remaining, avg_price = f.number("filled"), f.number("remaining"), f.number("avgFillPrice")
    perm_id, parent_id = f.integer("permId"), f.integer("parentId")
    f.expect("lastFillPrice", "clientId")
    status = STATUSES.get(status, status)
    if not remaining and filled > 0.0 and status in WORKING:
        status = "Filled"
    return OrderStatus(order_id, status, filled, remaining, avg_price, perm_id, parent_id, f.text("whyHeld"))


def with_status(terms: BrokerOrder, status: OrderStatus) -> BrokerOrder:
    """An order's terms with the values of its orderStatus."""
    return replace(
        terms,
        perm_id=status.perm_id or terms.perm_id,
        status=status.status,
        filled=status.filled,
        avg_price=status.avg_price,
        why_held=status.why_held,
        parent_id=status.parent_id,
    )


def execution_of(fields: Sequence[str], gateway_zone: tzinfo, now_ns: int) -> tuple[int, BrokerExecution, str]:
    """An execution: (the request that it answers, or -1; the execution; what is wrong with its time).

    Its time has whole seconds. An execution whose time can't be read still counts: its time is then the best guess,
    which is never later than `now_ns`.
    """
    f = Fields(fields)
    f.skip(1, "the message's number")
    request_id, order_id = f.integer("reqId"), f.integer("orderId")
    contract = _contract(f)
    exec_id, time = f.text("execId"), f.text("time")
    account = f.text("acctNumber")
    f.expect("exchange")
    side, shares, price = f.text("side"), f.number("shares"), f.number("price")
    perm_id, client_id = f.integer("permId"), f.integer("clientId")
    f.expect("liquidation")
    cum_quantity, avg_price, reference = f.number("cumQty"), f.number("avgPrice"), f.text("orderRef")
    if not exec_id:
        raise Undecodable("an execution without an execId")
    if side not in SIDES:
        raise Undecodable(f"the side of an execution is {side[:20]!r}")
    time_ns, trouble = _time_of(time, gateway_zone, now_ns)
    return (
        request_id,
        BrokerExecution(
            exec_id=exec_id,
            client_order_id=reference,
            order_id=order_id,
            perm_id=perm_id,
            client_id=client_id,
            symbol=contract.symbol,
            side=SIDES[side],
            quantity=shares,
            price=price,
            cum_quantity=cum_quantity,
            avg_price=avg_price,
            account=account,
            time_ns=time_ns,
            con_id=contract.con_id,
            sec_type=contract.sec_type,
            currency=contract.currency,
            time_guessed=bool(trouble),
        ),
        trouble,
    )


def _time_of(text: str, gateway_zone: tzinfo, now_ns: int) -> tuple[int, str]:
    try:
        return when(text, gateway_zone), ""
    except UnknownZone as error:
        return min(wall_time(text, gateway_zone), now_ns), str(error)
    except Undecodable as error:
        return now_ns, str(error)


def commission_of(fields: Sequence[str]) -> BrokerCommission:
    """A commission. Its realized profit is None if it has no value."""
    f = Fields(fields)
    f.expect("the message's number", "version")
    exec_id, commission, currency = f.text("execId"), f.number("commission"), f.text("currency")
    return BrokerCommission(exec_id, commission, currency, number_of(f.text("realizedPNL"), "realizedPNL"))


def position_of(fields: Sequence[str]) -> tuple[BrokerPosition, str]:
    """A position of the account, and what is wrong with its average cost, which is then 0."""
    f = Fields(fields)
    f.expect("the message's number", "version")
    account = f.text("account")
    contract = _contract(f)
    quantity, avg_cost, trouble = f.number("position"), 0.0, ""
    try:
        avg_cost = f.number("avgCost")
    except Undecodable as error:
        trouble = str(error)
    position = BrokerPosition(
        account, contract.symbol, quantity, avg_cost, contract.con_id, contract.sec_type, contract.currency
    )
    return position, trouble


def contract_of(fields: Sequence[str], version: int) -> tuple[int, ContractDetails]:
    """Contract details: (the request that they answer, the contract)."""
    f = Fields(fields)
    f.skip(2 if version < 164 else 1, "the message's number")
    request_id, ticker = f.integer("reqId"), f.text("symbol")
    f.expect("secType", "lastTradeDate", "strike", "right", "exchange", "currency", "localSymbol", "marketName")
    f.expect("tradingClass")
    con_id = f.integer("conId")
    f.expect("minTick")
    f.skip(1 if version < 164 else 0, "mdSizeMultiplier")
    f.expect("multiplier", "orderTypes")
    exchanges = f.text("validExchanges").split(",")
    f.skip(13, "the description")
    f.skip(2 * f.count("secIdListCount"), "secIdList")
    f.expect("aggGroup", "underSymbol", "underSecType")
    rules = f.text("marketRuleIds").split(",")
    return request_id, ContractDetails(con_id, ticker, _rules(exchanges, rules))


def _rules(exchanges: list[str], rules: list[str]) -> dict[str, int]:
    """The number of the market rule of each exchange. If the broker names none, it is empty."""
    found = {}
    for exchange, rule in zip(exchanges, rules, strict=False):
        if rule.isdecimal() and rule.isascii():
            found[exchange] = int(rule[:9])
    return found


def market_rule_of(fields: Sequence[str]) -> tuple[int, tuple[tuple[float, float], ...]]:
    """A market rule: (its number, its steps as (lowest price, increment))."""
    f = Fields(fields)
    f.skip(1, "the message's number")
    number = f.integer("marketRuleId")
    steps = [(f.number("lowEdge"), f.number("increment")) for _ in range(f.count("nPriceIncrements"))]
    if any(increment <= 0.0 or low < 0.0 for low, increment in steps):
        raise Undecodable(f"the steps of market rule {number} are impossible")
    return number, tuple(steps)


def subject_of(fields: Sequence[str]) -> tuple[int, str]:
    """The order that a message is about, as far as that can be read: (its order id or 0, its reference or '')."""
    at = {"3": (1, 0), "5": (1, 23), "11": (2, 26), "101": (0, 22)}.get(fields[0] if fields else "", (0, 0))
    number, reference = (fields[i] if 0 < i < len(fields) else "" for i in at)
    return (int(number) if number.isdecimal() and number.isascii() and len(number) < 10 else 0), reference


class _Contract(msgspec.Struct, frozen=True):
    con_id: int
    symbol: str
    sec_type: str
    currency: str


def _contract(f: Fields) -> _Contract:
    con_id, symbol, sec_type = f.integer("conId"), f.text("symbol"), f.text("secType")
    f.expect("lastTradeDate", "strike", "right", "multiplier", "exchange")
    currency = f.text("currency")
    f.expect("localSymbol", "tradingClass")
    return _Contract(con_id, symbol, sec_type, currency)


def _order(
    contract: _Contract,
    *,
    order_id: int,
    client_order_id: str,
    perm_id: int,
    client_id: int,
    side: str,
    order_type: str,
    quantity: float,
    status: str,
    parent_id: int,
    limit_price: float | None,
    aux_price: float | None,
    trailing_pct: float | None,
    trail_stop_price: float | None,
    limit_offset: float | None,
    tif: str,
    account: str,
    oca_group: str,
    oca_type: int,
) -> BrokerOrder:
    """An order without what filled of it. Only the prices that its type uses are kept."""
    trailing = order_type.startswith("TRAIL")
    return BrokerOrder(
        client_order_id=client_order_id,
        order_id=order_id,
        perm_id=perm_id,
        client_id=client_id,
        symbol=contract.symbol,
        side=side,
        order_type=order_type,
        quantity=quantity,
        status=STATUSES.get(status, status),
        why_held="",
        filled=0.0,
        avg_price=0.0,
        parent_id=parent_id,
        limit_price=limit_price if order_type in ("LMT", "STP LMT") else None,
        stop_price=aux_price if order_type in ("STP", "STP LMT") else None,
        trailing_pct=trailing_pct,
        trail_stop_price=trail_stop_price if trailing else None,
        tif=tif,
        account=account,
        oca_group=oca_group,
        oca_type=oca_type,
        limit_offset=limit_offset if trailing else None,
        con_id=contract.con_id,
        sec_type=contract.sec_type,
        currency=contract.currency,
    )


# Parts of an order whose length depends on the order. The fleet uses nothing of them.


def _delta_neutral(f: Fields, count: int) -> None:
    order_type = f.text("deltaNeutralOrderType")
    f.expect("deltaNeutralAuxPrice")
    f.skip(count if order_type else 0, "deltaNeutral")


def _combo_and_scale(f: Fields) -> None:
    f.expect("comboLegsDescrip")
    f.skip(8 * f.count("comboLegsCount"), "comboLegs")
    f.skip(f.count("orderComboLegsCount"), "orderComboLegs")
    f.skip(2 * f.count("smartComboRoutingParamsCount"), "smartComboRoutingParams")
    f.expect("scaleInitLevelSize", "scaleSubsLevelSize")
    f.skip(7 if f.price("scalePriceIncrement") else 0, "scale")
    f.skip(1 if f.text("hedgeType") else 0, "hedgeParam")


def _clearing_and_algo(f: Fields) -> None:
    f.expect("clearingAccount", "clearingIntent", "notHeld")
    f.skip(3 if f.integer("deltaNeutralContract") else 0, "deltaNeutralContract")
    if f.text("algoStrategy"):
        f.skip(2 * f.count("algoParamsCount"), "algoParams")


def _pegged_and_conditions(f: Fields, order_type: str) -> None:
    f.skip(5 if order_type in ("PEG BENCH", "PEGBENCH") else 0, "pegged")
    count = f.count("conditionsCount")
    for _ in range(count):
        kind = f.integer("conditionType")
        if kind not in CONDITIONS:
            raise Undecodable(f"an order's condition has the unknown type {kind}")
        f.skip(CONDITIONS[kind], "condition")
    f.skip(2 if count else 0, "conditions")
