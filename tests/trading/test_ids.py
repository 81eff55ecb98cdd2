"""The names of processes, orders and accounts."""

from __future__ import annotations

import pytest

from services.trading.ids import (
    Reference,
    double_reference,
    fleet_prefix,
    is_flatten_reference,
    is_old_reference,
    is_paper_account,
    is_reference_of,
    order_reference,
    parse_reference,
    referenced,
    stop_reference,
)

LONG = "momentum-europe-2024"
DATE = "2025-01-06"


@pytest.mark.parametrize("account", ["DU1234567", "DF1234567", "DI1234567"])
def test_paper_accounts(account: str) -> None:
    assert is_paper_account(account)


@pytest.mark.parametrize("account", ["U1234567", "F1234567", "I1234567", "UD123456"])
def test_live_accounts(account: str) -> None:
    assert not is_paper_account(account)


@pytest.mark.parametrize("fleet", ["sim", "paper", "a-b", "a", "-", "a--b-", LONG, "9" * 20])
@pytest.mark.parametrize("symbol", ["TSLA", "F", "BRK B", "ABCDEF XYZ"])
def test_what_is_built_is_read_again(fleet: str, symbol: str) -> None:
    entry = order_reference(fleet, symbol, DATE, 12)
    tag = fleet_prefix(fleet)[len("CT.") : -1]
    dotted = symbol.replace(" ", ".")
    assert parse_reference(entry) == Reference(tag, dotted, DATE, "", 12)
    assert parse_reference(stop_reference(entry, 3)) == Reference(tag, dotted, DATE, "", 12, 3)
    double = double_reference(stop_reference(entry, 3), 2)
    assert parse_reference(double) == Reference(tag, dotted, DATE, "", 12, 3, 2)
    assert referenced(double) == stop_reference(entry, 3)
    for kind in ("F", "A", "M"):
        key = order_reference(fleet, symbol, DATE, 1, kind)  # type: ignore[arg-type]
        assert parse_reference(key) == Reference(tag, dotted, DATE, kind, 1)  # type: ignore[arg-type]
        assert is_flatten_reference(key) is (kind == "F")
    assert len(stop_reference(entry, 99)) <= 40
    assert " " not in stop_reference(entry, 99)


FLEETS = ["sim", "si", "sim-2", "sim2", "a-b", "ab", LONG, LONG[:-1], LONG[:9], LONG[:10], "momentum-europe-2025"]


@pytest.mark.parametrize("fleet", FLEETS)
def test_a_reference_belongs_to_one_fleet(fleet: str) -> None:
    key = order_reference(fleet, "TSLA", DATE, 1)
    assert [other for other in FLEETS if is_reference_of(key, other)] == [fleet]


@pytest.mark.parametrize(
    ("reference", "read"),
    [
        ("CT-TSLA-20250106-1", Reference("", "TSLA", DATE, "", 1)),
        ("CT-BRK.B-20250106-1-S2~3", Reference("", "BRK.B", DATE, "", 1, 2, 3)),
        ("CT-TSLA-20250106-F1", Reference("", "TSLA", DATE, "F", 1)),
        ("CT-BF-B-20250106-1", Reference("", "BF-B", DATE, "", 1)),
        ("CT.sim-BF-B-20250106-A1-S1", Reference("sim", "BF-B", DATE, "A", 1, 1)),
        ("", None),
        ("TSLA-20250106-1", None),
        ("CT-TSLA", None),
        ("CT.sim-TSLA-20250106-1-X", None),
        ("XCT.sim-TSLA-20250106-1", None),
        ("CT.sim-TSLA-20250106-", None),
    ],
)
def test_references_are_read_in_both_forms(reference: str, read: Reference | None) -> None:
    assert parse_reference(reference) == read
    assert is_old_reference(reference) is reference.startswith("CT-")
    assert not (is_old_reference(reference) and is_reference_of(reference, "sim"))


def test_the_stop_of_adopted_shares_is_no_sale_of_a_flatten() -> None:
    assert not is_flatten_reference("CT.sim-F-20250106-1")
    assert not is_flatten_reference("CT-F1-20250106-1-S1")
    assert not is_flatten_reference("CT.sim-TSLA-20250106-A1-S1")
