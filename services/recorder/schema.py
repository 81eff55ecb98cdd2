"""The database's tables and views, in DuckDB's SQL. docs/database.md explains them to users.

Names and meanings of `state`, `orders`, `fills`, `events` and `performance_snapshots` are those of the bot that this
one replaces. Every `ts`, `…_at` and `…_ts` is a TIMESTAMP in UTC, market time. A new release replaces views and macros
that differ. A change of a table is one more step in STEPS.
"""

from __future__ import annotations

from collections.abc import Callable

from services.recorder.views import PERFORMANCE

__all__ = ["STEPS", "TABLES", "VERSION", "VIEWS"]


def add_base_and_commission_revision() -> str:
    """1 to 2: what a day's return is measured against, and which revision a commission belongs to."""
    return """
ALTER TABLE performance_snapshots ADD COLUMN base_usd DOUBLE;
ALTER TABLE fills ADD COLUMN commission_revision INTEGER;
UPDATE fills SET commission_revision = revision WHERE commission IS NOT NULL;
"""


def add_commission_in_dollars() -> str:
    """2 to 3: commissions in dollars, and which stop levels are estimated."""
    return """
ALTER TABLE fills ADD COLUMN commission_usd DOUBLE;
UPDATE fills SET commission_usd = commission WHERE currency IN ('USD', '');
ALTER TABLE orders ADD COLUMN level_estimated BOOLEAN;
"""


def add_protection() -> str:
    """3 to 4: how many shares were protected, and when."""
    return """
CREATE TABLE protection (
    event_id VARCHAR PRIMARY KEY, symbol VARCHAR NOT NULL, ts TIMESTAMP, shares DOUBLE NOT NULL,
    protected DOUBLE NOT NULL, seq BIGINT NOT NULL
);
"""


def add_contracts_witnesses_and_epochs() -> str:
    """4 to 5: contracts of orders and fills, what a fill is known from, and the ledgers in which rows count."""
    return """
ALTER TABLE orders ADD COLUMN con_id BIGINT;
ALTER TABLE fills ADD COLUMN con_id BIGINT;
ALTER TABLE fills ADD COLUMN witness VARCHAR;
ALTER TABLE fills ADD COLUMN own DOUBLE;
UPDATE fills SET witness = CASE role WHEN 'adopted' THEN 'operator' ELSE 'execution' END WHERE qty IS NOT NULL;
ALTER TABLE events ADD COLUMN epoch BIGINT;
UPDATE events SET epoch = 0;
ALTER TABLE protection ADD COLUMN epoch BIGINT;
UPDATE protection SET epoch = 0;
ALTER TABLE cursors ADD COLUMN epoch BIGINT DEFAULT 0;
"""


STEPS: tuple[Callable[[], str], ...] = (
    add_base_and_commission_revision,
    add_commission_in_dollars,
    add_protection,
    add_contracts_witnesses_and_epochs,
)
"""The step from version 1 to 2, from 2 to 3, and so on, as SQL. Records outlive the release that wrote them."""

VERSION = 1 + len(STEPS)
"""The version of this release."""

TABLES = """
CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

CREATE TABLE starts (wall_ns BIGINT NOT NULL);

CREATE TABLE cursors (producer VARCHAR PRIMARY KEY, seq BIGINT NOT NULL, epoch BIGINT DEFAULT 0);

CREATE TABLE market_clock (clock VARCHAR PRIMARY KEY, market_ts TIMESTAMP NOT NULL);

CREATE TABLE state (
    symbol VARCHAR PRIMARY KEY, state VARCHAR, why VARCHAR, figures_json JSON,
    cooldown_until_ts TIMESTAMP, last_parent_id BIGINT, last_trail_id BIGINT,
    session_date VARCHAR, entry_number INTEGER, entry_client_order_id VARCHAR, stop_client_order_id VARCHAR,
    own DOUBLE, cost_usd DOUBLE, updated_at TIMESTAMP, cause VARCHAR
);

CREATE TABLE orders (
    client_order_id VARCHAR PRIMARY KEY, order_id BIGINT, perm_id BIGINT,
    symbol VARCHAR NOT NULL, role VARCHAR NOT NULL, side VARCHAR NOT NULL, order_type VARCHAR NOT NULL,
    status VARCHAR NOT NULL, qty DOUBLE NOT NULL, filled DOUBLE NOT NULL, avg_price DOUBLE NOT NULL,
    stop_price DOUBLE, limit_price DOUBLE, trailing_pct DOUBLE, limit_offset DOUBLE, trail_stop_price DOUBLE,
    tif VARCHAR, parent_id BIGINT, parent_client_order_id VARCHAR, oca_group VARCHAR, oca_type INTEGER,
    account VARCHAR, why_held VARCHAR, reason VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP, cause VARCHAR,
    level_estimated BOOLEAN, con_id BIGINT
);

CREATE TABLE fills (
    exec_key VARCHAR PRIMARY KEY, revision INTEGER NOT NULL, exec_id VARCHAR NOT NULL,
    client_order_id VARCHAR, order_id BIGINT, perm_id BIGINT,
    symbol VARCHAR, role VARCHAR, side VARCHAR, qty DOUBLE, price DOUBLE, cum_qty DOUBLE, avg_price DOUBLE,
    account VARCHAR, ts TIMESTAMP, realized_pnl DOUBLE,
    commission DOUBLE, currency VARCHAR, broker_realized_pnl DOUBLE, seq BIGINT, cause VARCHAR,
    commission_revision INTEGER, commission_usd DOUBLE, con_id BIGINT, witness VARCHAR, own DOUBLE
);

CREATE TABLE events (
    event_id VARCHAR PRIMARY KEY, event_type VARCHAR NOT NULL, symbol VARCHAR, level VARCHAR NOT NULL,
    payload_json JSON, ts TIMESTAMP, sender VARCHAR, run BIGINT, seq BIGINT, cause VARCHAR, epoch BIGINT
);

CREATE TABLE sessions (
    date DATE PRIMARY KEY, open_ts TIMESTAMP NOT NULL, close_ts TIMESTAMP NOT NULL, early BOOLEAN,
    phase VARCHAR NOT NULL, next_open_ts TIMESTAMP
);

CREATE TABLE performance_snapshots (
    date DATE PRIMARY KEY, account_value DOUBLE, cash_value DOUBLE, position_value DOUBLE, unrealized_pnl DOUBLE,
    realized_pnl DOUBLE, daily_pnl DOUBLE, num_positions INTEGER, num_trades INTEGER, base_usd DOUBLE
);

CREATE TABLE account (
    account VARCHAR PRIMARY KEY, net_liquidation DOUBLE, total_cash DOUBLE, settled_cash DOUBLE, buying_power DOUBLE,
    ts TIMESTAMP
);

CREATE TABLE positions (symbol VARCHAR PRIMARY KEY, account_qty DOUBLE, avg_cost DOUBLE, own DOUBLE, ts TIMESTAMP);

CREATE TABLE protection (
    event_id VARCHAR PRIMARY KEY, symbol VARCHAR NOT NULL, ts TIMESTAMP, shares DOUBLE NOT NULL,
    protected DOUBLE NOT NULL, seq BIGINT NOT NULL, epoch BIGINT
);
"""

STATUS = """
-- SQLite's spelling, for queries of the replaced bot. 'now' is market time: a simulated market is in another year, and
-- a cooldown ends by its time.
CREATE OR REPLACE MACRO datetime(moment) AS
    CASE WHEN moment = 'now' THEN (SELECT max(market_ts) FROM market_clock) ELSE moment::TIMESTAMP END,
  (moment, modifier) AS
    CASE WHEN moment = 'now' THEN (SELECT max(market_ts) FROM market_clock) ELSE moment::TIMESTAMP END
    + modifier::INTERVAL;

-- The market's now, and the session that is, or was last. next_open_ts is NULL while the session lasts, and when the
-- market source has ended.
CREATE OR REPLACE VIEW market AS
SELECT (SELECT max(market_ts) FROM market_clock) AS now_ts, phase, date AS session_date, open_ts, close_ts, next_open_ts
FROM sessions ORDER BY date DESC LIMIT 1;

-- What the processes reported since their present ledgers began: a process that lost its ledger does not know what it
-- reported before, and reports anew what still holds.
CREATE OR REPLACE VIEW reported AS
SELECT events.* FROM events LEFT JOIN cursors ON cursors.producer = events.sender
WHERE events.epoch = coalesce(cursors.epoch, events.epoch);

-- The newest state of each of the gateway's three links, of its newest run. A run starts with the socket down. The
-- other two are reported when they fail and when they are back.
CREATE OR REPLACE VIEW links AS
SELECT payload_json->>'link' AS link, (payload_json->>'up')::BOOLEAN AS up, payload_json->>'detail' AS detail, ts
FROM reported
WHERE event_type = 'link_changed' AND run = (SELECT max(run) FROM reported WHERE event_type = 'link_changed')
QUALIFY row_number() OVER (PARTITION BY payload_json->>'link' ORDER BY seq DESC) = 1;

-- Pauses of entries by symbol; NULL: of all symbols.
CREATE OR REPLACE VIEW pauses AS
SELECT symbol, ts AS since_ts, payload_json->>'by' AS paused_by FROM (
    SELECT * FROM reported WHERE event_type IN ('paused', 'resumed')
    QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY run DESC, seq DESC) = 1
) WHERE event_type = 'paused';

-- What blocks entries now without a pause: a reason code, and a line with the remedy. symbol NULL: of all symbols.
CREATE OR REPLACE VIEW blocks AS
SELECT payload_json->>'reason' AS reason, payload_json->>'text' AS text, ts AS since_ts, symbol FROM (
    SELECT * FROM reported WHERE event_type IN ('entries_blocked', 'entries_unblocked')
    QUALIFY row_number() OVER (PARTITION BY symbol, payload_json->>'reason' ORDER BY run DESC, seq DESC) = 1
) WHERE event_type = 'entries_blocked';

-- Tripped guards with their figures, and what resets them; symbol NULL: of all symbols.
CREATE OR REPLACE VIEW guards AS
SELECT symbol, payload_json->>'guard' AS guard, payload_json->>'resets' AS resets, ts AS since_ts, payload_json FROM (
    SELECT * FROM reported WHERE event_type IN ('guard_tripped', 'guard_reset')
    QUALIFY row_number() OVER (PARTITION BY symbol, payload_json->>'guard' ORDER BY run DESC, seq DESC) = 1
) WHERE event_type = 'guard_tripped';

-- Flattens that are not over, by the phase that the gateway reported last: waiting, clearing or selling.
CREATE OR REPLACE VIEW flattens AS
SELECT symbol, substr(event_type, 9) AS phase, payload_json->>'reason' AS reason, ts AS since_ts FROM (
    SELECT * FROM reported WHERE event_type LIKE 'flatten%' AND sender = 'gateway'
    QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY run DESC, seq DESC) = 1
) WHERE event_type IN ('flatten_waiting', 'flatten_clearing', 'flatten_selling');

-- The morning audits: shares, compared with the last close, before each session. passed, mended (a split), or failed:
-- then a person has to check.
CREATE OR REPLACE VIEW audits AS
SELECT ts, symbol, CASE event_type WHEN 'split_mended' THEN 'mended' ELSE substr(event_type, 7) END AS finding
FROM events WHERE event_type IN ('audit_passed', 'split_mended', 'audit_failed') AND sender = 'gateway'
ORDER BY ts, symbol;

-- When whole own shares had less live stop than shares: until_ts NULL while it lasts, session_seconds is the part of it
-- in which the market was open. Moments count too, as between a fill and the broker's first report of the stop.
CREATE OR REPLACE VIEW unprotected AS
WITH spans AS (
    SELECT symbol, ts AS since_ts, lead(ts) OVER (PARTITION BY symbol ORDER BY epoch, seq) AS until_ts,
           shares - protected AS shares
    FROM protection
), lasting AS (
    SELECT *, coalesce(until_ts, greatest(since_ts, (SELECT max(market_ts) FROM market_clock))) AS ts FROM spans
    WHERE shares > 0 AND (until_ts > since_ts OR until_ts IS NULL AND since_ts IS NOT NULL)
)
SELECT symbol, since_ts, until_ts, shares, date_diff('microsecond', since_ts, ts) / 1e6 AS seconds,
       (SELECT coalesce(sum(greatest(0, date_diff('microsecond', greatest(since_ts, open_ts), least(ts, close_ts)))), 0)
          FROM sessions WHERE open_ts < ts AND close_ts > since_ts) / 1e6 AS session_seconds
FROM lasting ORDER BY since_ts, symbol;

-- Fills without an execution: rebuilt, because the broker no longer reports it. `order`: its order counts the shares;
-- `stop`: a stop rests for them, and the account has them.
CREATE OR REPLACE VIEW synthetic AS
SELECT symbol, ts, side, qty, price, witness, client_order_id, exec_id FROM fills
WHERE witness IN ('order', 'stop') AND qty > 0
ORDER BY ts, symbol;

-- A row per symbol: its state and why, its live entry, its live stop, and how many shares a stop at the broker
-- protects.
CREATE OR REPLACE VIEW status AS
WITH live AS (
    SELECT * FROM orders WHERE status IN ('InFlight', 'PendingSubmit', 'PreSubmitted', 'Submitted', 'PendingCancel')
), entries AS (
    SELECT * FROM live WHERE role = 'entry' QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY created_at DESC) = 1
), stops AS (
    SELECT symbol, sum(qty - filled) AS live_qty,
           sum(qty - filled) FILTER (status = 'Submitted' OR (status = 'PreSubmitted' AND why_held IN ('', 'trigger')))
             AS protecting_qty,
           arg_max(order_type, created_at) AS order_type, arg_max(status, created_at) AS status,
           arg_max(stop_price, created_at) AS stop_price,
           arg_max(coalesce(level_estimated, false), created_at) AS level_estimated
    FROM live WHERE role IN ('stop', 'flatten') AND side = 'SELL' GROUP BY symbol
), since AS (
    SELECT max(open_ts) AS ts FROM sessions
), today AS (
    SELECT symbol, sum(realized_pnl) AS realized, sum(commission_usd) AS commission, count(*) AS fills
    FROM fills, since WHERE role <> 'foreign' AND fills.ts >= since.ts GROUP BY symbol
), purchases AS (
    -- The shares that are held are the newest ones: sales take the oldest first.
    SELECT fills.*, coalesce(sum(qty) OVER newer, 0) AS later FROM fills WHERE side = 'BUY' AND role <> 'foreign'
    WINDOW newer AS (PARTITION BY symbol ORDER BY ts DESC, seq DESC, exec_key ROWS BETWEEN UNBOUNDED PRECEDING AND 1
                     PRECEDING)
), held AS (
    SELECT symbol, sum(least(qty, greatest(0, state.own - later))) FILTER (witness IN ('order', 'stop')) AS synthetic
    FROM purchases JOIN state USING (symbol) GROUP BY symbol
)
SELECT s.symbol, s.state, s.why, s.figures_json, s.cooldown_until_ts, coalesce(s.own, 0) AS own,
       coalesce(s.cost_usd, 0) AS cost_usd,
       e.client_order_id AS entry_client_order_id, e.order_type AS entry_type, e.status AS entry_status,
       e.qty - e.filled AS entry_qty, e.stop_price AS entry_stop_price, e.limit_price AS entry_limit_price,
       p.order_type AS stop_type, p.status AS stop_status, p.stop_price AS stop_price,
       coalesce(p.level_estimated, false) AS stop_level_estimated,
       coalesce(p.live_qty, 0) AS stop_qty, coalesce(p.protecting_qty, 0) AS protecting_qty,
       coalesce(t.realized, 0) AS realized_today, coalesce(t.commission, 0) AS commission_today,
       coalesce(t.fills, 0) AS fills_today, s.updated_at,
       coalesce(h.synthetic, 0) AS synthetic_qty
FROM state s LEFT JOIN entries e USING (symbol) LEFT JOIN stops p USING (symbol) LEFT JOIN today t USING (symbol)
LEFT JOIN held h USING (symbol)
ORDER BY s.symbol;
"""

VIEWS = STATUS + PERFORMANCE
