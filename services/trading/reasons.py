"""Every reason code that `crazy status` can show, with its meaning: the only table of them.

A code is the `why`, `reason` or `cancel_reason` of a core. Add a line here for each new code, in its group (a test
reads the cores and fails if one is missing), and renew the page:

python -m services.trading.reasons > docs/reasons.md
"""

from __future__ import annotations

__all__ = ["REASONS", "markdown", "meaning"]

GROUPS: dict[str, dict[str, str]] = {
    "Nothing is wrong": {
        "session_closed": "The market is closed.",
        "open_delay": "The session has just opened: the first seconds (`entries.open_delay_s`) are left alone.",
        "closing": "Too near to the close for a new entry (`entries.cancel_before_close_minutes`).",
        "waits_for_trigger": "The entry rests at the broker and waits for its trigger price.",
        "entry_triggered": "The entry's trigger was reached; its fill is awaited.",
        "entry_filling": "The entry has filled in part; the rest has `entries.partial_fill_s` to follow.",
        "protected_by_stop": "Shares are held, and their stop rests at the broker.",
        "armed": "The cooldown is over: the next usable price arms an entry.",
        "stopped_out": "The stop sold everything. The symbol rests for `cooldowns.after_stopout_minutes`.",
    },
    "The price does not serve": {
        "no_trade_yet": "The symbol has not traded in this session. Yesterday's close is no reference.",
        "no_market_data": "The broker refuses the symbol's prices, with this code: 101 too many lines, 200 no such "
        "security, 354 or 10089 no subscription, 10197 another session of the login has the data.",
        "feed_stale": "No prices of the symbol have come for too long, nor by a new stream (`ibkr.feed_stale_s`).",
        "no_quote": "The gateway has no price of the symbol.",
        "contract_unknown": "The broker has not yet said which contract the ticker is.",
        "contract_quarantined": "The broker no longer knows the ticker, or it means another contract. Shares stay "
        "protected; no entry is made until it is the contract that it was.",
        "price_stale": "The last trade is old and lies outside bid and ask: it says nothing about the market now.",
        "price_through_trigger": "The price was at or through the trigger when the entry was to be sent: a new "
        "reference is taken.",
        "price_band": "The trigger is implausibly far from the market that it would be sent into.",
        "price_above_allocation": "One share costs more than `allocation.per_symbol_usd` allows.",
        "delayed_data": "The price is delayed, and delayed prices may not lead to entries (`ibkr.allow_delayed`).",
        "halted": "The exchange has halted the symbol.",
        "no_trade_since_halt": "The halt is over, and nobody has traded since: the old price is no reference.",
    },
    "Entries are stopped": {
        "paused": "The operator paused entries. `crazy resume` ends it.",
        "links_down": "A link to the broker is down, or the book is not reconciled yet.",
        "clock_stale": "The clock process is silent, so nobody knows what time it is in the market.",
        "clock_off": "This machine's clock is more than a second from the broker's. Synchronize it (NTP).",
        "disk_full": "Hardly any room is left on the disk of the fleet's records. What is held stays protected.",
        "live_unconfirmed": "Live trading is not confirmed, or no longer. `crazy golive` confirms it.",
        "wrong_account": "The login has not the account that this fleet is for. Nothing at all is sent.",
        "shares_found": "Shares were found under a stop of the fleet, without a record of their purchase. They stay "
        "protected; `crazy adopt --found` accepts them.",
        "wrong_client_id": "The fleet's live orders belong to another `ibkr.client_id`. Nothing at all is sent.",
        "other_client_id": "Orders of the fleet rest under another `ibkr.client_id`: they can't be changed with this "
        "one. What is held stays protected.",
        "removal_pending": "The symbol was removed from the watchlist. It leaves once nothing of it is held.",
        "observed": "The fleet only observes: the entry was recorded and not sent. One a session is enough.",
        "session_break": "The exchange has its midday break.",
        "session_not_open": "The session was not open (any more) when the entry was to be sent.",
        "not_rearmed": "An entry ended unfilled, `entries.rearm_next_session` is off: `crazy resume SYMBOL` arms it.",
        "message_refused": "A message could not be handled, so the symbol's entries are paused. The log has the error.",
        "position_mismatch": "The account's position differs from the bot's own shares: somebody traded by hand. "
        "Entries wait until they agree.",
        "protection_refused": "A stop should be cancelled or made smaller, and that is refused: the account holds "
        "shares that may be the bot's, or the broker's answers do not agree. The stop stays. Compare with TWS.",
        "position_open": "Shares are held already.",
        "oversold": "More was sold for the bot than it had bought: two orders filled where one was meant. Buy the "
        "shares back by hand, then `crazy adopt` them.",
        "account_short": "The account is short of the symbol.",
        "entry_live": "An earlier entry of the symbol may still be live at the broker.",
        "sell_live": "A stop of shares that are gone may still be live at the broker: it would sell what is bought.",
        "entry_ending": "The last entry's end is not confirmed yet.",
        "placed_before": "This entry was sent before: it is never sent twice.",
        "ledger_lost": "A process lost its ledger, and nobody knew of this entry any more: it was taken back.",
    },
    "Risk says no": {
        "risk_not_ready": "Risk does not know the account or the book yet.",
        "symbol_exposure_exceeded": "The entry would exceed `risk.max_symbol_exposure_usd`.",
        "exposure_limit_exceeded": "The entry would exceed the smaller of `allocation.total_usd_cap` and "
        "`risk.max_total_exposure_usd`, with everything held and reserved.",
        "waits_for_turn": "The caps are too small for all: symbols that stand before it in the watchlist arm first.",
        "cash_reserve": "The entry would touch the cash reserve (`allocation.min_cash_reserve_percent`).",
        "negative_cash": "The account owes dollars: nothing is bought with borrowed money.",
        "commission_unpriced": "A commission in a currency without a rate: what the bot has lost is not known.",
        "no_exchange_rate": "The broker tells no rate between dollars and the account's base currency.",
        "restricted": "The symbol is in `guards.restricted`.",
        "blackout": "Today is one of the symbol's `guards.blackouts`.",
        "max_quantity": "The entry has more shares than `guards.max_quantity`.",
        "max_notional": "The entry may cost more than `guards.max_notional_usd`.",
        "orders_per_minute": "As many entries as `guards.orders_per_minute` were approved within 60 seconds.",
        "day_trades": "This entry may become one day trade more than `guards.day_trades`.",
        "guard_daily_loss": "The bot lost `guards.daily_loss_pct` of its cap in this session; the next begins anew.",
        "guard_drawdown": "The bot's P&L is `guards.drawdown_pct` of its cap below its peak. `crazy resume` goes on.",
        "guard_stopouts": "There were `guards.stopouts_per_day` stop-outs in this session. The next one begins anew.",
        "guard_symbol_stopouts": "Stopped out `guards.stopouts_per_symbol_per_day` times in this session.",
        "guard_consecutive_losses": "So many losses in a row as `guards.consecutive_losses`. `crazy resume` goes on.",
    },
    "How an entry ended": {
        "end_of_day": "Cancelled before the close, unfilled.",
        "expired": "It ended with the session, unfilled.",
        "triggered_unfilled": "Triggered, and not filled within `entries.unfilled_after_trigger_s`: cancelled.",
        "partial_fill": "The rest did not follow the first fill within `entries.partial_fill_s`: cancelled.",
        "reanchored": "The price fell; the entry was cancelled to place a lower trigger (`entries.reanchor_minutes`).",
        "cancelled_by_broker": "The broker cancelled it unasked: the symbol backs off 1, 2, then 4 minutes.",
        "without_stop": "Its stop ended before it, so it was cancelled: the symbol backs off 1, 2, then 4 minutes.",
        "rejected_by_broker": "The broker rejected it: the symbol backs off 1, 2, then 4 minutes.",
        "fraction_refused": "The broker trades no fraction of this symbol: whole shares from now on.",
        "refused_too_often": "The broker refused three entries in this session. `crazy resume SYMBOL` arms it again.",
        "found_at_broker": "It rested at the broker, and the gateway had no record of it: it was cancelled.",
        "entry_lost": "The entry is at the broker no more, and no report of its end is left.",
        "came_late": "The broker showed an order that had been given up: it was cancelled.",
    },
    "How shares are sold, and what became of their stop": {
        "stop_triggered": "The stop is triggered and not filled: a capped stop can miss in a fall.",
        "stop_lost": "The stop is gone; the gateway puts a new one in its place at the level that was reached.",
        "stop_filling": "The stop has sold a part.",
        "sold_otherwise": "The shares were sold by hand, not by the stop. `crazy resume SYMBOL` arms it again.",
        "sold_unseen": "The shares are gone, and no execution told of it. `crazy resume SYMBOL` arms it again.",
        "purchase_busted": "The exchange has annulled the purchase of the shares. `crazy resume SYMBOL` arms it again.",
        "flatten_observed": "A flatten was ordered, and the fleet observes: it is kept, and goes on once the fleet "
        "is started without `--observe`. The stop stays.",
        "flatten_waits": "A flatten waits: the market is closed, halted, or the links are down. The stop stays.",
        "flattening": "A flatten is selling.",
        "flattened": "Sold by `crazy flatten`. `crazy resume SYMBOL` arms it again.",
        "flatten": "Cancelled by `crazy flatten`.",
        "duplicate_stop": "A second stop would have sold too much: cancelled.",
        "double_order": "A second order under a reference of ours: it was cancelled, the first one stays.",
        "orphan_stop": "The shares are gone, so their stop was cancelled.",
        "stuck_child": "The stop waits behind an entry that is over, and would never sell: it is replaced.",
        "modify_refused": "The broker refused to change the stop: it is cancelled, then replaced.",
        "exchanged": "The fixed stop of a bare STP entry is exchanged for the trailing one.",
    },
}

REASONS: dict[str, str] = {code: text for group in GROUPS.values() for code, text in group.items()}

TITLE = """# Reasons

Why a symbol does nothing, or did what it did: the codes of `crazy status` and of the `why` and `reason` columns. Made
of `services/trading/reasons.py`; renew it with `python -m services.trading.reasons > docs/reasons.md`.
"""


def meaning(code: str) -> str:
    """The meaning of a code. A text that is no code of ours (the broker's own) is returned as it is."""
    return REASONS.get(code, code)


def markdown() -> str:
    """The page."""
    parts = [TITLE]
    for group, reasons in GROUPS.items():
        parts += [f"## {group}", "", "| code | meaning |", "|---|---|"]
        parts += [f"| `{code}` | {text} |" for code, text in reasons.items()] + [""]
    return "\n".join(parts).rstrip()


if __name__ == "__main__":
    print(markdown())
