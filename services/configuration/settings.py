"""Every key of the configuration: its meaning, unit, range and default, and which processes read it.

A symbol process reads these from JSON and must stay small, so this file imports msgspec and the standard library only;
`config_file.py` reads the YAML that an operator writes. The text under each field is its documentation: `crazy config
keys` and `docs/keys.md` are made of it. `crazy reload` restarts the processes that read a key, or refuses the change.

Percentages are percent (5.0 is five per cent), money is US dollars, `_s` is seconds. Unless a text says "simulated", a
time is market time.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "Allocation",
    "Cooldowns",
    "Entries",
    "Guards",
    "Hours",
    "Ibkr",
    "Live",
    "Logging",
    "MarketData",
    "Mode",
    "ReadBy",
    "Risk",
    "Settings",
    "Simulation",
    "Stops",
]

SIMULATED_ACCOUNT = "DU1234567"
SYNTHETIC_START = date(2025, 1, 6)

Mode = Literal["sim", "paper", "live"]
Ticker = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z][A-Z0-9]{0,5}( [A-Z]{1,3})?$",
        description="a ticker as IBKR writes it, in upper case, with a blank before a share class (TSLA, BRK B)",
    ),
]
FleetName = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,20}$", description="1 to 20 of the characters a-z, 0-9 and -")]
Account = Annotated[str, Meta(pattern=r"^[A-Z]{1,3}[0-9]{4,12}$", description="an IBKR account id like DU1234567")]
CalendarName = Annotated[str, Meta(pattern=r"^[A-Z0-9_]{3,12}$", description="a calendar name like XNYS")]
ZoneName = Annotated[
    str, Meta(pattern=r"^[A-Z][A-Za-z]+(/[A-Z][A-Za-z_]+)*$", description="a time zone like UTC or America/New_York")
]
ClockTime = Annotated[
    str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='a time of the day in quotes, like "23:45"')
]
SwitchName = Annotated[str, Meta(description="the name of a switch")]
SwitchValue = Annotated[bool | float | str, Meta(description="a value that fits the switch")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Usd = Annotated[float, Meta(gt=0, le=1_000_000_000)]
Percent = Annotated[float, Meta(gt=0, lt=100)]
PercentOrZero = Annotated[float, Meta(ge=0, lt=100)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
MessageRate = Annotated[int, Meta(ge=3, le=1000)]
MessageCode = Annotated[int, Meta(ge=100, le=99_999, description="a code of IBKR's messages")]
StaleSeconds = Annotated[float, Meta(ge=0, le=3600)]
Count = Annotated[int, Meta(ge=1, le=100_000)]


class ReadBy(StrEnum):
    """A process that reads a key, by the name of its folder. A key without a mark is read by commands only.

    tests/configuration/test_read_by.py compares these marks with what the processes read.
    """

    EVERY_PROCESS = "machinery"
    """The libraries read it, in each process. `crazy reload` prints this word."""
    CLOCK = "clock"
    GATEWAY = "gateway"
    RECORDER = "recorder"
    RISK = "risk"
    SIMULATOR = "simulator"
    SYMBOL = "symbol"


EVERY_PROCESS, CLOCK, GATEWAY, RECORDER, RISK, SIMULATOR, SYMBOL = ReadBy


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group of keys."""


class Ibkr(Section, frozen=True, kw_only=True):
    """The connection to IB Gateway or TWS. In `mode: sim` the simulated gateway listens there."""

    host: Annotated[str, Meta(min_length=1, description="a host name or address"), GATEWAY, SIMULATOR] = "127.0.0.1"
    """Host of the gateway's API socket."""
    port: Annotated[Port, GATEWAY, SIMULATOR] = 5000
    """Port of the API socket. A simulated fleet with a name of its own and no port gets one derived from the name."""
    client_id: Annotated[int, Meta(ge=1, le=2_000_000_000), GATEWAY, SIMULATOR] = 12
    """API client id. Orders belong to it: keep it. A fleet with a name of its own and no client id gets a derived
    one."""
    account: Annotated[Account | None, GATEWAY, RECORDER, SIMULATOR] = None
    """Account to trade (`DU…` is paper). `null`: the only account of the login; with several, the fleet refuses to
    start."""
    allow_delayed: Annotated[bool, GATEWAY, SYMBOL] = False
    """Let a paper fleet enter on delayed market data. Live never does."""
    library: Annotated[Literal["ib_insync", "ib_async"], GATEWAY] = "ib_insync"
    """The Python library that speaks with IB Gateway. `ib_async` is the maintained fork; it is installed apart."""
    time_zone: Annotated[ZoneName | None, GATEWAY] = None
    """Time zone of the machine that IB Gateway runs on: its times name none, or name it in its own way. `null`: that of
    this machine."""
    nightly_restart: Annotated[ClockTime | None, GATEWAY] = None
    """When IB Gateway restarts each day, in quotes, in `time_zone`: `"23:45"`. From a minute before, nothing is sent,
    and lost connections are no news. `null`: 23:45 in paper and live mode, no restart in the simulation."""
    nightly_restart_minutes: Annotated[int, Meta(ge=1, le=60), GATEWAY] = 5
    """How many minutes that restart takes."""
    harmless_codes: Annotated[tuple[MessageCode, ...], GATEWAY] = ()
    """Codes of broker messages that are only logged, besides those that the fleet knows to be harmless. Codes about the
    links are never harmless."""
    max_messages_per_s: Annotated[MessageRate | None, GATEWAY] = None
    """Most messages a second that are sent to IB Gateway, which takes 50. `null`: 45 in paper and live mode, without
    limit in the simulation."""
    feed_stale_s: Annotated[StaleSeconds | None, GATEWAY] = None
    """A symbol without any tick for so many seconds of an open session is subscribed again; if nothing comes then, its
    entries are blocked. 0: feeds are not watched. `null`: 120 in paper and live mode, off in the simulation."""


class Allocation(Section, frozen=True, kw_only=True):
    """How much money may be put to work."""

    total_usd_cap: Annotated[Usd, RISK] = 20_000.0
    """Most that all positions and reserved entries together may cost, in dollars. Returns are measured against it."""
    per_symbol_usd: Annotated[Usd, RISK, SYMBOL] = 1_000.0
    """Size of one entry, in dollars; whole shares are bought, rounded down."""
    per_symbol_override: Annotated[dict[Ticker, Usd], RISK, SYMBOL] = {}
    """Size of one entry for single symbols, in dollars: `{NVDA: 1500}`."""
    min_cash_reserve_percent: Annotated[PercentOrZero, RISK] = 10.0
    """Cash that no entry may touch, as a percentage of the account's net liquidation value."""
    allow_fractional: Annotated[bool, SYMBOL] = False
    """Buy fractions of a share beyond whole ones; where the broker refuses them (10243), whole shares until `crazy
    resume SYMBOL`. The part below one share has no stop, and stays when the rest is sold."""


class Entries(Section, frozen=True, kw_only=True):
    """The buy stop above the market."""

    type: Annotated[Literal["buy_stop", "buy_stop_limit"], RISK, SYMBOL] = "buy_stop"
    """`buy_stop_limit` buys at most `stop_limit_max_slip_pct` above the trigger; `buy_stop` has the wide cap of
    `buy_stop_cap_pct`."""
    buy_stop_pct_above_last: Annotated[Percent, RISK, SYMBOL] = 5.0
    """The trigger: so far above the last price, in percent."""
    stop_limit_max_slip_pct: Annotated[PercentOrZero, RISK, SYMBOL] = 1.0
    """`buy_stop_limit`: the limit, so far above the trigger, in percent."""
    buy_stop_cap_pct: Annotated[Percent, RISK, SYMBOL] = 5.0
    """`buy_stop`: the cap on the price, so far above the trigger, in percent."""
    tif: Annotated[Literal["DAY"], SYMBOL] = "DAY"
    """Time in force. Entries live for one session."""
    cancel_at_close: Annotated[bool, SYMBOL] = True
    """Cancel unfilled entries `cancel_before_close_minutes` before the close; otherwise they expire with it."""
    cancel_before_close_minutes: Annotated[int, Meta(ge=1, le=120), CLOCK] = 15
    """No entries within so many minutes of the (also early) close."""
    rearm_next_session: Annotated[bool, SYMBOL] = True
    """Arm again in the next session after an entry that did not fill. `false`: idle until `crazy resume SYMBOL`."""
    open_delay_s: Annotated[Seconds, RISK, SYMBOL] = 15.0
    """No entries within so many seconds after the open; where the pre-market is allowed, after its beginning."""
    max_price_age_s: Annotated[float, Meta(gt=0, le=3600), SYMBOL] = 10.0
    """A last trade older than this, in seconds, is a reference only while it lies within bid and ask, give or take 1
    %."""
    reanchor_minutes: Annotated[int, Meta(ge=0, le=1440), SYMBOL] = 0
    """After so many minutes a resting trigger is moved down to where the last price wants it. 0: it stays, however far
    the price falls."""
    unfilled_after_trigger_s: Annotated[float, Meta(gt=0, le=3600), SYMBOL] = 30.0
    """An entry that was triggered and is not filled after so many seconds is cancelled, and the symbol arms anew."""
    partial_fill_s: Annotated[float, Meta(gt=0, le=3600), SYMBOL] = 10.0
    """Seconds from an entry's first fill until what is left of it is cancelled."""
    on_halt: Annotated[Literal["cancel", "keep"], SYMBOL] = "cancel"
    """What a trading halt does to a resting entry. `cancel`: taken back, and armed anew after the first trade that
    follows; `keep`: it stays at its old trigger."""
    native_stp: Annotated[bool, GATEWAY, RISK, SYMBOL] = False
    """`buy_stop` as a bare STP without a price cap. The broker attaches no trailing stop to it: a fixed stop
    `trailing_stop_pct` under the trigger protects the fill until it is exchanged for the trailing one."""

    @property
    def limit_pct(self) -> float:
        """How far above its trigger the limit of an entry is, in percent. A bare STP has no limit."""
        return self.stop_limit_max_slip_pct if self.type == "buy_stop_limit" else self.buy_stop_cap_pct


class Stops(Section, frozen=True, kw_only=True):
    """The stop that protects what is held."""

    trailing_stop_pct: Annotated[Percent, GATEWAY, SYMBOL] = 10.0
    """The stop trails the highest price by so many percent."""
    use_trailing_limit: Annotated[bool, GATEWAY, SYMBOL] = False
    """Send TRAIL LIMIT instead of TRAIL. With a small offset it may never fill in a fall."""
    trail_limit_offset_pct: Annotated[Percent, GATEWAY, SYMBOL] = 0.2
    """TRAIL LIMIT: the limit, so far below the stop, in percent."""
    tif: Annotated[Literal["GTC", "DAY"], GATEWAY, SYMBOL] = "GTC"
    """Time in force. Live refuses anything but GTC: a DAY stop leaves what is held unprotected overnight."""


class Risk(Section, frozen=True, kw_only=True):
    """What no entry may exceed."""

    max_total_exposure_usd: Annotated[Usd, RISK] = 20_000.0
    """Most exposure of all symbols together, in dollars; the smaller of this and `allocation.total_usd_cap` holds."""
    max_symbol_exposure_usd: Annotated[Usd, RISK] = 2_000.0
    """Most exposure of one symbol, in dollars."""
    stop_slippage_pct: Annotated[PercentOrZero, RISK] = 5.0
    """Slippage assumed for an entry without a price cap when money is reserved for it, in percent."""
    flatten_if_unprotectable: Annotated[bool, GATEWAY] = False
    """Sell what can't be protected: after the broker has refused two stops for it, at the market, once. The symbol then
    waits for `crazy resume SYMBOL`."""


class Guards(Section, frozen=True, kw_only=True):
    """Circuit breakers on entries; `null` is off. Money is the bot's own P&L over `allocation.total_usd_cap`."""

    daily_loss_pct: Annotated[Percent | None, RISK] = None
    """No entries for the rest of the session once the bot has lost so many percent of `allocation.total_usd_cap` since
    the last close."""
    drawdown_pct: Annotated[Percent | None, RISK] = None
    """No entries until `crazy resume` once the bot's P&L is so many percent of `allocation.total_usd_cap` below its
    peak."""
    stopouts_per_day: Annotated[Count | None, RISK] = None
    """No entries for the rest of the session after so many stop-outs of all symbols."""
    stopouts_per_symbol_per_day: Annotated[Count | None, RISK] = None
    """No entries in a symbol for the rest of the session after so many stop-outs of it."""
    consecutive_losses: Annotated[Count | None, RISK] = None
    """No entries until `crazy resume` after so many closed positions in a row that lost money."""
    orders_per_minute: Annotated[Count | None, RISK] = 120
    """Most entries approved within 60 seconds."""
    price_band_pct: Annotated[Percent | None, GATEWAY, RISK] = 50.0
    """An entry whose trigger or limit is further than so many percent from the last trade is denied."""
    max_quantity: Annotated[Annotated[float, Meta(gt=0, le=1_000_000_000)] | None, RISK] = None
    """Most shares of one entry."""
    max_notional_usd: Annotated[Usd | None, RISK] = None
    """Most that one entry may cost at its worst price, in dollars."""
    restricted: Annotated[tuple[Ticker, ...], RISK] = ()
    """Symbols without entries; what is held of them stays protected."""
    blackouts: Annotated[dict[Ticker, tuple[date, ...]], RISK] = {}
    """Exchange dates without entries, by symbol (earnings, corporate actions): `{NVDA: [2025-02-26, 2025-02-27]}`."""
    day_trades: Annotated[Annotated[int, Meta(ge=0, le=1000)] | None, RISK] = None
    """Most day trades (bought and sold in one session) within `day_trade_sessions`. What was bought today and every
    entry under way count as well, because their stop may sell them today."""
    day_trade_sessions: Annotated[int, Meta(ge=1, le=30), RISK] = 5
    """Sessions, today included, in which day trades are counted."""


class Hours(Section, frozen=True, kw_only=True):
    """When the market is open."""

    calendar: Annotated[CalendarName, EVERY_PROCESS, CLOCK, SIMULATOR] = "XNYS"
    """Exchange calendar, by the name that exchange_calendars gives it."""
    protective_audit_minutes: Annotated[int, Meta(ge=0, le=300), CLOCK] = 30
    """Minutes before the open at which every stop is compared with what is held: a split would let it fire at once."""
    allow_pre_market: Annotated[bool, CLOCK, GATEWAY, SYMBOL] = False
    """Enter from 04:00 on (New York). Entries and stops then carry outsideRth: they also trigger in thin markets."""
    allow_after_hours: Annotated[bool, CLOCK, GATEWAY, SYMBOL] = False
    """Enter until four hours after the close (New York). Entries and stops then carry outsideRth: they also trigger
    in thin markets."""

    @property
    def extended(self) -> bool:
        """Whether orders may trade outside regular hours."""
        return self.allow_pre_market or self.allow_after_hours


class Cooldowns(Section, frozen=True, kw_only=True):
    """How long a symbol rests."""

    after_stopout_minutes: Annotated[int, Meta(ge=0, le=10_080), SYMBOL] = 20
    """Minutes without entries after a stop-out, counted from the final exit fill, across sessions."""


class MarketData(Section, frozen=True, kw_only=True):
    """Streaming prices."""

    max_lines: Annotated[int, Meta(ge=1, le=10_000)] = 100
    """Streaming lines that the login has. Paper and live refuse a longer watchlist."""


class Live(Section, frozen=True, kw_only=True):
    """Real money: what `mode: live` asks for besides `ibkr.account`."""

    confirmation_days: Annotated[int, Meta(ge=1, le=365)] = 30
    """Days for which `crazy golive` confirms live trading; after them entries are blocked until it is confirmed
    anew."""


class Logging(Section, frozen=True, kw_only=True):
    """The JSON log files."""

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], EVERY_PROCESS] = "INFO"
    """Least level that is written."""


class Simulation(Section, frozen=True, kw_only=True):
    """The simulated market; only `mode: sim` reads it."""

    market: Annotated[Literal["synthetic", "files"], SIMULATOR] = "synthetic"
    """`synthetic`: a seeded generator. `files`: recorded bars or ticks."""
    files: Annotated[tuple[Annotated[str, Meta(min_length=1, description="a path")], ...], SIMULATOR] = ()
    """Parquet or CSV files of bars or ticks. A relative path starts at the folder of the configuration file."""
    zone: Annotated[ZoneName | None, SIMULATOR] = None
    """Zone of times in the files that name none. `null`: each time must name its own."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1), SIMULATOR] = 7
    """Seed of the synthetic market: the same seed gives the same days."""
    start: Annotated[date | None, CLOCK, SIMULATOR] = None
    """First session (exchange date). `null`: the first day of the files; for the synthetic market 2025-01-06."""
    end: Annotated[date | None, CLOCK, SIMULATOR] = None
    """Last session (exchange date). `null`: the last day of the files; the synthetic market never ends."""
    speed: Annotated[float, Meta(gt=0, le=100_000), CLOCK] = 60.0
    """Market seconds per second. In lock-step an upper bound."""
    pace: Annotated[Literal["free", "lockstep"], EVERY_PROCESS] = "free"
    """`free`: the market runs by the clock. `lockstep`: it waits for the fleet at each step, and a run can be
    repeated."""
    skip_closed: Annotated[bool, CLOCK] = True
    """Jump over nights, weekends and holidays."""
    tick_s: Annotated[float, Meta(gt=0, le=3600), SIMULATOR] = 5.0
    """Synthetic: seconds between two trades of one symbol."""
    daily_volatility: Annotated[float, Meta(gt=0, le=5), SIMULATOR] = 0.2
    """Synthetic: standard deviation of one day's log return (0.2 is 20 %), lively enough to see trades at once."""
    cash: Annotated[Usd, SIMULATOR] = 100_000.0
    """Cash of the simulated account at the start, in dollars."""
    extended_hours: Annotated[bool, SIMULATOR] = False
    """What happened from 04:00 to the open and from the close to 20:00 happens too. The synthetic market is thinner
    then."""
    faults: Annotated[Annotated[str, Meta(min_length=1, description="a path")] | None, SIMULATOR] = None
    """Timetable of faults for the simulated gateway, a YAML file (docs/simulator.md). A relative path starts at the
    folder of the configuration file."""
    policy: Annotated[dict[SwitchName, SwitchValue], SIMULATOR] = {}
    """How the simulated broker behaves where that is thinly documented, switch by switch: `{funds_checked: false}`."""


class Settings(Section, frozen=True, kw_only=True):
    """The whole configuration of one fleet, complete and validated."""

    mode: Annotated[Mode, EVERY_PROCESS, CLOCK, GATEWAY, SYMBOL] = "sim"
    """`sim`: simulated gateway and market. `paper`: the broker's paper account. `live`: real money."""
    fleet: FleetName | None = None
    """Name of the fleet: its records lie under `var/<fleet>/`. `null`: the mode. Fleets of other names run side by
    side."""
    watchlist: Annotated[
        tuple[Ticker, ...], Meta(min_length=1, max_length=1000), EVERY_PROCESS, CLOCK, GATEWAY, RISK, SIMULATOR
    ]
    """Symbols to trade, each with a process of its own. They arm in this order when the caps are short."""
    winding_down: Annotated[
        tuple[Ticker, ...], Meta(max_length=1000), EVERY_PROCESS, CLOCK, GATEWAY, SIMULATOR, SYMBOL
    ] = ()
    """Symbols that get no new entries and keep their process until what they hold is sold. `crazy symbols remove` puts
    them here."""
    observe: Annotated[bool, GATEWAY, RISK] = False
    """Decide and send nothing: every order that would go out is recorded instead. `crazy up --observe` sets it."""
    ibkr: Ibkr = Ibkr()
    allocation: Allocation = Allocation()
    entries: Entries = Entries()
    stops: Stops = Stops()
    risk: Risk = Risk()
    guards: Guards = Guards()
    hours: Hours = Hours()
    cooldowns: Cooldowns = Cooldowns()
    market_data: MarketData = MarketData()
    live: Live = Live()
    logging: Logging = Logging()
    simulation: Simulation = Simulation()

    def __post_init__(self) -> None:
        """Fill in the values that follow from other keys."""
        force = msgspec.structs.force_setattr
        if self.fleet is None:
            force(self, "fleet", self.mode)
        if self.mode == "sim" and self.ibkr.account is None:
            force(self, "ibkr", msgspec.structs.replace(self.ibkr, account=SIMULATED_ACCOUNT))
        if self.simulation.market == "synthetic" and self.simulation.start is None:
            force(self, "simulation", msgspec.structs.replace(self.simulation, start=SYNTHETIC_START))

    @property
    def name(self) -> str:
        """The fleet's name, never None."""
        return self.fleet or self.mode

    def entry_usd(self, symbol: str) -> float:
        """The size of one entry in this symbol, in dollars."""
        return self.allocation.per_symbol_override.get(symbol, self.allocation.per_symbol_usd)

    @property
    def price_cap_pct(self) -> float:
        """How far above its trigger an entry can fill at most, in percent.

        That is where its limit is. A bare STP has no limit: there it is the slippage that risk assumes.
        """
        return self.risk.stop_slippage_pct if self.entries.native_stp else self.entries.limit_pct

    @property
    def nightly_restart(self) -> str | None:
        """When IB Gateway restarts each day (HH:MM in its time zone); None for never."""
        return self.ibkr.nightly_restart or (None if self.mode == "sim" else "23:45")

    @property
    def feed_stale_s(self) -> float | None:
        """After how many seconds without a tick a feed is stale; None: feeds are not watched."""
        if self.ibkr.feed_stale_s is None:
            return None if self.mode == "sim" else 120.0
        return self.ibkr.feed_stale_s or None

    @property
    def enters_on_delayed_data(self) -> bool:
        """Whether delayed prices may lead to entries. In live mode they never do."""
        return self.ibkr.allow_delayed and self.mode != "live"

    def to_json(self) -> bytes:
        """The settings as JSON, as the processes read them."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @classmethod
    def from_json(cls, path: str | Path) -> Settings:
        """The settings in a file that `to_json` wrote."""
        return msgspec.json.decode(Path(path).read_bytes(), type=cls)
