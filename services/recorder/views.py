"""The bot's trading results, in DuckDB's SQL: views on fills, sessions and closes. docs/analytics.md has each formula.

Win rate, profit factor and the like come from closed trades (`trades`), returns from the closes (`daily`). Money is USD
and the bot's own: no view reads the account's value or positions.
"""

from __future__ import annotations

__all__ = ["PERFORMANCE"]

SESSIONS_A_YEAR = 252
"""Trading days a year, to annualize daily figures."""

TRADE_FIGURES = """
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
"""
"""The same figures for a symbol and for all of them."""

DAY_FIGURES = f"""
       count(*) AS days,
       min(date) AS first_day,
       max(date) AS last_day,
       sum(daily.pnl_usd) AS own_pnl_usd,
       arg_max(base_usd, date) AS base_usd,
       sqrt({SESSIONS_A_YEAR}) * avg(return_pct) / nullif(stddev_samp(return_pct), 0) AS sharpe,
       {SESSIONS_A_YEAR} * avg(return_pct)
         / nullif(sqrt({SESSIONS_A_YEAR} * avg(least(return_pct, 0) ^ 2)), 0) AS sortino,
       sqrt({SESSIONS_A_YEAR}) * stddev_samp(return_pct) AS volatility_pct,
       min(drawdown_usd) AS max_drawdown_usd,
       min(drawdown_pct) AS max_drawdown_pct,
       100 * (greatest(product(1 + return_pct / 100), 0) ^ ({SESSIONS_A_YEAR} / count(return_pct)) - 1)
         AS annual_return_pct,
       min(compound_drawdown_pct) AS compound_drawdown_pct
"""

PERFORMANCE = f"""
-- Splits of own shares, as the morning audit booked them. It compares with the last close: since then all is in new
-- shares.
CREATE OR REPLACE VIEW splits AS
SELECT symbol, ts, coalesce((SELECT max(close_ts) FROM sessions WHERE close_ts <= events.ts), ts) AS since_ts,
       own_is / own_was AS ratio, own_was, own_is
FROM (
    -- An earlier release recorded only the account's shares.
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
           b.no_rate OR s.no_rate AS no_rate,
           b.witness IN ('order', 'stop') OR s.witness IN ('order', 'stop') AS synthetic
    FROM runs b JOIN runs s ON s.symbol = b.symbol AND b.side = 'BUY' AND s.side = 'SELL'
     AND s.until_qty - s.qty < b.until_qty AND b.until_qty - b.qty < s.until_qty
), bought AS (
    SELECT client_order_id, sum(qty) AS qty FROM own WHERE side = 'BUY' GROUP BY client_order_id
), sums AS (
    SELECT symbol, client_order_id, min(entry_ts) AS entry_ts, max(exit_ts) AS exit_ts, sum(qty) AS qty,
           sum(qty * entry_price) AS cost, sum(qty * exit_price) AS proceeds,
           sum(qty * commission_per_share) AS commission, bool_or(pending) AS pending,
           bool_or(no_rate) AS no_rate, bool_or(coalesce(synthetic, false)) AS synthetic,
           arg_max(today, exit_ts) AS today
    FROM lots WHERE qty > 1e-9 GROUP BY symbol, client_order_id
)
SELECT symbol, client_order_id, entry_ts, exit_ts, sums.qty / today AS qty, cost / sums.qty * today AS entry_price,
       proceeds / sums.qty * today AS exit_price, round(proceeds - cost - commission, 8) AS pnl_usd,
       100 * (proceeds - cost - commission) / cost AS pnl_pct, commission, exit_ts - entry_ts AS duration,
       CASE sign(pnl_usd) WHEN 1 THEN 'win' WHEN -1 THEN 'loss' ELSE 'even' END AS result,
       round(bought.qty - sums.qty, 9) AS open_qty, pending AS commission_pending,
       no_rate AS commission_unconverted, synthetic
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
SELECT symbol, {TRADE_FIGURES} FROM trades GROUP BY symbol ORDER BY symbol;

-- One row: the closed trades of all symbols, and the closes.
CREATE OR REPLACE VIEW overall AS
WITH of_trades AS (SELECT {TRADE_FIGURES}, count(*) FILTER (commission_pending) AS commissions_pending,
                          count(*) FILTER (commission_unconverted) AS commissions_unconverted FROM trades),
     of_days AS (SELECT {DAY_FIGURES} FROM daily)
SELECT *, annual_return_pct / nullif(-compound_drawdown_pct, 0) AS calmar FROM of_trades, of_days;
"""
