"""Days to compare: what a fleet recorded and what the in-process runner got, in the same words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from services.backtest.runner import Runner
from services.clock.calendar import sessions
from services.configuration.settings import Settings
from services.simulator.market.choice import market_source

ORDERS = """
SELECT client_order_id, symbol, role, side, order_type, qty, limit_price, stop_price, trailing_pct, trail_stop_price,
       tif, status, filled, avg_price, epoch_us(created_at) AS created_us
FROM orders ORDER BY client_order_id
"""
FILLS = """
SELECT client_order_id, side, qty, price, cum_qty, avg_price, epoch_us(ts) AS us, commission,
       round(realized_pnl, 6) AS pnl
FROM fills ORDER BY ts, client_order_id, cum_qty
"""
SNAPSHOTS = "SELECT * FROM performance_snapshots ORDER BY date"


@dataclass
class Day:
    """Everything that must be equal: orders by client_order_id, fills, the figures of each close."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    fills: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)


def recorded(fleet: Any) -> Day:
    """What the recorder has."""
    return Day(fleet.sql(ORDERS), fleet.sql(FILLS), fleet.sql(SNAPSHOTS))


def run_in_process(config: dict[str, Any]) -> Day:
    """The same configuration through the runner, as the first fleet of a test: its name is in its references."""
    settings = msgspec.convert({"fleet": "t0", **config}, Settings, strict=False)
    simulation = settings.simulation
    assert simulation.start is not None
    assert simulation.end is not None
    days = sessions("XNYS", simulation.start, simulation.end, today=date(2026, 1, 1))
    result = Runner(settings, market_source(settings), days).run()
    orders = [
        {
            "client_order_id": o.client_order_id,
            "symbol": o.symbol,
            "role": o.role,
            "side": o.side,
            "order_type": o.order_type,
            "qty": o.quantity,
            "limit_price": o.limit_price,
            "stop_price": o.stop_price,
            "trailing_pct": o.trailing_pct,
            "trail_stop_price": o.trail_stop_price,
            "tif": o.tif,
            "status": o.status,
            "filled": o.filled,
            "avg_price": o.avg_price,
            "created_us": o.created_ns // 1000,
        }
        for o in sorted(result.orders.values(), key=lambda o: o.client_order_id)
    ]
    fills = [
        {
            "client_order_id": record.fill.client_order_id,
            "side": record.fill.side,
            "qty": record.fill.quantity,
            "price": record.fill.price,
            "cum_qty": record.fill.cum_quantity,
            "avg_price": record.fill.avg_price,
            "us": record.fill.time_ns // 1000,
            "commission": result.commissions[record.fill.exec_id],
            "pnl": round(record.realized_usd, 6),
        }
        for record in sorted(
            result.fills.values(), key=lambda r: (r.fill.time_ns, r.fill.client_order_id, r.fill.cum_quantity)
        )
    ]
    return Day(orders, fills, [msgspec.structs.asdict(s) for s in result.snapshots])
