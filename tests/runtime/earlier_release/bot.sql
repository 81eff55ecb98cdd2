CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

CREATE TABLE starts (wall_ns BIGINT NOT NULL);

CREATE TABLE cursors (producer VARCHAR PRIMARY KEY, seq BIGINT NOT NULL);

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
    level_estimated BOOLEAN
);

CREATE TABLE fills (
    exec_key VARCHAR PRIMARY KEY, revision INTEGER NOT NULL, exec_id VARCHAR NOT NULL,
    client_order_id VARCHAR, order_id BIGINT, perm_id BIGINT,
    symbol VARCHAR, role VARCHAR, side VARCHAR, qty DOUBLE, price DOUBLE, cum_qty DOUBLE, avg_price DOUBLE,
    account VARCHAR, ts TIMESTAMP, realized_pnl DOUBLE,
    commission DOUBLE, currency VARCHAR, broker_realized_pnl DOUBLE, seq BIGINT, cause VARCHAR,
    commission_revision INTEGER, commission_usd DOUBLE
);

CREATE TABLE events (
    event_id VARCHAR PRIMARY KEY, event_type VARCHAR NOT NULL, symbol VARCHAR, level VARCHAR NOT NULL,
    payload_json JSON, ts TIMESTAMP, sender VARCHAR, run BIGINT, seq BIGINT, cause VARCHAR
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
    protected DOUBLE NOT NULL, seq BIGINT NOT NULL
);

-- SQLite's spelling, which the queries of the replaced bot use. 'now' is the market's now: a simulated market lives in
-- another year, and a cooldown ends by its time.
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

-- The newest word of the gateway's newest run on each of its three links. A run begins with the socket down; of the
-- other two it speaks when they fail and when they are back.
CREATE OR REPLACE VIEW links AS
SELECT payload_json->>'link' AS link, (payload_json->>'up')::BOOLEAN AS up, payload_json->>'detail' AS detail, ts
FROM events
WHERE event_type = 'link_changed' AND run = (SELECT max(run) FROM events WHERE event_type = 'link_changed')
QUALIFY row_number() OVER (PARTITION BY payload_json->>'link' ORDER BY seq DESC) = 1;

-- Whose entries the operator has paused; symbol NULL is everyone's.
CREATE OR REPLACE VIEW pauses AS
SELECT symbol, ts AS since_ts, payload_json->>'by' AS paused_by FROM (
    SELECT * FROM events WHERE event_type IN ('paused', 'resumed')
    QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY run DESC, seq DESC) = 1
) WHERE event_type = 'paused';

-- What blocks entries of the whole fleet now, though nobody paused it: a reason code, and a line with the remedy.
CREATE OR REPLACE VIEW blocks AS
SELECT payload_json->>'reason' AS reason, payload_json->>'text' AS text, ts AS since_ts FROM (
    SELECT * FROM events WHERE event_type IN ('entries_blocked', 'entries_unblocked')
    QUALIFY row_number() OVER (PARTITION BY payload_json->>'reason' ORDER BY run DESC, seq DESC) = 1
) WHERE event_type = 'entries_blocked';

-- Guards that are tripped, with their figures, and what resets them; symbol NULL is everyone's.
CREATE OR REPLACE VIEW guards AS
SELECT symbol, payload_json->>'guard' AS guard, payload_json->>'resets' AS resets, ts AS since_ts, payload_json FROM (
    SELECT * FROM events WHERE event_type IN ('guard_tripped', 'guard_reset')
    QUALIFY row_number() OVER (PARTITION BY symbol, payload_json->>'guard' ORDER BY run DESC, seq DESC) = 1
) WHERE event_type = 'guard_tripped';

-- The operator's sales that are not over, by the gateway's last word: waiting, clearing or selling.
CREATE OR REPLACE VIEW flattens AS
SELECT symbol, substr(event_type, 9) AS phase, payload_json->>'reason' AS reason, ts AS since_ts FROM (
    SELECT * FROM events WHERE event_type LIKE 'flatten%' AND sender = 'gateway'
    QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY run DESC, seq DESC) = 1
) WHERE event_type IN ('flatten_waiting', 'flatten_clearing', 'flatten_selling');

-- The morning audits: what is held, compared with the last close, before each session. Passed, a split that was mended,
-- or failed: then a person has to look.
CREATE OR REPLACE VIEW audits AS
SELECT ts, symbol, CASE event_type WHEN 'split_mended' THEN 'mended' ELSE substr(event_type, 7) END AS finding
FROM events WHERE event_type IN ('audit_passed', 'split_mended', 'audit_failed') AND sender = 'gateway'
ORDER BY ts, symbol;

-- When whole own shares had less live stop than shares: until_ts NULL while it lasts, session_seconds is the part of it
-- in which the market was open. Moments count too: between a fill and the stop's first word at the broker.
CREATE OR REPLACE VIEW unprotected AS
WITH spans AS (
    SELECT symbol, ts AS since_ts, lead(ts) OVER (PARTITION BY symbol ORDER BY seq) AS until_ts,
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
)
SELECT s.symbol, s.state, s.why, s.figures_json, s.cooldown_until_ts, coalesce(s.own, 0) AS own,
       coalesce(s.cost_usd, 0) AS cost_usd,
       e.client_order_id AS entry_client_order_id, e.order_type AS entry_type, e.status AS entry_status,
       e.qty - e.filled AS entry_qty, e.stop_price AS entry_stop_price, e.limit_price AS entry_limit_price,
       p.order_type AS stop_type, p.status AS stop_status, p.stop_price AS stop_price,
       coalesce(p.level_estimated, false) AS stop_level_estimated,
       coalesce(p.live_qty, 0) AS stop_qty, coalesce(p.protecting_qty, 0) AS protecting_qty,
       coalesce(t.realized, 0) AS realized_today, coalesce(t.commission, 0) AS commission_today,
       coalesce(t.fills, 0) AS fills_today, s.updated_at
FROM state s LEFT JOIN entries e USING (symbol) LEFT JOIN stops p USING (symbol) LEFT JOIN today t USING (symbol)
ORDER BY s.symbol;

-- Splits of own shares, as the morning audit mended them. It compares with the last close: from then on everything is
-- in new shares.
CREATE OR REPLACE VIEW splits AS
SELECT symbol, ts, coalesce((SELECT max(close_ts) FROM sessions WHERE close_ts <= events.ts), ts) AS since_ts,
       own_is / own_was AS ratio, own_was, own_is
FROM (
    -- An earlier release told the account's shares only.
    SELECT symbol, ts, coalesce(payload_json->>'own_was', payload_json->>'was')::DOUBLE AS own_was,
           coalesce(payload_json->>'own_is', payload_json->>'is')::DOUBLE AS own_is
    FROM events WHERE event_type = 'split_mended' AND sender = 'gateway'
) events WHERE own_was > 0 AND own_is > 0 ORDER BY ts, symbol;

-- Closed trades, first in first out: a row per entry order as far as it was sold again. Money in USD; pnl_usd is after
-- commission, which is taken in proportion where only a part was sold.
CREATE OR REPLACE VIEW trades AS
WITH became AS (
    SELECT exec_key, product(ratio) AS today FROM fills JOIN splits USING (symbol)
    WHERE splits.since_ts >= fills.ts GROUP BY exec_key
), shares AS (
    -- Splits aside, shares of different days can be counted together in today's: `today` of them are one of that day.
    SELECT fills.* EXCLUDE (qty, price), qty * coalesce(today, 1) AS qty, price / coalesce(today, 1) AS price,
           coalesce(today, 1) AS today, commission IS NOT NULL AND commission_usd IS NULL AS no_rate
    FROM fills LEFT JOIN became USING (exec_key)
), own AS (
    SELECT *, sum(CASE side WHEN 'BUY' THEN qty ELSE -qty END) OVER earlier AS held
    FROM shares WHERE role <> 'foreign' AND qty > 0
    WINDOW earlier AS (PARTITION BY symbol ORDER BY ts, side, seq, exec_key)
), lows AS (
    SELECT *, least(0, min(held) OVER earlier) AS low FROM own
    WINDOW earlier AS (PARTITION BY symbol ORDER BY ts, side, seq, exec_key)
), known AS (
    -- What was sold without a purchase on record is no trade, and meets no later purchase either.
    SELECT * EXCLUDE (qty), qty AS fill_qty, qty - coalesce(lag(low) OVER earlier, 0) + low AS qty FROM lows
    WINDOW earlier AS (PARTITION BY symbol ORDER BY ts, side, seq, exec_key)
), runs AS (
    SELECT *, sum(qty) OVER (PARTITION BY symbol, side ORDER BY ts, seq, exec_key) AS until_qty FROM known WHERE qty > 0
), lots AS (
    SELECT b.symbol, b.client_order_id, b.ts AS entry_ts, s.ts AS exit_ts, b.price AS entry_price,
           s.price AS exit_price, s.today,
           least(b.until_qty, s.until_qty) - greatest(b.until_qty - b.qty, s.until_qty - s.qty) AS qty,
           coalesce(b.commission_usd, 0) / b.fill_qty + coalesce(s.commission_usd, 0) / s.fill_qty
             AS commission_per_share,
           (b.commission IS NULL AND b.role <> 'adopted') OR (s.commission IS NULL AND s.role <> 'adopted') AS pending,
           b.no_rate OR s.no_rate AS no_rate
    FROM runs b JOIN runs s ON s.symbol = b.symbol AND b.side = 'BUY' AND s.side = 'SELL'
     AND s.until_qty - s.qty < b.until_qty AND b.until_qty - b.qty < s.until_qty
), bought AS (
    SELECT client_order_id, sum(qty) AS qty FROM own WHERE side = 'BUY' GROUP BY client_order_id
), sums AS (
    SELECT symbol, client_order_id, min(entry_ts) AS entry_ts, max(exit_ts) AS exit_ts, sum(qty) AS qty,
           sum(qty * entry_price) AS cost, sum(qty * exit_price) AS proceeds,
           sum(qty * commission_per_share) AS commission, bool_or(pending) AS pending,
           bool_or(no_rate) AS no_rate,
           arg_max(today, exit_ts) AS today
    FROM lots WHERE qty > 1e-9 GROUP BY symbol, client_order_id
)
SELECT symbol, client_order_id, entry_ts, exit_ts, sums.qty / today AS qty, cost / sums.qty * today AS entry_price,
       proceeds / sums.qty * today AS exit_price, round(proceeds - cost - commission, 8) AS pnl_usd,
       100 * (proceeds - cost - commission) / cost AS pnl_pct, commission, exit_ts - entry_ts AS duration,
       CASE sign(pnl_usd) WHEN 1 THEN 'win' WHEN -1 THEN 'loss' ELSE 'even' END AS result,
       round(bought.qty - sums.qty, 9) AS open_qty, pending AS commission_pending,
       no_rate AS commission_unconverted
FROM sums JOIN bought USING (client_order_id) ORDER BY exit_ts, symbol;

-- A row per close: what the bot gained or lost since the last one, also as a part of what it may spend, and how far
-- that is below the best close so far.
CREATE OR REPLACE VIEW daily AS
WITH closes AS (
    SELECT date, daily_pnl AS pnl_usd, nullif(base_usd, 0) AS base_usd, sum(daily_pnl) OVER days AS total_usd,
           product(1 + coalesce(daily_pnl / nullif(base_usd, 0), 0)) OVER days AS growth
    FROM performance_snapshots WINDOW days AS (ORDER BY date)
), exits AS (
    -- What was sold between two closes belongs to the later one, as its profit does.
    SELECT date, count(*) AS trades, count(*) FILTER (pnl_usd > 0) AS wins, sum(pnl_usd) AS trades_pnl_usd
    FROM trades ASOF JOIN sessions ON sessions.close_ts >= trades.exit_ts GROUP BY date
)
SELECT date, pnl_usd, base_usd, 100 * pnl_usd / base_usd AS return_pct, total_usd,
       total_usd - greatest(0, max(total_usd) OVER days) AS drawdown_usd,
       100 * (total_usd - greatest(0, max(total_usd) OVER days)) / base_usd AS drawdown_pct,
       100 * (growth / greatest(1, max(growth) OVER days) - 1) AS compound_drawdown_pct,
       coalesce(trades, 0) AS trades, coalesce(wins, 0) AS wins, coalesce(trades_pnl_usd, 0) AS trades_pnl_usd
FROM closes LEFT JOIN exits USING (date) WINDOW days AS (ORDER BY date) ORDER BY date;

-- A row per symbol that has closed trades.
CREATE OR REPLACE VIEW per_symbol AS
SELECT symbol, 
       count(*) AS trades,
       count(*) FILTER (pnl_usd > 0) AS wins,
       count(*) FILTER (pnl_usd < 0) AS losses,
       100 * count(*) FILTER (pnl_usd > 0) / nullif(count(*), 0) AS win_rate_pct,
       coalesce(sum(pnl_usd), 0) AS pnl_usd,
       coalesce(sum(pnl_usd) FILTER (pnl_usd > 0), 0) AS gross_profit_usd,
       coalesce(-sum(pnl_usd) FILTER (pnl_usd < 0), 0) AS gross_loss_usd,
       sum(pnl_usd) FILTER (pnl_usd > 0) / -sum(pnl_usd) FILTER (pnl_usd < 0) AS profit_factor,
       avg(pnl_usd) AS expectancy_usd,
       avg(pnl_usd) FILTER (pnl_usd > 0) AS avg_win_usd,
       avg(pnl_usd) FILTER (pnl_usd < 0) AS avg_loss_usd,
       max(pnl_usd) AS best_usd,
       min(pnl_usd) AS worst_usd,
       coalesce(sum(commission), 0) AS commission_usd,
       avg(date_part('epoch', duration)) AS avg_duration_s
 FROM trades GROUP BY symbol ORDER BY symbol;

-- One row: the closed trades of all symbols, and the closes.
CREATE OR REPLACE VIEW overall AS
WITH of_trades AS (SELECT 
       count(*) AS trades,
       count(*) FILTER (pnl_usd > 0) AS wins,
       count(*) FILTER (pnl_usd < 0) AS losses,
       100 * count(*) FILTER (pnl_usd > 0) / nullif(count(*), 0) AS win_rate_pct,
       coalesce(sum(pnl_usd), 0) AS pnl_usd,
       coalesce(sum(pnl_usd) FILTER (pnl_usd > 0), 0) AS gross_profit_usd,
       coalesce(-sum(pnl_usd) FILTER (pnl_usd < 0), 0) AS gross_loss_usd,
       sum(pnl_usd) FILTER (pnl_usd > 0) / -sum(pnl_usd) FILTER (pnl_usd < 0) AS profit_factor,
       avg(pnl_usd) AS expectancy_usd,
       avg(pnl_usd) FILTER (pnl_usd > 0) AS avg_win_usd,
       avg(pnl_usd) FILTER (pnl_usd < 0) AS avg_loss_usd,
       max(pnl_usd) AS best_usd,
       min(pnl_usd) AS worst_usd,
       coalesce(sum(commission), 0) AS commission_usd,
       avg(date_part('epoch', duration)) AS avg_duration_s
, count(*) FILTER (commission_pending) AS commissions_pending,
                          count(*) FILTER (commission_unconverted) AS commissions_unconverted FROM trades),
     of_days AS (SELECT 
       count(*) AS days,
       min(date) AS first_day,
       max(date) AS last_day,
       sum(daily.pnl_usd) AS own_pnl_usd,
       arg_max(base_usd, date) AS base_usd,
       sqrt(252) * avg(return_pct) / nullif(stddev_samp(return_pct), 0) AS sharpe,
       252 * avg(return_pct)
         / nullif(sqrt(252 * avg(least(return_pct, 0) ^ 2)), 0) AS sortino,
       sqrt(252) * stddev_samp(return_pct) AS volatility_pct,
       min(drawdown_usd) AS max_drawdown_usd,
       min(drawdown_pct) AS max_drawdown_pct,
       100 * (greatest(product(1 + return_pct / 100), 0) ^ (252 / count(return_pct)) - 1)
         AS annual_return_pct,
       min(compound_drawdown_pct) AS compound_drawdown_pct
 FROM daily)
SELECT *, annual_return_pct / nullif(-compound_drawdown_pct, 0) AS calmar FROM of_trades, of_days;

INSERT INTO account VALUES ('DU1234567', 99914.47, 98916.97, 97929.44, 398660.38, TIMESTAMP '2025-01-06 15:46:47.998000');
INSERT INTO cursors VALUES ('clock', 5);
INSERT INTO cursors VALUES ('gateway', 84);
INSERT INTO cursors VALUES ('risk', 9);
INSERT INTO cursors VALUES ('symbol-AMC', 6);
INSERT INTO cursors VALUES ('symbol-NVDA', 4);
INSERT INTO cursors VALUES ('symbol-SMCI', 12);
INSERT INTO cursors VALUES ('symbol-TSLA', 6);
INSERT INTO cursors VALUES ('watchdog', 0);
INSERT INTO events VALUES ('clock:1', 'market_time', NULL, 'INFO', '{"phase":"waiting","date":""}', NULL, 'clock', 1, 1, '');
INSERT INTO events VALUES ('clock:5', 'session_opened', NULL, 'INFO', '{"date":"2025-01-06","early":false}', TIMESTAMP '2025-01-06 14:30:00', 'clock', 1, 5, '');
INSERT INTO events VALUES ('gateway:1', 'link_changed', NULL, 'INFO', '{"link":"socket","up":false,"detail":"starting"}', NULL, 'gateway', 1, 1, '');
INSERT INTO events VALUES ('gateway:14', 'entry_order_placed', 'NVDA', 'INFO', '{"client_order_id":"CT-NVDA-20250106-1","order_id":1,"side":"BUY","order_type":"STP LMT","qty":8.0,"stop_price":125.52,"limit_price":131.8,"trailing_pct":null,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:30:31.007000', 'gateway', 1, 14, '');
INSERT INTO events VALUES ('gateway:16', 'trailing_stop_placed', 'NVDA', 'INFO', '{"client_order_id":"CT-NVDA-20250106-1-S1","order_id":2,"side":"SELL","order_type":"TRAIL","qty":8.0,"stop_price":null,"limit_price":null,"trailing_pct":10.0,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:30:31.007000', 'gateway', 1, 16, '');
INSERT INTO events VALUES ('gateway:20', 'entry_order_placed', 'TSLA', 'INFO', '{"client_order_id":"CT-TSLA-20250106-1","order_id":3,"side":"BUY","order_type":"STP LMT","qty":11.0,"stop_price":95.38,"limit_price":100.15,"trailing_pct":null,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:31:07.208000', 'gateway', 1, 20, '');
INSERT INTO events VALUES ('gateway:22', 'trailing_stop_placed', 'TSLA', 'INFO', '{"client_order_id":"CT-TSLA-20250106-1-S1","order_id":4,"side":"SELL","order_type":"TRAIL","qty":11.0,"stop_price":null,"limit_price":null,"trailing_pct":10.0,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:31:07.208000', 'gateway', 1, 22, '');
INSERT INTO events VALUES ('gateway:26', 'entry_order_placed', 'AMC', 'INFO', '{"client_order_id":"CT-AMC-20250106-1","order_id":5,"side":"BUY","order_type":"STP LMT","qty":25.0,"stop_price":40.6,"limit_price":42.63,"trailing_pct":null,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:31:07.213000', 'gateway', 1, 26, '');
INSERT INTO events VALUES ('gateway:28', 'trailing_stop_placed', 'AMC', 'INFO', '{"client_order_id":"CT-AMC-20250106-1-S1","order_id":6,"side":"SELL","order_type":"TRAIL","qty":25.0,"stop_price":null,"limit_price":null,"trailing_pct":10.0,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:31:07.213000', 'gateway', 1, 28, '');
INSERT INTO events VALUES ('gateway:3', 'link_changed', NULL, 'INFO', '{"link":"broker","up":true,"detail":"connected"}', NULL, 'gateway', 1, 3, '');
INSERT INTO events VALUES ('gateway:32', 'entry_order_placed', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-1","order_id":7,"side":"BUY","order_type":"STP LMT","qty":83.0,"stop_price":12.51,"limit_price":13.14,"trailing_pct":null,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:31:39.598000', 'gateway', 1, 32, '');
INSERT INTO events VALUES ('gateway:34', 'trailing_stop_placed', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-1-S1","order_id":8,"side":"SELL","order_type":"TRAIL","qty":83.0,"stop_price":null,"limit_price":null,"trailing_pct":10.0,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 14:31:39.598000', 'gateway', 1, 34, '');
INSERT INTO events VALUES ('gateway:37', 'fill_received', 'AMC', 'INFO', '{"client_order_id":"CT-AMC-20250106-1","order_id":5,"side":"BUY","order_type":"STP LMT","qty":25.0,"stop_price":40.6,"limit_price":42.63,"trailing_pct":null,"status":"Submitted","price":41.01,"fill_qty":25.0,"exec_id":"00000001.677beaae.01.01"}', TIMESTAMP '2025-01-06 14:37:34.594000', 'gateway', 1, 37, '');
INSERT INTO events VALUES ('gateway:38', 'order_filled', 'AMC', 'INFO', '{"client_order_id":"CT-AMC-20250106-1","order_id":5,"side":"BUY","order_type":"STP LMT","qty":25.0,"stop_price":40.6,"limit_price":42.63,"trailing_pct":null,"status":"Submitted","price":41.01}', TIMESTAMP '2025-01-06 14:37:34.594000', 'gateway', 1, 38, '');
INSERT INTO events VALUES ('gateway:4', 'link_changed', NULL, 'INFO', '{"link":"data","up":true,"detail":"connected"}', NULL, 'gateway', 1, 4, '');
INSERT INTO events VALUES ('gateway:52', 'fill_received', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-1","order_id":7,"side":"BUY","order_type":"STP LMT","qty":83.0,"stop_price":12.51,"limit_price":13.14,"trailing_pct":null,"status":"Submitted","price":12.57,"fill_qty":83.0,"exec_id":"00000002.677bf046.01.01"}', TIMESTAMP '2025-01-06 15:01:26.870000', 'gateway', 1, 52, '');
INSERT INTO events VALUES ('gateway:53', 'order_filled', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-1","order_id":7,"side":"BUY","order_type":"STP LMT","qty":83.0,"stop_price":12.51,"limit_price":13.14,"trailing_pct":null,"status":"Submitted","price":12.57}', TIMESTAMP '2025-01-06 15:01:26.870000', 'gateway', 1, 53, '');
INSERT INTO events VALUES ('gateway:68', 'fill_received', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-1-S1","order_id":8,"side":"SELL","order_type":"TRAIL","qty":83.0,"stop_price":11.961,"limit_price":null,"trailing_pct":10.0,"status":"Submitted","price":11.91,"fill_qty":83.0,"exec_id":"00000003.677bfae7.01.01"}', TIMESTAMP '2025-01-06 15:46:47.998000', 'gateway', 1, 68, '');
INSERT INTO events VALUES ('gateway:69', 'order_filled', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-1-S1","order_id":8,"side":"SELL","order_type":"TRAIL","qty":83.0,"stop_price":11.961,"limit_price":null,"trailing_pct":10.0,"status":"Submitted","price":11.91}', TIMESTAMP '2025-01-06 15:46:47.998000', 'gateway', 1, 69, '');
INSERT INTO events VALUES ('gateway:7', 'reconciled', NULL, 'INFO', '{"open_orders":0,"executions":0,"positions":0}', NULL, 'gateway', 1, 7, '');
INSERT INTO events VALUES ('gateway:76', 'order_cancelled', 'TSLA', 'INFO', '{"client_order_id":"CT-TSLA-20250106-1","order_id":3,"side":"BUY","order_type":"STP LMT","qty":11.0,"stop_price":95.38,"limit_price":100.15,"trailing_pct":null,"status":"Cancelled","asked":true,"reason":"paused"}', TIMESTAMP '2025-01-06 15:59:23.963000', 'gateway', 1, 76, '');
INSERT INTO events VALUES ('gateway:78', 'order_cancelled', 'TSLA', 'INFO', '{"client_order_id":"CT-TSLA-20250106-1-S1","order_id":4,"side":"SELL","order_type":"TRAIL","qty":11.0,"stop_price":null,"limit_price":null,"trailing_pct":10.0,"status":"Cancelled","asked":false,"reason":""}', TIMESTAMP '2025-01-06 15:59:23.963000', 'gateway', 1, 78, '');
INSERT INTO events VALUES ('gateway:8', 'link_changed', NULL, 'INFO', '{"link":"socket","up":true,"detail":"reconciled"}', NULL, 'gateway', 1, 8, '');
INSERT INTO events VALUES ('gateway:82', 'entry_order_placed', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-2","order_id":9,"side":"BUY","order_type":"STP LMT","qty":76.0,"stop_price":13.76,"limit_price":14.45,"trailing_pct":null,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 16:06:53.160000', 'gateway', 1, 82, '');
INSERT INTO events VALUES ('gateway:84', 'trailing_stop_placed', 'SMCI', 'INFO', '{"client_order_id":"CT-SMCI-20250106-2-S1","order_id":10,"side":"SELL","order_type":"TRAIL","qty":76.0,"stop_price":null,"limit_price":null,"trailing_pct":10.0,"status":"PreSubmitted"}', TIMESTAMP '2025-01-06 16:06:53.160000', 'gateway', 1, 84, '');
INSERT INTO events VALUES ('gateway:9', 'reconciliation_done', NULL, 'INFO', '{"account":"DU1234567","open_orders":0,"executions":0,"positions":0}', NULL, 'gateway', 1, 9, '');
INSERT INTO events VALUES ('risk:7', 'paused', 'TSLA', 'INFO', '{"by":"operator"}', TIMESTAMP '2025-01-06 15:57:56.510000', 'risk', 1, 7, '');
INSERT INTO events VALUES ('risk:8', 'entries_paused', 'TSLA', 'WARNING', '{"by":"operator"}', TIMESTAMP '2025-01-06 15:57:56.510000', 'risk', 1, 8, '');
INSERT INTO events VALUES ('symbol-SMCI:7', 'stopout_cooldown_started', 'SMCI', 'INFO', '{"until_ns":1736179607000000000,"price":11.91,"client_order_id":"CT-SMCI-20250106-1-S1"}', TIMESTAMP '2025-01-06 15:46:47.998000', 'symbol-SMCI', 1, 7, 'gateway:67');
INSERT INTO events VALUES ('symbol-SMCI:9', 'stopout_cooldown_ended', 'SMCI', 'INFO', '{}', TIMESTAMP '2025-01-06 16:06:47', 'symbol-SMCI', 1, 9, '');
INSERT INTO fills VALUES ('00000001.677beaae.01', 1, '00000001.677beaae.01.01', 'CT-AMC-20250106-1', 5, 1000005, 'AMC', 'entry', 'BUY', 25.0, 41.01, 25.0, 41.01, 'DU1234567', TIMESTAMP '2025-01-06 14:37:34', 0.0, 1.0, 'USD', NULL, 36, '', 1, 1.0);
INSERT INTO fills VALUES ('00000002.677bf046.01', 1, '00000002.677bf046.01.01', 'CT-SMCI-20250106-1', 7, 1000007, 'SMCI', 'entry', 'BUY', 83.0, 12.57, 83.0, 12.57, 'DU1234567', TIMESTAMP '2025-01-06 15:01:26', 0.0, 1.0, 'USD', NULL, 51, '', 1, 1.0);
INSERT INTO fills VALUES ('00000003.677bfae7.01', 1, '00000003.677bfae7.01.01', 'CT-SMCI-20250106-1-S1', 8, 1000008, 'SMCI', 'stop', 'SELL', 83.0, 11.91, 83.0, 11.91, 'DU1234567', TIMESTAMP '2025-01-06 15:46:47', -54.779999999999866, 1.0, 'USD', -56.78, 67, '', 1, 1.0);
INSERT INTO market_clock VALUES ('market', TIMESTAMP '2025-01-06 16:06:53.160000');
INSERT INTO meta VALUES ('account', 'DU1234567');
INSERT INTO meta VALUES ('fleet', 'fixture');
INSERT INTO meta VALUES ('run', '1');
INSERT INTO meta VALUES ('version', '4');
INSERT INTO meta VALUES ('views', '0d833b060f0a1735');
INSERT INTO orders VALUES ('CT-AMC-20250106-1', 5, 1000005, 'AMC', 'entry', 'BUY', 'STP LMT', 'Filled', 25.0, 25.0, 41.01, 40.6, 42.63, NULL, NULL, NULL, 'DAY', 0, '', '', 3, 'DU1234567', '', '', TIMESTAMP '2025-01-06 14:31:07.213000', TIMESTAMP '2025-01-06 14:37:34.594000', '', FALSE);
INSERT INTO orders VALUES ('CT-AMC-20250106-1-S1', 6, 1000006, 'AMC', 'stop', 'SELL', 'TRAIL', 'PreSubmitted', 25.0, 0.0, 0.0, 39.096, NULL, 10.0, NULL, 39.096, 'GTC', 5, 'CT-AMC-20250106-1', '1000005', 3, 'DU1234567', 'trigger', '', TIMESTAMP '2025-01-06 14:31:07.213000', TIMESTAMP '2025-01-06 14:31:07.213000', '', FALSE);
INSERT INTO orders VALUES ('CT-NVDA-20250106-1', 1, 1000001, 'NVDA', 'entry', 'BUY', 'STP LMT', 'PreSubmitted', 8.0, 0.0, 0.0, 125.52, 131.8, NULL, NULL, NULL, 'DAY', 0, '', '', 3, 'DU1234567', 'trigger', '', TIMESTAMP '2025-01-06 14:30:31.007000', TIMESTAMP '2025-01-06 14:30:31.007000', '', FALSE);
INSERT INTO orders VALUES ('CT-NVDA-20250106-1-S1', 2, 1000002, 'NVDA', 'stop', 'SELL', 'TRAIL', 'PreSubmitted', 8.0, 0.0, 0.0, NULL, NULL, 10.0, NULL, NULL, 'GTC', 1, 'CT-NVDA-20250106-1', '1000001', 3, 'DU1234567', 'child,trigger', '', TIMESTAMP '2025-01-06 14:30:31.007000', TIMESTAMP '2025-01-06 14:30:31.007000', '', FALSE);
INSERT INTO orders VALUES ('CT-SMCI-20250106-1', 7, 1000007, 'SMCI', 'entry', 'BUY', 'STP LMT', 'Filled', 83.0, 83.0, 12.57, 12.51, 13.14, NULL, NULL, NULL, 'DAY', 0, '', '', 3, 'DU1234567', '', '', TIMESTAMP '2025-01-06 14:31:39.598000', TIMESTAMP '2025-01-06 15:01:26.870000', '', FALSE);
INSERT INTO orders VALUES ('CT-SMCI-20250106-1-S1', 8, 1000008, 'SMCI', 'stop', 'SELL', 'TRAIL', 'Filled', 83.0, 83.0, 11.91, 11.961, NULL, 10.0, NULL, 11.961, 'GTC', 7, 'CT-SMCI-20250106-1', '1000007', 3, 'DU1234567', '', '', TIMESTAMP '2025-01-06 14:31:39.598000', TIMESTAMP '2025-01-06 15:46:47.998000', '', FALSE);
INSERT INTO orders VALUES ('CT-SMCI-20250106-2', 9, 1000009, 'SMCI', 'entry', 'BUY', 'STP LMT', 'PreSubmitted', 76.0, 0.0, 0.0, 13.76, 14.45, NULL, NULL, NULL, 'DAY', 0, '', '', 3, 'DU1234567', 'trigger', '', TIMESTAMP '2025-01-06 16:06:53.160000', TIMESTAMP '2025-01-06 16:06:53.160000', '', FALSE);
INSERT INTO orders VALUES ('CT-SMCI-20250106-2-S1', 10, 1000010, 'SMCI', 'stop', 'SELL', 'TRAIL', 'PreSubmitted', 76.0, 0.0, 0.0, NULL, NULL, 10.0, NULL, NULL, 'GTC', 9, 'CT-SMCI-20250106-2', '1000009', 3, 'DU1234567', 'child,trigger', '', TIMESTAMP '2025-01-06 16:06:53.160000', TIMESTAMP '2025-01-06 16:06:53.160000', '', FALSE);
INSERT INTO orders VALUES ('CT-TSLA-20250106-1', 3, 1000003, 'TSLA', 'entry', 'BUY', 'STP LMT', 'Cancelled', 11.0, 0.0, 0.0, 95.38, 100.15, NULL, NULL, NULL, 'DAY', 0, '', '', 3, 'DU1234567', '', 'paused', TIMESTAMP '2025-01-06 14:31:07.208000', TIMESTAMP '2025-01-06 15:59:23.963000', '', FALSE);
INSERT INTO orders VALUES ('CT-TSLA-20250106-1-S1', 4, 1000004, 'TSLA', 'stop', 'SELL', 'TRAIL', 'Cancelled', 11.0, 0.0, 0.0, NULL, NULL, 10.0, NULL, NULL, 'GTC', 3, 'CT-TSLA-20250106-1', '1000003', 3, 'DU1234567', '', '', TIMESTAMP '2025-01-06 14:31:07.208000', TIMESTAMP '2025-01-06 15:59:23.963000', '', FALSE);
INSERT INTO positions VALUES ('AMC', 25.0, 41.05, 25.0, TIMESTAMP '2025-01-06 14:37:34.594000');
INSERT INTO positions VALUES ('SMCI', 0.0, 0.0, 0.0, TIMESTAMP '2025-01-06 15:46:47.998000');
INSERT INTO protection VALUES ('gateway:39', 'AMC', TIMESTAMP '2025-01-06 14:37:34.594000', 25.0, 0.0, 39);
INSERT INTO protection VALUES ('gateway:45', 'AMC', TIMESTAMP '2025-01-06 14:37:34.594000', 25.0, 25.0, 45);
INSERT INTO protection VALUES ('gateway:54', 'SMCI', TIMESTAMP '2025-01-06 15:01:26.870000', 83.0, 0.0, 54);
INSERT INTO protection VALUES ('gateway:60', 'SMCI', TIMESTAMP '2025-01-06 15:01:26.870000', 83.0, 83.0, 60);
INSERT INTO protection VALUES ('gateway:70', 'SMCI', TIMESTAMP '2025-01-06 15:46:47.998000', 0.0, 0.0, 70);
INSERT INTO sessions VALUES (DATE '2025-01-06', TIMESTAMP '2025-01-06 14:30:00', TIMESTAMP '2025-01-06 21:00:00', FALSE, 'open', NULL);
INSERT INTO starts VALUES (1796056235277375268);
INSERT INTO state VALUES ('AMC', 'POSITION_OPEN', 'protected_by_stop', '{}', NULL, 5, 6, '2025-01-06', 1, 'CT-AMC-20250106-1', 'CT-AMC-20250106-1-S1', 25.0, 1025.25, TIMESTAMP '2025-01-06 14:37:34.594000', 'gateway:36');
INSERT INTO state VALUES ('NVDA', 'ENTRY_PENDING', 'waits_for_trigger', '{"trigger":125.52}', NULL, 1, 2, '2025-01-06', 1, 'CT-NVDA-20250106-1', 'CT-NVDA-20250106-1-S1', 0.0, 0.0, TIMESTAMP '2025-01-06 14:30:31.007000', '');
INSERT INTO state VALUES ('SMCI', 'ENTRY_PENDING', 'waits_for_trigger', '{"trigger":13.76}', NULL, 9, 10, '2025-01-06', 2, 'CT-SMCI-20250106-2', 'CT-SMCI-20250106-2-S1', 0.0, 0.0, TIMESTAMP '2025-01-06 16:06:53.160000', '');
INSERT INTO state VALUES ('TSLA', 'NO_POSITION', 'paused', '{}', NULL, 3, 4, '2025-01-06', 1, 'CT-TSLA-20250106-1', 'CT-TSLA-20250106-1-S1', 0.0, 0.0, TIMESTAMP '2025-01-06 15:59:23.963000', 'gateway:75');
