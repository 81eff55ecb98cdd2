"""Frames in pieces of any size; invalid frames; the version that both sides speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.wire.framing import MAX_FRAME, FrameReader, ProtocolError, frame, negotiate


@given(payloads=st.lists(st.binary(max_size=40), max_size=8), cuts=st.lists(st.integers(1, 30), max_size=40))
def test_frames_in_pieces_of_any_size(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"API\0" + b"".join(frame(payload) for payload in payloads)
    reader, got, at = FrameReader(), [], 0
    for cut in [*cuts, len(stream)]:
        got += reader.feed(stream[at : at + cut])
        at += cut
    assert got == payloads


@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n", b"AP\0", b"\0\0\0\x05hello"])
def test_another_protocol_is_refused(opening: bytes) -> None:
    with pytest.raises(ProtocolError, match="opens with"):
        list(FrameReader().feed(opening))


def test_a_frame_too_long_is_refused_and_earlier_ones_are_not_lost() -> None:
    payloads = FrameReader().feed(b"API\0" + frame(b"x\0") + (MAX_FRAME + 1).to_bytes(4, "big"))
    assert next(payloads) == b"x\0"
    with pytest.raises(ProtocolError, match=str(MAX_FRAME + 1)):
        next(payloads)


def test_the_longest_frame_passes() -> None:
    reader = FrameReader()
    assert list(reader.feed(b"API\0" + MAX_FRAME.to_bytes(4, "big"))) == []
    assert [len(payload) for payload in reader.feed(bytes(MAX_FRAME))] == [MAX_FRAME]


@pytest.mark.parametrize(
    ("announced", "version"),
    [
        (b"v157..176", 176),
        (b"v157..178", 178),
        (b"v100..157", 157),
        (b"v100..193", 178),
        (b"v157..176 +PACEAPI", 176),
        (b"v170", 170),
    ],
)
def test_the_version_is_the_highest_that_both_speak(announced: bytes, version: int) -> None:
    assert negotiate(announced) == version


@pytest.mark.parametrize(
    "announced", [b"v100..156", b"v179..193", b"v176..157", b"", b"63", b"v1..", b"71\x002\x001\0\0"]
)
def test_other_versions_are_refused(announced: bytes) -> None:
    with pytest.raises(ProtocolError):
        negotiate(announced)


def test_the_limit_can_be_raised_in_the_middle() -> None:
    reader = FrameReader(limit=5)
    found = []
    for payload in reader.feed(b"API\0" + frame(b"short") + frame(b"longer")):
        found.append(payload)
        reader.limit = 6
    assert found == [b"short", b"longer"]
    with pytest.raises(ProtocolError, match="a frame of 7 bytes, 6 is the limit"):
        list(reader.feed(frame(b"longest")))
