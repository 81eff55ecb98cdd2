"""Carries out the effects of faults: on the request dispatcher and on the sockets of the server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol, assert_never

from services.simulator.faults.active import (
    BeginFault,
    DeliverReports,
    Disconnect,
    Effect,
    EnterManualOrder,
    ForgetStreams,
    HandleRequest,
    Notice,
    ReviewStreams,
    RunExchangeAction,
    SendFrames,
)
from services.simulator.faults.catalogue import name_of
from services.simulator.requests.dispatch import RequestDispatcher

__all__ = ["FaultEffects"]

log = logging.getLogger(__name__)


class Sockets(Protocol):
    """The sockets of the server, as faults use them. `TwsServer` has them; this class keeps the two files apart."""

    def listen(self, wanted: bool, /) -> None:
        """Start to listen for connections, or stop."""

    def resume_reading(self) -> None:
        """Process what was held back while a client hung."""

    def disconnect(self, client_id: int | None, /) -> None:
        """Close the connection of one client, or of all."""

    def send(self, client_id: int, frames: Sequence[bytes], /) -> None:
        """Write frames to a client, unaffected by faults."""


class FaultEffects:
    """Performs the effects of one server's faults."""

    def __init__(self, dispatcher: RequestDispatcher, sockets: Sockets) -> None:
        self._dispatcher = dispatcher
        self._sockets = sockets

    def pass_time(self) -> bool:
        """The market moved: perform the effects that are due. True if there were any."""
        self._dispatcher.faults.pass_time(self._dispatcher.now_ns)
        happened = self.perform()
        self.settle()
        return happened

    def perform(self) -> bool:
        """Perform the pending effects, and those that result from them. True if there were any."""
        faults, happened = self._dispatcher.faults, False
        while effects := faults.take_effects():
            happened = True
            for effect in effects:
                self._do(effect)
        if happened:
            self.settle()
        return happened

    def settle(self) -> None:
        """Listen and read as the active faults allow."""
        self._sockets.listen(not self._dispatcher.faults.refusing)
        self._sockets.resume_reading()

    def _do(self, effect: Effect) -> None:
        dispatcher, clients = self._dispatcher, self._dispatcher.clients
        match effect:
            case Notice(code, text, client_id, request_id):
                for client in list(clients.values()):
                    if client_id in (None, client.client_id):
                        client.send_error(request_id, code, text)
            case Disconnect(client_id):
                self._sockets.disconnect(client_id)
            case SendFrames(client_id, frames):
                self._sockets.send(client_id, frames)
            case DeliverReports(reports):
                dispatcher.save_and_deliver(reports)
            case RunExchangeAction(action):
                try:
                    dispatcher.run_exchange_action(action)
                except (KeyError, ValueError) as error:  # its order or execution no longer exists
                    log.error("a fault came to nothing: %r", error)
            case HandleRequest(client_id, request):
                if client_id in clients:
                    dispatcher.handle(clients[client_id], request)
            case EnterManualOrder(ticket):
                dispatcher.enter_manual_order(ticket)
            case ForgetStreams():
                dispatcher.forget_streams()
            case ReviewStreams():
                dispatcher.live_data.check_entitlements()
            case BeginFault(fault):
                dispatcher.faults.begin(name_of(type(fault)), fault)
            case _:
                assert_never(effect)
