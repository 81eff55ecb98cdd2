"""The sockets of a process. The only file that imports ZeroMQ.

These sockets may lose frames, and sending is no acknowledgement. What must arrive is a row (`actor.py`). Each socket is
an ipc path in the fleet's run directory, which belongs to one user (0700). A process that binds holds its process lock.

- links: DEALER (dials, identity = process name) and ROUTER (binds), single frames;
- publications: XPUB/SUB, one frame 'topic|body'; a new subscriber gets the last value of its topics;
- heartbeats to the watchdog: PUB/SUB, the watchdog binds;
- control: a separate ROUTER, so that a command never waits behind ticks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import zmq

import messages
from messages.operator import Answer, Command
from services.fleet import process_lock

__all__ = ["Bus", "NoAnswer", "ask", "latest", "serve_control"]

HIGH_WATER = 1000
"""Frames that a socket may hold. It is more than a link's window, so only a dead peer fills it."""

SILENCE_MS = 20
RECONNECT_MS, RECONNECT_MAX_MS = 10, 200

READABLE = int(zmq.POLLIN)
"""As an int: operations on the flag itself are slow Python code."""

_encode = msgspec.msgpack.Encoder().encode
_decode_command = msgspec.msgpack.Decoder(Command).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class NoAnswer(Exception):
    """No answer on the control socket of a process."""


class Bus:
    """The sockets of one process.

    `dials`: the processes that it connects to. `binds`: other processes connect to it. `publishes`: it has an XPUB.
    `subscribes`: the topics that it wants of each publisher ('' for all). `control`: it takes commands. `beats`: it
    sends heartbeats. `receives_beats`: it is the watchdog. `lock`: the lock of its name.
    """

    def __init__(
        self,
        name: str,
        run_dir: Path,
        *,
        dials: Sequence[str] = (),
        binds: bool = False,
        publishes: bool = False,
        subscribes: Mapping[str, Sequence[str]] | None = None,
        control: bool = False,
        beats: bool = True,
        receives_beats: bool = False,
        lock: process_lock.Lock | None = None,
    ):
        self.name = name
        self._dir = run_dir
        self._lock = lock
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._bound: dict[str, zmq.Socket[bytes]] = {}
        self._dealers = {peer: self._dial(peer) for peer in dials}
        self._peer_of = {dealer: peer for peer, dealer in self._dealers.items()}
        self._router = self._bind(zmq.ROUTER, name) if binds else None
        self._xpub = self._bind(zmq.XPUB, f"{name}.pub") if publishes else None
        self._last: dict[bytes, bytes] = {}
        self._subs = [self._subscribe(peer, topics) for peer, topics in (subscribes or {}).items()]
        self._control = self._bind(zmq.ROUTER, f"{name}.control") if control else None
        self._beat: zmq.Socket[bytes] | None = None
        if beats:
            self._beat = self._socket(zmq.PUB)
            self._beat.connect(self._path("watchdog.beats"))
        self._beats_in = self._bind(zmq.SUB, "watchdog.beats") if receives_beats else None
        if self._beats_in is not None:
            self._beats_in.subscribe(b"")
        for sock in self._inputs():
            self._poller.register(sock, zmq.POLLIN)
        self._found: set[object] = set(self._inputs())
        """The sockets where the last poll found input. Before the first poll: all of them."""

    # Making sockets.

    def _path(self, name: str) -> str:
        return f"ipc://{self._dir / name}"

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        sock = self._context.socket(kind)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.SNDHWM, HIGH_WATER)
        sock.setsockopt(zmq.RCVHWM, HIGH_WATER)
        sock.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        sock.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        return sock

    def _dial(self, peer: str) -> zmq.Socket[bytes]:
        sock = self._socket(zmq.DEALER)
        sock.setsockopt(zmq.IDENTITY, self.name.encode())
        sock.setsockopt(zmq.IMMEDIATE, 1)
        sock.connect(self._path(peer))
        return sock

    def _bind(self, kind: int, name: str) -> zmq.Socket[bytes]:
        sock = self._socket(kind)
        if kind == zmq.ROUTER:
            sock.setsockopt(zmq.ROUTER_MANDATORY, 1)
            sock.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if kind == zmq.XPUB:
            sock.setsockopt(zmq.XPUB_VERBOSE, 1)
        sock.bind(self._path(name))
        self._bound[name] = sock
        return sock

    def keep(self) -> None:
        """Make the files of sockets and lock again that have vanished; call it about once a second.

        Living connections go on.
        """
        for name, sock in self._bound.items():
            keep_bound(sock, self._dir / name)
        if self._lock is not None:
            self._lock.keep()

    def _subscribe(self, peer: str, topics: Sequence[str]) -> zmq.Socket[bytes]:
        sock = self._socket(zmq.SUB)
        for topic in topics:
            sock.subscribe(f"{topic}|".encode() if topic else b"")
        sock.connect(self._path(f"{peer}.pub"))
        return sock

    def _inputs(self) -> list[zmq.Socket[bytes]]:
        single = [self._router, self._xpub, self._control, self._beats_in]
        return [*self._dealers.values(), *self._subs, *(s for s in single if s is not None)]

    def watch(self, fd: int) -> None:
        """Wake `poll` when this file descriptor is readable."""
        self._poller.register(fd, zmq.POLLIN)

    @property
    def fds(self) -> list[int]:
        """The descriptors that an event loop has to watch (edge-triggered: drain all sockets at each wake-up)."""
        return [sock.getsockopt(zmq.FD) for sock in self._inputs()]  # type: ignore[misc]

    # Receiving.

    def poll(self, timeout_ms: int) -> bool:
        """Wait for input; True if there is any. Until the next poll only sockets with input are read."""
        self._found = {sock for sock, _ in self._poller.poll(timeout_ms)}
        return bool(self._found)

    def _waits(self, sock: zmq.Socket[bytes]) -> bool:
        """Whether a receive would succeed now. This is cheaper than an exception."""
        if sock not in self._found:
            return False
        events: int = sock.getsockopt(zmq.EVENTS)  # type: ignore[assignment]
        return bool(events & READABLE)

    def frames(self) -> Iterator[tuple[str, bytes]]:
        """The frames that wait on the links: (peer, frame). Does not block.

        One frame per peer and round, so that each peer gets its share.
        """
        busy = True
        while busy:
            busy = False
            for dealer, peer in self._peer_of.items():
                if self._waits(dealer):
                    busy = True
                    yield peer, dealer.recv()
            if self._router is not None and self._waits(self._router):
                busy = True
                identity, frame = self._router.recv_multipart()
                yield identity.decode(), frame

    def publications(self) -> Iterator[messages.Message]:
        """The publications that wait. New subscribers of ours get the last values of their topics."""
        for sub in self._subs:
            while self._waits(sub):
                frame = sub.recv()
                yield messages.decode(frame[frame.index(b"|") + 1 :])
        if self._xpub is not None:
            while self._waits(self._xpub):
                subscription = self._xpub.recv()
                if subscription[:1] == b"\x01":
                    for topic, last in self._last.items():
                        if topic.startswith(subscription[1:]):
                            self._xpub.send(last, zmq.NOBLOCK)

    def commands(self) -> Iterator[tuple[bytes, Command]]:
        """The commands that wait on the control socket: (client to answer, command)."""
        while self._control is not None and self._waits(self._control):
            client, _, body = self._control.recv_multipart()
            try:
                command = _decode_command(body)
            except msgspec.DecodeError as error:
                self.answer(client, Answer(False, f"not a command: {error}"))
                continue
            yield client, command

    def beats(self) -> Iterator[bytes]:
        """The heartbeats that wait, for the watchdog."""
        while self._beats_in is not None and self._waits(self._beats_in):
            yield self._beats_in.recv()

    # Sending. What can't be sent at once is dropped: rows are sent again, anything else would be stale.

    def send(self, peer: str, frame: bytes) -> None:
        dealer = self._dealers.get(peer)
        with contextlib.suppress(zmq.ZMQError):
            if dealer is not None:
                dealer.send(frame, zmq.NOBLOCK)
            elif self._router is not None:
                self._router.send_multipart((peer.encode(), frame), zmq.NOBLOCK)

    def publish(self, topic: str, message: messages.Message) -> None:
        assert self._xpub is not None, "this process publishes nothing"
        key = f"{topic}|".encode()
        frame = key + messages.encode(message)
        self._last[key] = frame
        with contextlib.suppress(zmq.Again):
            self._xpub.send(frame, zmq.NOBLOCK)

    def answer(self, client: bytes, answer: Answer) -> None:
        assert self._control is not None, "this process takes no commands"
        with contextlib.suppress(zmq.ZMQError):
            self._control.send_multipart((client, b"", _encode(answer)), zmq.NOBLOCK)

    def beat(self, body: bytes) -> None:
        """Send a heartbeat to the watchdog."""
        if self._beat is not None:
            with contextlib.suppress(zmq.Again):
                self._beat.send(body, zmq.NOBLOCK)

    def close(self) -> None:
        self._context.destroy(linger=0)

    def __enter__(self) -> Bus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def keep_bound(sock: zmq.Socket[bytes], path: Path) -> None:
    """Bind this socket again if its file has vanished.

    ZeroMQ refuses to bind one path twice, and an unbind would end all connections and remove the new file later. So the
    socket gets a second path, which is renamed.
    """
    if path.exists():
        return
    fresh = path.with_name(f".{os.getpid()}-{path.name[:8]}")
    with contextlib.suppress(OSError, zmq.ZMQError):  # try again in a second
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sock.bind(f"ipc://{fresh}")
        fresh.rename(path)


class StopSignal:
    """SIGTERM and SIGINT as a flag, and as a descriptor that wakes a poll."""

    def __init__(self) -> None:
        self.set = False
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        self.set = True

    def fileno(self) -> int:
        return self._read.fileno()


def serve_control(
    run_dir: Path, process: str, handler: Callable[[Command], Answer], stopped: Callable[[], bool]
) -> None:
    """Answer commands in this thread until `stopped()`, for a process whose answers take time."""
    context = zmq.Context()
    sock = context.socket(zmq.REP)
    sock.setsockopt(zmq.LINGER, 0)
    path = run_dir / f"{process}.control"
    sock.bind(f"ipc://{path}")
    while not stopped():
        if not sock.poll(200):
            keep_bound(sock, path)
            continue
        try:
            answer = handler(_decode_command(sock.recv()))
        except Exception as error:  # a bad command must not end the service
            answer = Answer(False, f"{type(error).__name__}: {error}")
        sock.send(_encode(answer))
    context.destroy(linger=0)


def ask(run_dir: Path, process: str, command: Command, timeout_s: float) -> Answer:
    """Send a command to a process on its control socket, and return the answer. Raises NoAnswer."""
    context = zmq.Context()
    try:
        sock = context.socket(zmq.REQ)
        sock.setsockopt(zmq.LINGER, 0)
        sock.connect(f"ipc://{run_dir / process}.control")
        sock.send(_encode(command))
        if not sock.poll(int(timeout_s * 1000)):
            raise NoAnswer(f"{process} does not answer; is the fleet running?")
        return _decode_answer(sock.recv())
    finally:
        context.destroy(linger=0)


def latest(run_dir: Path, process: str, timeout_s: float) -> dict[str, messages.Message]:
    """The last value of every topic that a process publishes; empty if the process does not run.

    A new subscriber gets all of them at once, one after another. Silence after the first means that all have arrived.
    """
    last: dict[str, messages.Message] = {}
    context = zmq.Context()
    try:
        sock = context.socket(zmq.SUB)
        sock.setsockopt(zmq.LINGER, 0)
        sock.subscribe(b"")
        sock.connect(f"ipc://{run_dir / process}.pub")
        wait, until = int(timeout_s * 1000), time.monotonic() + timeout_s
        while sock.poll(wait) and time.monotonic() < until:
            wait = SILENCE_MS
            topic, _, body = sock.recv().partition(b"|")
            last[topic.decode()] = messages.decode(body)
    finally:
        context.destroy(linger=0)
    return last
