"""The operator's commands: checked and answered at once, then carried out. Pure.

Risk carries out only pauses. The gateway sells and adopts, the symbol ends its cooldown. Commands arrive at risk
because only risk can stop entries: after a flatten without a pause the bot would buy again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from messages.operator import Adopt, AdoptFound, Answer, ClearCooldown, Command, Flatten, Flattening, Pause, Resume
from services.configuration.settings import Settings
from services.risk.exposure import reserved
from services.risk.guards import Tally
from services.risk.limits import ForeignOrder, Holding, Mark
from services.risk.pauses import FLEET, NEXT_SESSION, OPERATOR, RESUME, PauseRecord, SymbolBlock, lift, pause, pauses_of
from services.risk.track_record import record_of, trip_guards
from services.runtime.core import Draft, State

__all__ = ["FlattenRecord", "answer_to", "carry_out", "fold_flattening", "forget_flattens"]

ENDED = ("done", "failed", "withdrawn")
FOUND = "shares_found"
"""The gateway's reason: shares were found under a stop of ours."""


class FlattenRecord(msgspec.Struct, frozen=True):
    """A flatten that is not over, with the phase that the gateway reported last."""

    symbol: str
    phase: str

    @property
    def key(self) -> str:
        return self.symbol


def answer_to(state: State, command: Command, symbols: Sequence[str], *, ready: bool, observe: bool = False) -> Answer:
    """The answer to the operator: what will be done, or why not, in one line.

    `symbols`: the symbols of now. `ready`: the broker's book is known. `observe`: the fleet sends no orders, so it
    can't sell, and adopted shares would have no stop.
    """
    symbol = getattr(command, "symbol", None)
    known = {*symbols, *(h.symbol for h in state.table(Holding).values() if h.own > 0)}
    if symbol is not None and symbol not in known:
        return Answer(False, f"{symbol} is not on the watchlist ({', '.join(symbols)})")
    match command:
        case Pause():
            return Answer(True, f"entries of {_scope_name(symbol)} are paused; unfilled ones are cancelled, stops stay")
        case Resume():
            return _answer_resume(state, symbol)
        case Flatten(withdraw=False) | Adopt() if observe:
            verb = "sold" if isinstance(command, Flatten) else "adopted"
            return Answer(
                False, f"this fleet only observes and sends no order: nothing is {verb}; start it without --observe"
            )
        case Flatten():
            return _answer_flatten(state, symbol, command.withdraw)
        case Adopt(quantity=quantity):
            return _answer_adopt(state, command.symbol, quantity, symbols, ready=ready)
        case AdoptFound():
            return _answer_found(state, symbol, ready=ready)
        case ClearCooldown():
            return Answer(True, f"the cooldown of {_scope_name(symbol)} ends now")
        case _:
            return Answer(False, "risk takes pause, resume, flatten, adopt and cooldown")


def _scope_name(symbol: str | None) -> str:
    return symbol or "all symbols"


def _answer_resume(state: State, symbol: str | None) -> Answer:
    under_way = [f.symbol for f in state.table(FlattenRecord).values() if symbol in (None, f.symbol)]
    if under_way:
        return Answer(
            False, f"a flatten of {', '.join(under_way)} is not over; `crazy flatten SYMBOL --withdraw` ends it"
        )
    found = [p for scope in dict.fromkeys((symbol or FLEET, FLEET)) for p in pauses_of(state, scope)]
    if symbol is None and not found:
        named = sorted({p.scope for p in state.table(PauseRecord).values()})
        hint = f"; by name: {', '.join(named)}" if named else ""
        return Answer(False, f"nothing to resume: the fleet is not paused{hint}")
    stays = [p for p in found if p.resets == NEXT_SESSION or p.scope not in (symbol or FLEET,)]
    text = f"entries of {_scope_name(symbol)} are allowed again"
    if stays:
        text = f"{_scope_name(symbol)} resumed, but " + "; ".join(_still_stopped(p) for p in stays)
    return Answer(True, text)


def _still_stopped(p: PauseRecord) -> str:
    until = "until the next session" if p.resets == NEXT_SESSION else "until `crazy resume`"
    return f"entries of {'the fleet' if p.symbol is None else p.symbol} stay stopped by {p.by} {until}"


def _answer_flatten(state: State, symbol: str | None, withdraw: bool) -> Answer:
    under_way = [f for f in state.table(FlattenRecord).values() if symbol in (None, f.symbol)]
    resume = "`crazy resume`" if symbol is None else f"`crazy resume {symbol}`"
    if withdraw:
        waiting = [f.symbol for f in under_way if f.phase == "waiting"]
        if not waiting:
            return Answer(False, f"nothing to withdraw: no flatten of {_scope_name(symbol)} waits")
        return Answer(True, f"the flatten of {', '.join(waiting)} is withdrawn; entries stay paused until {resume}")
    held = {h.symbol: math.floor(h.own) for h in state.table(Holding).values() if symbol in (None, h.symbol)}
    shares = {name: quantity for name, quantity in held.items() if quantity >= 1}
    entries = [r.symbol for r in reserved(state).values() if symbol in (None, r.symbol)]
    if not shares and not entries:
        if symbol is None:
            # Who types this wants to be out: what fills a moment later must find the fleet paused.
            return Answer(True, "no own shares and no live entry; entries are paused until `crazy resume`")
        left = state.get(Holding, symbol)
        fraction = "; a fraction of a share can't be sold" if left is not None and left.own > 0 else ""
        return Answer(False, f"nothing to flatten: {_scope_name(symbol)}: no own shares and no live entry{fraction}")
    what = [f"{quantity} {name}" for name, quantity in shares.items()]
    if entries:
        what.append(f"unfilled entries of {', '.join(entries)}")
    return Answer(True, f"flattening {', '.join(what)}; entries are paused until {resume}")


def _answer_adopt(state: State, symbol: str, quantity: float, symbols: Sequence[str], *, ready: bool) -> Answer:
    holding = state.get(Holding, symbol) or Holding(symbol)
    foreign = holding.account - holding.own
    selling = sum(o.remaining for o in state.table(ForeignOrder).values() if o.symbol == symbol and o.side == "SELL")
    if not ready:
        return Answer(False, "the broker's positions are not known at this moment; try again when the links stand")
    if symbol not in symbols:
        return Answer(False, f"{symbol} is not on the watchlist: nobody would watch over the shares")
    if quantity < 1 or quantity != math.floor(quantity):
        return Answer(False, f"{quantity:g} shares: only whole shares can be protected by a stop")
    if quantity > foreign:
        return Answer(
            False,
            f"the account has {holding.account:g} {symbol}, {holding.own:g} of them own: {quantity:g} can't be adopted",
        )
    if quantity > foreign - selling:
        return Answer(
            False,
            f"{selling:g} {symbol} are for sale by an order that is not ours; cancel it first, or the shares would be "
            "sold twice",
        )
    if any(f.symbol == symbol for f in state.table(FlattenRecord).values()):
        return Answer(False, f"{symbol} is being flattened")
    if state.get(Mark, symbol) is None:
        return Answer(False, f"{symbol} has no price yet to place a stop by; try again after its next tick")
    return Answer(True, f"adopting {quantity:g} {symbol}: they become own shares and get a stop")


def _answer_found(state: State, symbol: str | None, *, ready: bool) -> Answer:
    found = [b for b in state.table(SymbolBlock).values() if b.reason == FOUND and symbol in (None, b.symbol)]
    if not ready:
        return Answer(False, "the broker's positions are not known at this moment; try again when the links stand")
    if not found:
        return Answer(False, f"nothing to accept: no shares of {_scope_name(symbol)} were found")
    what = ", ".join(f"{b.figures.get('shares', 0.0):g} {b.symbol}" for b in found)
    return Answer(True, f"accepted {what}: they are the bot's own, and entries of these symbols are allowed again")


def carry_out(
    d: Draft, command: Pause | Resume | Flatten | Adopt | AdoptFound | ClearCooldown, settings: Settings
) -> None:
    """Carry out a command, or send it to the process that does."""
    match command:
        case Pause(symbol):
            pause(d, PauseRecord(scope=symbol or FLEET))
        case Resume(symbol):
            _resume(d, symbol or FLEET, settings)
        case Flatten(symbol, withdraw):
            if not withdraw:
                pause(d, PauseRecord(scope=symbol or FLEET, cause="flatten", by="flatten"))
            d.send("gateway", command)
            d.note("flatten_withdrawn" if withdraw else "flatten_ordered", symbol or "", "WARNING")
        case Adopt(symbol, quantity):
            d.send("gateway", command)
            d.note("adopt_ordered", symbol, qty=quantity)
        case AdoptFound(symbol):
            d.send("gateway", command)
            d.note("adopt_found_ordered", symbol or "")
        case ClearCooldown(symbol):
            d.send(symbol or FLEET, command)


def _resume(d: Draft, scope: str, settings: Settings) -> None:
    """End what the operator may end, and reset the count of a guard that would trip again at once."""
    ended = [p.cause for p in pauses_of(d, scope) if p.resets == RESUME]
    tally = d.get(Tally, "tally") or Tally()
    if "consecutive_losses" in ended:
        tally = msgspec.structs.replace(tally, losses=0, wins=(), forgiven=tally.closed)
    if "drawdown" in ended:
        tally = msgspec.structs.replace(tally, peak_pnl_usd=record_of(d).pnl_usd)
    if tally != d.get(Tally, "tally"):
        d.put(tally)
    lift(d, scope, lambda p: p.resets == RESUME, OPERATOR)
    trip_guards(d, settings)


def forget_flattens(d: Draft) -> None:
    """The gateway has lost its records: it tells anew which flattens are not over."""
    for key in d.table(FlattenRecord):
        d.drop(FlattenRecord, key)


def fold_flattening(d: Draft, flattening: Flattening) -> None:
    """Remember the phase of a flatten until it is over."""
    if flattening.phase in ENDED:
        d.drop(FlattenRecord, flattening.symbol)
    else:
        d.put(FlattenRecord(flattening.symbol, flattening.phase))
