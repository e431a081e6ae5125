"""Records, events and requests: what is written comes back exactly, and damage is noticed."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tui.core import control, events
from tui.core.errors import UsageError
from tui.core.metrics import ACCURACY, BATCH, GRADIENT_NORM, LOSS, METRICS
from tui.core.records import BATCHES, Encoder, Header, decode_header
from tui.core.rundir import RunDir, new_run

HEADER = Header(BATCHES, tuple(metric.name for metric in BATCH), attempt=2, run="r")


def test_a_header_comes_back() -> None:
    line = HEADER.encode()
    assert decode_header(line + b"rest") == (HEADER, len(line))
    assert decode_header(line[:-1]) is None


@pytest.mark.parametrize("at", [0, 12, 40])
def test_a_damaged_header_is_noticed(at: int) -> None:
    line = bytearray(HEADER.encode())
    line[at] ^= 0x01
    with pytest.raises(ValueError, match=r"header|record file|int"):
        decode_header(bytes(line))


def test_a_record_has_the_agreed_layout() -> None:
    values = [1.5, math.nan, math.inf, 1e300, -1e300, 0.0, 2.0]
    data = Encoder(HEADER).encode(7, 1234.5, values)
    assert len(data) == HEADER.width
    step, moment, attempt, *numbers, checksum = struct.unpack("<QdI7fI", data)
    assert (step, moment, attempt) == (7, 1234.5, 2)
    assert numbers[0] == 1.5
    assert math.isnan(numbers[1])
    assert numbers[2:5] == [math.inf, math.inf, -math.inf]
    assert checksum == zlib.crc32(data[:-4])


@pytest.mark.parametrize(
    "event",
    [
        events.Ended(step=3, reason="stopped", exit_code=75, text="a\nb"),
        events.EpochEnded(step=3, epoch=1, loss=math.nan, score=0.5, seconds=1.0),
        events.EpochEnded(step=3, epoch=1, loss=math.inf, score=0.5, seconds=1.0),
        events.Message(level="warning", text="naïve \x1b[2J"),
    ],
)
def test_an_event_is_one_line_that_comes_back(event: events.Event) -> None:
    line = event.encode()
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line
    assert repr(events.decode(line)) == repr(event)


def test_numbers_of_numpy_and_kinds_of_text_are_written_and_what_json_has_no_form_for_is_refused() -> None:
    loss = cast(float, np.float32(0.5))

    class Version(str):
        pass

    message = events.Message(level="info", text=Version("2.14.1"))
    assert events.decode(message.encode()) == message
    event = events.EpochEnded(epoch=cast(int, np.int64(2)), loss=loss, seconds=cast(float, np.float64(1.5)))
    assert repr(events.decode(event.encode())) == repr(event.but(epoch=2, loss=0.5, seconds=1.5))
    with pytest.raises(TypeError):
        events.Message(level="info", text=cast(str, object())).encode()


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"message","time":1.0,"step":0,"level":"loud","text":"x"}',
        b'{"kind":"message","time":1.0,"step":0,"level":"info","text":5}',
        b'{"kind":"message","time":"now","step":0,"level":"info","text":"x"}',
        b'{"kind":"epoch","time":1.0,"step":1,"epoch":1,"loss":null,"seconds":1}',
        b'{"kind":"launched","time":1.0,"step":1,"attempt":1,"host":"h"}',
        b'{"kind":"wired","time":1.0,"step":0,"layers":[{"nam":"x"}],"class_counts":[],"batch_norm":true}',
        b'{"kind":["message"],"time":1.0}',
    ],
)
def test_an_event_of_another_shape_is_damage(line: bytes) -> None:
    assert events.decode(line) is None


def test_the_score_of_an_epoch_was_called_accuracy_once() -> None:
    line = b'{"kind":"epoch","time":1.0,"step":9,"epoch":1,"loss":2,"accuracy":0.25,"seconds":1.0}'
    event = events.decode(line)
    assert isinstance(event, events.EpochEnded)
    assert (event.score, event.metric, event.loss) == (0.25, "accuracy", 2.0)


def test_events_of_the_future_are_kept_and_damage_is_passed_over() -> None:
    unknown = events.decode(b'{"kind":"teleported","time":1.0,"step":4}')
    assert isinstance(unknown, events.Unknown)
    assert unknown.name == "teleported"
    extra = events.decode(b'{"kind":"controlled","time":1.0,"step":4,"action":"stop","who":"ada"}')
    assert isinstance(extra, events.Controlled)
    for damaged in (b"", b"{", b"[]", b"null", b'{"kind":"ended"}', b"\xff\xfe", b'{"kind":["x"]}'):
        assert events.decode(damaged) is None


def test_requests_are_taken_in_order_and_taken_away(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.make()
    control.ask(run, "pause")
    control.ask(run, "stop")
    (run.control / "zz.json").write_text("{half")
    (run.control / "zzz.json").write_text('{"action": "format disk"}')
    assert [request.action for request in control.pending(run)] == ["pause", "stop"]
    control.answered(control.pending(run)[0])
    assert [request.action for request in control.pending(run)] == ["stop"]
    assert run.control.stat().st_mode & 0o777 == 0o700


def test_a_run_name_is_a_safe_file_name(tmp_path: Path) -> None:
    run = new_run(tmp_path, "../../etc/pass wd\x1b[2J")
    assert run.path.parent == tmp_path
    assert run.name.endswith("-etc-pass-wd-2J")
    run.make()
    assert new_run(tmp_path, "../../etc/pass wd\x1b[2J").path != run.path
    with pytest.raises(UsageError, match="no letter or digit"):
        new_run(tmp_path, "../..")


def test_which_way_is_better_is_stated() -> None:
    assert LOSS.is_better(0.1, 0.2)
    assert ACCURACY.is_better(0.2, 0.1)
    assert not ACCURACY.is_better(math.nan, 0.1)
    assert ACCURACY.is_better(0.1, math.nan)
    assert ACCURACY.is_better(0.1, None)
    assert not GRADIENT_NORM.is_better(0.1, 0.2)


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.5, 12345.6, 1e30, -1e-30, math.nan, math.inf, None])
def test_a_number_is_short(value: float | None) -> None:
    assert all(len(metric.format(value)) <= 9 for metric in METRICS.values() if metric.form != "percent")
