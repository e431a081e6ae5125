"""Files that grow: what is half written waits, what is damaged is passed over, later data is read exactly."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.core import events
from tui.core.records import Encoder, Header, intact
from tui.runs.event_tail import EventTail, lines_backwards
from tui.runs.tail import RecordTail, attempt_of

HEADER = Header("batches", ("loss", "accuracy"), attempt=3, run="r")
ENCODER = Encoder(HEADER)
WIDTH = HEADER.width


def record(step: int) -> bytes:
    return ENCODER.encode(step, float(step), [step / 2, 0.25])


def segment(path: Path, *parts: bytes) -> RecordTail:
    path.write_bytes(HEADER.encode() + b"".join(parts))
    return RecordTail(path)


def read(tail: RecordTail) -> list[int]:
    steps: list[int] = []
    while (block := tail.poll()) is not None:
        assert np.array_equal(block.times, block.steps)
        assert np.array_equal(block.values[0], (block.steps / 2).astype(np.float32))
        steps += block.steps.tolist()
    return steps


# --- events ------------------------------------------------------------------------------------------


def test_events_are_read_once_and_half_a_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.poll() == []
    line = events.Message(level="info", text="hello").encode()
    with path.open("ab") as file:
        file.write(line + line[:10])
    assert [event.text for event in tail.poll() if isinstance(event, events.Message)] == ["hello"]
    assert tail.poll() == []
    with path.open("ab") as file:
        file.write(line[10:])
    assert len(tail.poll()) == 1
    assert tail.damaged == 0


def test_damaged_lines_are_counted_and_blank_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = events.Controlled(action="pause").encode()
    path.write_bytes(line + b'{"kind":"ended","ti\n\n\xff\xfe\n' + line)
    tail = EventTail(path)
    assert len(tail.poll()) == 2
    assert tail.damaged == 2


def test_a_line_without_end_takes_no_memory_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = events.Controlled(action="pause").encode()
    path.write_bytes(line + b"x" * (10 << 20) + b"\n" + line)
    tail = EventTail(path)
    assert len(tail.poll()) == 2
    assert tail.damaged == 1


def test_a_limit_leaves_the_rest_for_later(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = events.Controlled(action="pause").encode()
    path.write_bytes(line * 10)
    tail = EventTail(path)
    assert len(tail.poll(limit=3 * len(line))) == 3
    assert tail.waiting() == 7 * len(line)
    assert len(tail.poll()) == 7


def test_a_file_that_became_shorter_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = events.Controlled(action="pause").encode()
    path.write_bytes(line * 3)
    tail = EventTail(path)
    tail.poll()
    path.write_bytes(line)
    assert len(tail.poll()) == 1
    assert tail.restarts == 1


def test_lines_come_newest_first_without_the_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind":"a"}\n{"kind":"b"}\nrubbish\n{"kind":"c","half')
    assert [kind for kind, _ in lines_backwards(path)] == ["b", "a"]
    assert list(lines_backwards(tmp_path / "missing")) == []


def test_of_a_long_file_the_end_and_the_beginning_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"kind":"first"}\n' + b'{"kind":"filling"}\n' * 100_000 + b'{"kind":"last"}\n')
    kinds = [kind for kind, _ in lines_backwards(path)]
    assert (kinds[0], kinds[-1]) == ("last", "first")
    assert len(kinds) < 100_000


# --- records -----------------------------------------------------------------------------------------


def test_records_are_read_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "batches-0003.seg"
    tail = RecordTail(path)
    assert tail.poll() is None
    head = HEADER.encode()
    path.write_bytes(head[:20])
    assert tail.poll() is None
    path.write_bytes(head + record(1) + record(2)[:-1])
    assert read(tail) == [1]
    path.write_bytes(head + record(1) + record(2) + record(3))
    assert read(tail) == [2, 3]
    assert (tail.gaps, tail.problem) == (0, "")


def test_one_flipped_bit_costs_one_record(tmp_path: Path) -> None:
    data = bytearray(b"".join(map(record, range(1, 3001))))
    data[1500 * WIDTH + 21] ^= 0x10
    tail = segment(tmp_path / "s", bytes(data))
    assert read(tail) == [step for step in range(1, 3001) if step != 1501]
    assert tail.gaps == 1


@pytest.mark.parametrize("lost", [1, 7, 17, WIDTH - 1])
def test_a_record_torn_inside_the_file_costs_one_gap_and_not_what_follows(tmp_path: Path, lost: int) -> None:
    tail = segment(tmp_path / "s", *map(record, range(1, 100)), record(100)[:-lost], *map(record, range(101, 300)))
    assert read(tail) == [step for step in range(1, 300) if step != 100]
    assert tail.gaps == 1


@pytest.mark.parametrize("size", [1, 1000, 3 << 20])
def test_rubbish_inside_the_file_is_one_gap(tmp_path: Path, size: int) -> None:
    rubbish = np.random.default_rng(1).bytes(size)
    tail = segment(tmp_path / "s", *map(record, range(1, 50)), rubbish, *map(record, range(50, 80)))
    assert read(tail) == list(range(1, 80))
    assert tail.gaps == 1


def test_zeros_at_the_end_after_a_power_cut_are_not_data(tmp_path: Path) -> None:
    tail = segment(tmp_path / "s", record(1), bytes(10 * WIDTH))
    assert read(tail) == [1]
    assert tail.gaps == 0
    with tail.path.open("ab") as file:
        file.write(record(2))
    assert read(tail) == [2]
    assert tail.gaps == 1


def test_zeros_and_repeats_inside_a_large_file_are_noticed(tmp_path: Path) -> None:
    parts = [record(step) for step in range(1, 5001)]
    parts[2000:2064] = [bytes(WIDTH)] * 64
    parts[3000:3010] = [record(1)] * 10  # whole, but of an earlier step
    tail = segment(tmp_path / "s", *parts)
    assert read(tail) == [*range(1, 2001), *range(2065, 3001), *range(3011, 5001)]
    assert tail.gaps == 2


def test_records_of_another_attempt_do_not_belong(tmp_path: Path) -> None:
    stranger = Encoder(Header("batches", ("loss", "accuracy"), attempt=4, run="r")).encode(2, 2.0, [1.0, 0.25])
    assert read(segment(tmp_path / "s", record(1), stranger, record(3))) == [1, 3]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"hello\n", "invalid literal"),
        (HEADER.encode().replace(b"loss", b"boss"), "damaged"),
        (Header("batches", ("loss",), 1, "r", version=2).encode(), "newer version"),
        (b"x" * (5 << 20), "not a record file"),
    ],
)
def test_what_is_no_segment_says_why(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "s"
    path.write_bytes(data)
    tail = RecordTail(path)
    assert tail.poll() is None
    assert tail.last() is None
    assert problem in tail.problem


def test_the_first_and_the_newest_are_found_without_reading_the_rest(tmp_path: Path) -> None:
    tail = segment(tmp_path / "s", *map(record, range(5, 5000)), record(5000)[:-3])
    first, last = tail.first(), tail.last()
    assert first is not None
    assert last is not None
    assert (first.step, last.step, last.values) == (5, 4999, (2499.5, 0.25))
    earlier = tail.before(last, 100)
    assert earlier is not None
    assert earlier.step == 4899
    beginning = tail.before(last, 1_000_000)
    assert beginning is not None
    assert beginning.step == 5


def test_the_newest_is_found_behind_a_tear_and_before_rubbish(tmp_path: Path) -> None:
    tail = segment(tmp_path / "s", *map(record, range(1, 9)), record(9)[:5], record(10), bytes(30))
    last = tail.last()
    assert last is not None
    assert last.step == 10


def test_the_newest_agrees_with_reading_everything(tmp_path: Path) -> None:
    tail = segment(tmp_path / "s")
    assert tail.last() is None
    for step in range(1, 60):
        with tail.path.open("ab") as file:
            file.write(record(step))
        last = tail.last()
        assert last is not None
        assert last.step == step


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2999), st.integers(0, WIDTH - 1), st.integers(1, 255)), max_size=12))
def test_grouped_checksums_find_what_single_ones_find(damage: list[tuple[int, int, int]]) -> None:
    data = bytearray(b"".join(map(record, range(1, 3001))))
    for row, byte, bits in damage:
        data[row * WIDTH + byte] ^= bits
    words = np.frombuffer(bytes(data), "<u4").reshape(3000, WIDTH // 4)
    single = [
        zlib.crc32(bytes(data[at : at + WIDTH - 4])) == struct.unpack_from("<I", data, at + WIDTH - 4)[0]
        for at in range(0, len(data), WIDTH)
    ]
    assert intact(words).tolist() == single


def test_the_same_damage_in_two_records_does_not_cancel_out() -> None:
    data = bytearray(b"".join(map(record, range(1, 3001))))
    side = int(3000**0.5)
    for row in (5, 5 + side, 5 + 7 * (side - 1)):
        data[row * WIDTH + 24] ^= 1
    good = intact(np.frombuffer(bytes(data), "<u4").reshape(3000, WIDTH // 4))
    assert np.flatnonzero(~good).tolist() == [5, 5 + side, 5 + 7 * (side - 1)]


def test_the_attempt_is_in_the_name() -> None:
    names = ("batches-0001.seg", "layers-0123.seg", "batches-12345.seg", "batches.seg", "batches-1x.seg")
    assert [attempt_of(Path(name)) for name in names] == [1, 123, 12345, 0, 0]
