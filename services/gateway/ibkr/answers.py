"""Which answer belongs to which question, although IBKR numbers neither positions nor orders. Pure.

The broker answers in the order in which it is asked. So the end of an answer belongs to the oldest question that has
none yet, and what came before that end belongs to it too. Some answers never end; a question that had its time is
therefore *overdue*: the next end may be its own, or that of the question after it, which nobody can tell. Then the
newest complete answer counts that comes before the present question's own deadline.
"""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Answers"]

Key = TypeVar("Key")
Item = TypeVar("Item")


class Answers(Generic[Key, Item]):
    """The answers to one kind of question on one connection.

    `items`: the present answer so far. After its end it is kept up to date with `item`.
    """

    def __init__(self) -> None:
        self.items: dict[Key, Item] = {}
        self.complete = False
        self._asked = False
        self._abandoned = 0
        """Earlier questions whose answer is still on its way."""
        self._overdue = 0
        """Earlier questions whose answer did not come in time."""
        self._candidate: dict[Key, Item] | None = None
        self.trouble = ""

    def ask(self) -> None:
        """A question was sent. The one before it, if it is open, is abandoned."""
        if self._asked and not self.complete:
            self._abandoned += 1
        self.items, self._candidate = {}, None
        self._asked, self.complete, self.trouble = True, False, ""

    def item(self, key: Key, item: Item) -> None:
        self.items[key] = item
        if self._candidate is not None:
            self._candidate[key] = item

    def spoil(self, trouble: str) -> None:
        """A part of the answer could not be read."""
        self.trouble = trouble

    def end(self) -> None:
        """The broker says that an answer is complete."""
        if not self._asked or self.complete:
            self._abandoned, self._overdue = max(0, self._abandoned - 1), 0
        elif self._abandoned:
            self._abandoned -= 1
            self.items, self.trouble = {}, ""
        elif self._overdue:
            self._overdue -= 1
            self._candidate, self.items = self.items, {}
        else:
            self._candidate, self.complete = None, True

    @property
    def has_candidate(self) -> bool:
        """Whether a complete answer has come that may be the answer to an earlier question."""
        return self._candidate is not None

    def expire(self) -> bool:
        """The question's time is over. Whether there is an answer after all."""
        if self.complete:
            return True
        if self._candidate is not None:  # no second answer came: it was the answer to this question
            self.items, self._candidate, self.complete = self._candidate, None, True
            self._overdue = 0
            return True
        if self._asked:
            self._overdue = 1
        self._asked, self._abandoned = False, 0
        return False
