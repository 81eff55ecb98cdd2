"""python -m tests.simulator.coverage > docs/simulator-coverage.md: which test shows which part of the gateway.

A marker on a test names what it shows: `@pytest.mark.shows(request=20, reply=(17, 90), order="TRAIL/GTC",
feature="what-if")`. The page lists every message of the protocol that clients use, and every order type in every time
in force, with the tests that show it. A test's versions are those of its parameter (`version`, or a client with its
version), else those of its marker's `versions`, else 176, the version of ib_insync.
"""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

__all__ = ["FEATURES", "ORDERS", "REPLIES", "REQUESTS", "Shown", "collect", "page"]

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/simulator", "tests/clients", "tests/hostile")

REQUESTS = {
    1: "reqMktData", 2: "cancelMktData", 3: "placeOrder", 4: "cancelOrder", 5: "reqOpenOrders", 6: "reqAccountUpdates",
    7: "reqExecutions", 8: "reqIds", 9: "reqContractDetails", 15: "reqAutoOpenOrders", 16: "reqAllOpenOrders",
    17: "reqManagedAccts", 20: "reqHistoricalData", 25: "cancelHistoricalData", 49: "reqCurrentTime",
    50: "reqRealTimeBars", 51: "cancelRealTimeBars", 58: "reqGlobalCancel", 59: "reqMarketDataType", 61: "reqPositions",
    62: "reqAccountSummary", 63: "cancelAccountSummary", 64: "cancelPositions", 71: "startApi", 74: "reqPositionsMulti",
    75: "cancelPositionsMulti", 76: "reqAccountUpdatesMulti", 77: "cancelAccountUpdatesMulti",
    81: "reqMatchingSymbols", 87: "reqHeadTimestamp", 90: "cancelHeadTimestamp", 91: "reqMarketRule", 92: "reqPnL",
    93: "cancelPnL", 94: "reqPnLSingle", 95: "cancelPnLSingle", 96: "reqHistoricalTicks", 97: "reqTickByTickData",
    98: "cancelTickByTickData", 99: "reqCompletedOrders",
}  # fmt: skip
REPLIES = {
    1: "tickPrice", 2: "tickSize", 3: "orderStatus", 4: "error", 5: "openOrder", 6: "accountValue", 7: "portfolioValue",
    8: "accountUpdateTime", 9: "nextValidId", 10: "contractDetails", 11: "execDetails", 15: "managedAccounts",
    17: "historicalData", 45: "tickGeneric", 46: "tickString", 49: "currentTime", 50: "realtimeBar",
    52: "contractDetailsEnd", 53: "openOrderEnd", 54: "accountDownloadEnd", 55: "execDetailsEnd",
    57: "tickSnapshotEnd", 58: "marketDataType", 59: "commissionReport", 61: "position", 62: "positionEnd",
    63: "accountSummary", 64: "accountSummaryEnd", 71: "positionMulti", 72: "positionMultiEnd",
    73: "accountUpdateMulti", 74: "accountUpdateMultiEnd", 79: "symbolSamples", 81: "tickReqParams",
    88: "headTimestamp", 90: "historicalDataUpdate", 93: "marketRule", 94: "pnl", 95: "pnlSingle",
    96: "historicalTicks", 97: "historicalTicksBidAsk", 98: "historicalTicksLast", 99: "tickByTick", 100: "orderBound",
    101: "completedOrder", 102: "completedOrdersEnd",
}  # fmt: skip
TYPES = ("MKT", "LMT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT")
TIMES = ("DAY", "GTC", "IOC", "GTD")
ORDERS = [f"{kind}/{tif}" for kind in TYPES for tif in TIMES]
FEATURES = (
    "transmit and family", "328", "modify", "cancel", "global cancel", "OCA 1", "OCA 2", "OCA 3", "trail ratchet",
    "outside regular hours", "off hours (399)", "survives a restart", "rejects", "what-if", "partial fills",
    "adjustable stop", "trigger methods", "several accounts", "manual orders of client 0",
)  # fmt: skip

UNSHOWN: dict[str, set[Any]] = {"request": set(), "reply": set(), "order": set(), "feature": set()}
"""Items without a test yet; the page lists them. An item with a test must leave this set."""


class Shown:
    """What the collected tests show: kind (request, reply, order, feature) and key → tests, versions."""

    def __init__(self) -> None:
        self.tests: dict[tuple[str, Any], dict[str, None]] = defaultdict(dict)
        self.versions: dict[tuple[str, Any], set[int]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("shows"):
                kinds = dict(mark.kwargs)
                versions = self._versions(item, kinds.pop("versions", (176,)))
                for kind, keys in kinds.items():
                    for key in keys if isinstance(keys, tuple | list) else (keys,):
                        place = item.nodeid.split("[")[0].removeprefix("tests/")
                        self.tests[kind, key][place] = None
                        self.versions[kind, key] |= versions

    @staticmethod
    def _versions(item: pytest.Item, default: tuple[int, ...]) -> set[int]:
        params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
        if "version" in params:
            return {params["version"]}
        return {params["client"].version} if "client" in params else set(default)


def collect() -> Shown:
    """The markers of all tests, without running any."""
    shown = Shown()
    with contextlib.redirect_stdout(io.StringIO()):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *FOLDERS], plugins=[shown])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the tests can't be collected (pytest ends with {code!r}): run them first")
    return shown


def page(shown: Shown) -> str:
    """The page."""
    lines = [
        "# The simulated gateway: what is shown by which test",
        "",
        "Made of the tests by `.venv/bin/python -m tests.simulator.coverage`; a test keeps it true. Versions are the",
        "server versions at which it is shown. Four clients by other people (ib_insync, ib_async, ibapi, @stoqey/ib)",
        "play one scenario in `tests/clients`; `make fuzz` attacks every message with spoilt requests of all versions.",
        "",
        "## Requests",
        "",
        *_table(shown, "request", "request", REQUESTS),
        "",
        "## Replies",
        "",
        *_table(shown, "reply", "reply", REPLIES),
        "",
        "## Order types and times in force",
        "",
        *_table(shown, "order", "order", dict.fromkeys(ORDERS, "")),
        "",
        "## Order features",
        "",
        *_table(shown, "feature", "feature", dict.fromkeys(FEATURES, "")),
        "",
    ]
    return "\n".join(lines)


def _table(shown: Shown, kind: str, heading: str, names: dict[Any, str]) -> list[str]:
    lines = [f"| {heading} | versions | shown by |", "|---|---|---|"]
    for key, name in names.items():
        label = f"{key} {name}".strip()
        tests = [f"`{test}`" for test in shown.tests.get((kind, key), {})]
        versions = ", ".join(map(str, sorted(shown.versions.get((kind, key), ()))))
        reported = "<br>".join(tests[:4]) + (f"<br>and {len(tests) - 4} more" if len(tests) > 4 else "")
        lines.append(f"| {label} | {versions} | {reported or '**not yet**'} |")
    return lines


if __name__ == "__main__":
    print(page(collect()), end="")
