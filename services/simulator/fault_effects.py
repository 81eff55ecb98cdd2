"""Carries out the effects of faults: on the requests of clients, and on the sockets of the server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol, assert_never

from services.simulator.faults.active import (
    Ask,
    Begin,
    ByHand,
    Effect,
    ForgetStreams,
    Handle,
    HangUp,
    Notice,
    ReviewStreams,
    Say,
    Tell,
)
from services.simulator.faults.catalogue import name_of
from services.simulator.requests.dispatch import Desk

__all__ = ["FaultEffects"]

log = logging.getLogger(__name__)


class Sockets(Protocol):
    """The server, as far as faults act on it."""

    @property
    def desk(self) -> Desk: ...

    def listen(self, wanted: bool, /) -> None: ...

    def read_on(self) -> None: ...

    def hang_up(self, client_id: int | None, /) -> None: ...

    def say(self, client_id: int, frames: Sequence[bytes], /) -> None: ...


class FaultEffects:
    """Performs what the faults of one server want done."""

    def __init__(self, server: Sockets) -> None:
        self._server = server

    def pass_time(self) -> bool:
        """The market moved: do what is due; whether there was anything."""
        desk = self._server.desk
        desk.faults.pass_time(desk.now_ns)
        happened = self.perform()
        self.settle()
        return happened

    def perform(self) -> bool:
        """Do what faults want done by now, and what follows from it; whether there was anything."""
        faults, happened = self._server.desk.faults, False
        while effects := faults.take_effects():
            happened = True
            for effect in effects:
                self._do(effect)
        if happened:
            self.settle()
        return happened

    def settle(self) -> None:
        """Listen or don't, hang or don't, as the faults have it now."""
        self._server.listen(not self._server.desk.faults.refusing)
        self._server.read_on()

    def _do(self, effect: Effect) -> None:
        desk, clients = self._server.desk, self._server.desk.clients
        match effect:
            case Notice(code, text, client_id, request_id):
                for client in list(clients.values()):
                    if client_id in (None, client.client_id):
                        client.complain(request_id, code, text)
            case HangUp(client_id):
                self._server.hang_up(client_id)
            case Say(client_id, frames):
                self._server.say(client_id, frames)
            case Tell(reports):
                desk.tell(reports)
            case Ask(what):
                try:
                    desk.ask(what)
                except (KeyError, ValueError) as error:  # what it was about is not there any more
                    log.error("a fault came to nothing: %r", error)
            case Handle(client_id, request):
                if client_id in clients:
                    desk.handle(clients[client_id], request)
            case ByHand(ticket):
                desk.enter_by_hand(ticket)
            case ForgetStreams():
                desk.forget_streams()
            case ReviewStreams():
                desk.feeds.review()
            case Begin(fault):
                desk.faults.begin(name_of(type(fault)), fault)
            case _:
                assert_never(effect)
