"""Shrinks the incidents of a failing run to a short list that breaks the same rule: delta debugging."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["shrink"]


def shrink(count: int, fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """A list of places in 0…count-1 that fails, and fails no more if one of them is left out.

    `fails` tells whether the run with the incidents at these places fails in the same way.
    """
    kept, parts = list(range(count)), 2
    while kept:
        size = max(1, len(kept) // parts)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            if fails(rest):
                kept, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                return kept
            parts = min(len(kept), parts * 2)
    return kept
