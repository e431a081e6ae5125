"""The record file: fixed width, checksummed, appended with one write each, readable while it grows.

A segment is one line of JSON (`Header`) and then records of equal width, little-endian:

    step u64 · wall time f64 (seconds since 1970, UTC) · attempt u32 · values f32 x columns · CRC32 u32

The checksum covers everything before it. A bad record at the tail means "not yet"; elsewhere it is a
gap, and reading goes on at the next one. NaN and infinities are kept as they are.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCHES = "batches"
"""Kind of the per-batch records: columns are `tui.core.metrics.TaskMetrics.batch`."""
LAYERS = "layers"
"""Kind of the per-layer gradient norms: columns are the names of the weights, in the model's order."""
WEIGHTS = "weights"
"""Kind of the weights' L2 norms after a measured step: columns as in `LAYERS`, and weights that are not trained."""
UPDATES = "updates"
"""Kind of the update ratios, |applied step| / |weight before it|: columns as in `WEIGHTS`."""
DEAD = "dead"
"""Kind of the shares of dead channels on a sampled step: columns as in `WEIGHTS`; NaN where nothing was looked at."""
SATURATED = "saturated"
"""Kind of the shares of saturated units on a sampled step: columns as in `DEAD`."""
AGREEMENT = "agreement"
"""Kind of the comparison of two halves of a batch: columns are ``half``, ``whole`` and ``batch_size``."""

KINDS = (BATCHES, LAYERS, WEIGHTS, UPDATES, DEAD, SATURATED, AGREEMENT)

VERSION = 1
_HEAD_LIMIT = 4 << 20


@dataclass(frozen=True)
class Header:
    """The first line of a segment."""

    kind: str
    columns: tuple[str, ...]
    attempt: int
    run: str
    version: int = VERSION

    @property
    def width(self) -> int:
        """Bytes of one record."""
        return 8 + 8 + 4 + 4 * len(self.columns) + 4

    def encode(self) -> bytes:
        """Return the header line, with its own checksum in front."""
        body = json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":")).encode()
        return b"%08x %s\n" % (zlib.crc32(body), body)


def decode_header(data: bytes) -> tuple[Header, int] | None:
    """Return the header and its length in bytes, or None when it is not all there yet.

    Raises:
        ValueError: this is no record file, it is damaged, or it is from a newer version.
    """
    end = data.find(b"\n", 0, _HEAD_LIMIT)
    if end < 0:
        if len(data) >= _HEAD_LIMIT:
            raise ValueError("not a record file")
        return None
    body = data[9:end]
    try:
        if int(data[:8], 16) != zlib.crc32(body):
            raise ValueError("the header is damaged")
        fields = json.loads(body)
        if fields["version"] > VERSION:
            raise ValueError("written by a newer version of cnntrain")
        header = Header(
            kind=str(fields["kind"]),
            columns=tuple(map(str, fields["columns"])),
            attempt=int(fields["attempt"]),
            run=str(fields["run"]),
        )
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("not a record file") from error
    return header, end + 1


class Encoder:
    """Turns one record into its bytes."""

    def __init__(self, header: Header) -> None:
        self._attempt = header.attempt
        self._body = struct.Struct(f"<QdI{len(header.columns)}f")

    def encode(self, step: int, wall_time: float, values: list[float]) -> bytes:
        """Return the bytes of one record.

        Args:
            step: optimizer steps done, counted from 1.
            wall_time: seconds since 1970.
            values: one number per column; what float32 cannot hold becomes an infinity.
        """
        try:
            body = self._body.pack(step, wall_time, self._attempt, *values)
        except OverflowError:
            limit = 3.4028234e38
            bounded = [v if not abs(v) > limit else (float("inf") if v > 0 else float("-inf")) for v in values]
            body = self._body.pack(step, wall_time, self._attempt, *bounded)
        return body + struct.pack("<I", zlib.crc32(body))


def intact(words: NDArray[Any]) -> NDArray[Any]:
    """Return which records have a right checksum: bool [n] for u32 words [n, words per record].

    A CRC is affine: the checksum of the exclusive-or of records is that of their checksums. So many records
    are checked at the price of one, in two ways of grouping that no two records share; if any group fails,
    all are looked at one by one. To be missed, the same bits would have to be wrong in four records that lie
    at the corners of a rectangle, and nowhere else.
    """
    import numpy as np

    count, width = words.shape
    good = np.ones(count, dtype=bool)
    whole = 0
    if count >= 1024:
        side = int(count**0.5)
        whole = side * (side - 1)  # divisible by both, which are coprime
        if _any_fails(words[:whole], side) or _any_fails(words[:whole], side - 1):
            whole = 0
    if whole < count:
        rest, size = memoryview(words[whole:].tobytes()), 4 * width
        told = words[whole:, -1].tolist()
        good[whole:] = [zlib.crc32(rest[at * size : at * size + size - 4]) == sum for at, sum in enumerate(told)]
    return good


def _any_fails(words: NDArray[Any], groups: int) -> bool:
    """Whether the records of any group, those ``groups`` apart, do not fit their checksums."""
    import numpy as np

    count, width = words.shape
    folded = np.bitwise_xor.reduce(words.reshape(count // groups, groups * width), axis=0).reshape(groups, width)
    constant = 0 if (count // groups) % 2 else zlib.crc32(bytes(4 * (width - 1)))
    return any(zlib.crc32(row[:-1].tobytes()) ^ constant != int(row[-1]) for row in folded)
