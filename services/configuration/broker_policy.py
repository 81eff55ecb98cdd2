"""The switches of the simulated broker: behaviour of IBKR that is hardly documented, or only inferred.

Each field is a switch with its default. Its annotation has the meaning and the evidence. The table of switches and the
messages about wrong values (`broker_switches.py`) are made from it. Evidence marks: [D] IBKR's documents, [R] recorded
frames of real gateways, [C] third parties' reports, [I] inferred.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "AccountKind",
    "BaseCurrency",
    "ChildChange",
    "ChildOnPartialFill",
    "CompletedOrdersTold",
    "ExecutionTimeForm",
    "ExecutionsTold",
    "FarLimits",
    "FilledTold",
    "OffHoursWord",
    "OnSplit",
    "OrderPriceGrid",
    "Policy",
    "RejectedAs",
]


class ChildOnPartialFill(StrEnum):
    """What an attached child does while its parent is partly filled."""

    AT_ONCE = "active_at_once"
    AT_FULL_FILL = "at_full_fill"
    FOLLOWS = "follows_the_fill"


class ChildChange(StrEnum):
    """Which changes of an attached order are accepted, as to the OCA group that the broker gave it."""

    LEFT_OUT = "group_left_out"
    NAMED = "group_named"
    NONE = "none"


class FarLimits(StrEnum):
    """What becomes of an order whose limit is far beyond the market when it could fill."""

    FILL = "fill"
    IMMEDIATE_END = "immediate_end"
    ALL_END = "all_end"


class FilledTold(StrEnum):
    """Which messages tell that an order is filled, besides its executions."""

    TWICE = "twice"
    ONCE = "once"
    OPEN_ORDER = "by_open_order"
    STATUS = "by_status"
    EXECUTION = "by_execution"


class ExecutionsTold(StrEnum):
    """Which executions are told on request."""

    MIDNIGHT = "since_midnight"
    SEVEN_DAYS = "seven_days"


class CompletedOrdersTold(StrEnum):
    """Which completed orders are told on request, and whether the answer ends."""

    MIDNIGHT = "since_midnight"
    SEVEN_DAYS = "seven_days"
    NEVER = "never"
    NEVER_ENDED = "never_ended"


class ExecutionTimeForm(StrEnum):
    """How the time of an execution is spelled, for clients from server version 174 on."""

    EASTERN = "us_eastern"
    UTC = "utc"
    UTC_DASH = "utc_dash"
    JST = "jst"


class RejectedAs(StrEnum):
    """The status in which a rejected order ends."""

    INACTIVE = "Inactive"
    CANCELLED = "Cancelled"


class OnSplit(StrEnum):
    """What becomes of GTC and GTD orders when their stock splits."""

    CANCELLED = "cancelled"
    KEPT = "kept"
    ADJUSTED = "adjusted"


class OrderPriceGrid(StrEnum):
    """The price steps of orders from a dollar on; below it they are a hundredth of a cent."""

    CENT = "cent"
    HALF_CENT = "half_cent"
    NICKEL = "nickel"


class OffHoursWord(StrEnum):
    """How warning 399 spells the second word of `Warning: Your order`."""

    CAPITAL = "Your"
    SMALL = "your"


class AccountKind(StrEnum):
    """Whether an account may borrow."""

    MARGIN = "margin"
    CASH = "cash"


class BaseCurrency(StrEnum):
    """The currency in which a whole account is valued."""

    USD = "USD"
    EUR = "EUR"
    GBP = "GBP"
    CHF = "CHF"
    CAD = "CAD"
    AUD = "AUD"
    JPY = "JPY"
    HKD = "HKD"


def _means(
    text: str, evidence: str, *, ge: float | None = None, le: float | None = None, gt: float | None = None
) -> Meta:
    if gt is not None:
        return Meta(description=text, extra={"evidence": evidence}, gt=gt)
    return Meta(description=text, extra={"evidence": evidence}, ge=ge, le=le)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Broker behaviour as switches. The defaults follow the most evidence."""

    # Attached orders

    trail_child_needs_limit_parent: Annotated[
        bool,
        _means("a trailing stop is refused (328) as the child of anything but LMT and STP LMT", "[R] [D] error 328"),
    ] = True
    trail_child_on_stop_parent: Annotated[
        bool, _means("… except on a plain STP, which takes a trailing child too", "[I] from the text of error 328")
    ] = False
    trail_child_starts_from_fill: Annotated[
        bool,
        _means("an attached trailing stop starts from the price of its parent's fill, not from the market's", "[I]"),
    ] = False
    adjustable_child_works: Annotated[
        bool,
        _means(
            "an attached adjustable stop goes live; otherwise it stays untransmitted", "[C] ib_insync#216, unanswered"
        ),
    ] = True
    child_oca_overwritten: Annotated[
        bool, _means("a child's own OCA group is replaced by its parent's permId and type 3", "[R] [C]")
    ] = True
    child_change: Annotated[
        ChildChange,
        _means(
            "which changes of an attached order are accepted: those that leave its OCA group out or name it, those "
            "that name it, or none; others get 10326",
            "[C] nautilus#2978, #2699: left out is accepted, another group is refused; some report any refused",
        ),
    ] = ChildChange.LEFT_OUT
    child_on_partial_fill: Annotated[
        ChildOnPartialFill,
        _means(
            "what a child does while its parent is partly filled: live in full, held until the parent is filled, or "
            "live for as many shares as the parent has",
            "[I], [C] an active stop under a part-filled parent",
        ),
    ] = ChildOnPartialFill.FOLLOWS
    child_survives_parent_cancel: Annotated[
        bool, _means("children of an unfilled parent outlive its cancellation", "[D] says they go with it")
    ] = False
    oca_client_cancel_cascades: Annotated[
        bool, _means("a client's cancel of one member of an OCA group cancels the rest", "[D]")
    ] = True

    oca_overfills_without_block: Annotated[
        bool,
        _means(
            "orders of an OCA group of type 3 that one movement reaches fill together before any is reduced",
            "[D] type 3 has no overfill protection",
        ),
    ] = False
    other_clients_may_cancel: Annotated[
        bool,
        _means("a client may cancel the orders of another; otherwise 10147", "[R] it worked, twice; [D] says no"),
    ] = True
    order_ids_must_rise: Annotated[
        bool,
        _means(
            "a new order whose id is below the highest accepted one of its client is refused (103), and so is the "
            "id 0 (10149)",
            "[C] read in a gateway's program, and a report",
        ),
    ] = True
    cancelled_id_is_a_change: Annotated[
        bool,
        _means(
            "an order under the id of a cancelled one is refused as a change of it (104); otherwise as a duplicate "
            "(103)",
            "[C] read in a gateway's program",
        ),
    ] = True
    tif_may_change: Annotated[
        bool,
        _means("a change may name another time in force; otherwise 462", "[C] logs of users, a gateway's program"),
    ] = False
    far_limits: Annotated[
        FarLimits,
        _means(
            "what becomes of an order whose limit is `far_limit_pct` or more beyond the price at which it would fill: "
            "it fills; IOC and FOK orders end unfilled and others fill; or all end, the others with 202",
            "[R] an IOC and a FOK at 20 %; [I] others: the broker's price check is documented for all",
        ),
    ] = FarLimits.IMMEDIATE_END
    far_limit_pct: Annotated[
        float, _means("percent beyond the market from which a limit is far", "[I] 20 was seen to be too much", gt=0)
    ] = 10.0

    # Trailing stops and triggers

    ratchet_outside_rth: Annotated[
        bool, _means("trailing stops follow the market before the open and after the close too", "[I]")
    ] = False
    report_trail_ratchet: Annotated[
        bool, _means("each move of a trailing stop is told by openOrder and orderStatus", "[I] the rate is unknown")
    ] = True
    trail_told_every_s: Annotated[
        float,
        _means("least market seconds between two reports of a trailing stop's moves", "[I] the rate is unknown", ge=0),
    ] = 0.0
    stops_trade_outside_rth: Annotated[
        bool,
        _means(
            "STP and TRAIL orders keep `outsideRth`; otherwise it is taken off with a warning (2109), as from MKT",
            "[R] gateway 10.40",
        ),
    ] = False
    last_filtered_to_quote: Annotated[
        bool, _means("a trade more than 0.5 % off the quote triggers nothing", "[C] IBKR's support")
    ] = False

    # How things are told

    pairs_told_twice: Annotated[bool, _means("openOrder and orderStatus of each change come twice", "[R] often")] = (
        False
    )
    resting_told_before: Annotated[
        bool, _means("a limit order is PreSubmitted before it is Submitted", "[R] both occur")
    ] = False
    filled_told: Annotated[
        FilledTold,
        _means(
            "how the status Filled is told: by openOrder and orderStatus, and by both again with the commission in "
            "it; by both once; by one of the two; or by neither, so that only executions say it",
            "[R] twice; [D] no orderStatus is promised",
        ),
    ] = FilledTold.TWICE
    filled_before_execution: Annotated[
        bool, _means("the status Filled comes before execDetails", "[R] [D] no order is guaranteed")
    ] = False
    partial_fill_told_in_full: Annotated[
        bool, _means("a partial fill is told by openOrder and orderStatus, not by orderStatus alone", "[D] [I]")
    ] = False
    off_hours_word: Annotated[
        OffHoursWord, _means("how warning 399 goes on after `Warning:`", "[R] [C] both are seen")
    ] = OffHoursWord.CAPITAL
    old_clients_get_lots: Annotated[
        bool,
        _means("clients below server version 159 get the sizes of market data in round lots of 100", "[I]"),
    ] = True
    preset_tif_told: Annotated[
        bool,
        _means("an order that names no time in force is warned about (10349), and works as a DAY order", "[C]"),
    ] = False
    global_cancel_tells_done: Annotated[
        bool,
        _means("a global cancel tells each order that was cancelled before, since midnight, by 161", "[R] [I]"),
    ] = True
    modify_refused_while_new: Annotated[
        bool, _means("an order that met no market event yet can't be modified (2102)", "[D] error 2102")
    ] = False
    account_told_every_s: Annotated[
        float,
        _means(
            "market seconds after which account values and portfolio are told again, with the next price (0: never)",
            "[D] every three minutes",
            ge=0,
        ),
    ] = 180.0
    execution_time: Annotated[
        ExecutionTimeForm,
        _means(
            "how times of executions are spelled from server version 174 on: `20260116 09:31:00 US/Eastern`, the same "
            "in UTC, `20260116-14:31:00` (UTC without saying so), or `20260116 23:31:00 JST`, a zone that few know",
            "[R] US/Eastern, on a machine in another zone; [D] [C] the others",
        ),
    ] = ExecutionTimeForm.EASTERN

    # How much is remembered

    executions_told: Annotated[
        ExecutionsTold,
        _means(
            "which executions are told on request: those since midnight in New York, or of seven days",
            "[D] since midnight, unless TWS's trade log is set to more",
        ),
    ] = ExecutionsTold.MIDNIGHT
    completed_orders_told: Annotated[
        CompletedOrdersTold,
        _means(
            "which completed orders are told on request: those since midnight in New York, or of seven days; with "
            "`never` none, with `never_ended` those since midnight in an answer that never ends",
            "[I] as executions; [C] answers that never end",
        ),
    ] = CompletedOrdersTold.MIDNIGHT

    # How much a client may ask

    market_data_lines: Annotated[
        int, _means("quotes that one client may stream at once; one more gets 101", "[D] 100 for a plain account", ge=0)
    ] = 100
    tick_by_tick_lines: Annotated[
        int,
        _means("streams of single ticks that one client may have; one more gets 10190", "[D] 3 for 100 lines", ge=0),
    ] = 3
    messages_per_s: Annotated[
        int,
        _means(
            "messages a client may send in a second of the machine's time: more get 100, and the third such second "
            "ends the connection (0: any number)",
            "[D] 50; off, since a market that runs faster than time is asked faster",
            ge=0,
        ),
    ] = 0

    # How long orders last

    day_orders_linger_s: Annotated[
        float, _means("seconds after the close at which DAY orders end", "[D] within five minutes", ge=0)
    ] = 0.0
    gtc_ends_after_next_quarter: Annotated[
        bool,
        _means("a GTC order ends with the calendar quarter after that in which it was placed or last changed", "[D]"),
    ] = True

    gtc_ends_after_days_away: Annotated[
        int,
        _means("days without a client connected after which all GTC orders end (0: never)", "[D] 90 days", ge=0),
    ] = 90
    gtc_on_split: Annotated[
        OnSplit,
        _means(
            "what becomes of GTC and GTD orders at a split; kept ones keep their old prices",
            "[D] cancelled; [C] some survive",
        ),
    ] = OnSplit.CANCELLED
    gtc_stop_reduced_by_dividend: Annotated[
        bool, _means("GTC sell stops and buy limits come down by a dividend", "[D] [I] thin")
    ] = False

    # The market

    price_grid: Annotated[
        OrderPriceGrid,
        _means(
            "the price steps that orders are held to from a dollar on (error 110), and the market rule that contract "
            "details name: 26 for cents, 612 and 613, which are made up, for half cents and nickels",
            "[D] Regulation NMS, rule 612; its half cents of 2024; the Tick Size Pilot's nickels",
        ),
    ] = OrderPriceGrid.CENT
    fractional_shares: Annotated[
        bool,
        _means(
            "orders for fractions of a share are taken, to four digits, but for trailing ones; otherwise 10243, and "
            "10242 for a change",
            "[C] no project trades them through the socket; [I] which types could be",
        ),
    ] = False
    partial_fills: Annotated[
        bool, _means("an event fills no more than it displays or trades; the rest waits", "[D] sizes are what is there")
    ] = True
    slippage_bps: Annotated[
        float, _means("basis points by which orders without a limit fill worse than the market shows", "[I]", ge=0)
    ] = 0.0
    block_print_shares: Annotated[
        float,
        _means("trades of so many shares or more trigger nothing (0: all do)", "[C] block prints off the market", ge=0),
    ] = 0.0
    limit_up_limit_down: Annotated[
        bool,
        _means(
            "a trade outside of the price band doesn't happen: the stock pauses for five minutes", "[D] the LULD plan"
        ),
    ] = False

    # Money

    account_kind: Annotated[
        AccountKind,
        _means(
            "what the accounts of the login are: `cash` pays with settled money only, borrows nothing and sells "
            "nothing short (so no good-faith violation can arise)",
            "[D]",
        ),
    ] = AccountKind.MARGIN
    base_currency: Annotated[
        BaseCurrency,
        _means(
            "the currency in which a whole account is told; cash and stocks of each currency are told in that, with "
            "its exchange rate",
            "[D]",
        ),
    ] = BaseCurrency.USD
    usd_in_base: Annotated[
        float, _means("what a dollar is worth in another base currency, all the time", "[I] a rate of one's own", gt=0)
    ] = 1.0
    base_cash_part: Annotated[
        float,
        _means(
            "how much of the first cash lies in another base currency; 1: there are no dollars, and nothing is told "
            "of them",
            "[I]",
            ge=0,
            le=1,
        ),
    ] = 0.0
    exchange_rate_told: Annotated[bool, _means("the rates of currencies are told", "[D] ExchangeRate")] = True
    commission_in_base: Annotated[
        bool, _means("commissions are told, and paid, in the base currency", "[I] reports name their currency")
    ] = False
    funds_checked: Annotated[
        bool,
        _means(
            "an order that the account can't pay for, or that sells short where it may not, is rejected (201)", "[D]"
        ),
    ] = True
    rejected_as: Annotated[RejectedAs, _means("the status of a rejected order", "[R] [C] both occur")] = (
        RejectedAs.INACTIVE
    )
    rejection_before_status: Annotated[
        bool, _means("error 201 comes before the status of the rejected order", "[R] [C] both occur")
    ] = True
    realized_pnl_resets_daily: Annotated[
        bool, _means("the realized profit that account, portfolio and reqPnL show is today's", "[I] as TWS shows it")
    ] = True
