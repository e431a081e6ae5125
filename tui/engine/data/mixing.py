"""MixUp and CutMix: pictures of a batch mixed in pairs, and their targets with them.

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"; Yun et al. 2019, "CutMix: Regularization Strategy
to Train Strong Classifiers with Localizable Features". As in torchvision a picture is mixed with the one before
it in the batch, and the shares are distributed as there; but each picture draws its own share, where torchvision
draws one for the batch: the mean over a batch varies less, and a share depends on its picture alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.engine.data.draws import Bits, Numbers, Pictures, Positions, below, beta, coin

DRAWS = 4
"""Random numbers for one picture: share, row, column, and which of the two."""
_LEVELS = 256
_BLOCK = 1 << 18
_SHARE, _ROW, _COLUMN, _WHICH = range(DRAWS)


def mixed(pictures: Pictures, bits: Bits, mixup: float, cutmix: float) -> tuple[Pictures, Numbers]:
    """Mix every picture with the one before it; the first with the last.

    Args:
        pictures: uint8 ``[B, S, S, C]``.
        bits: ``[B, DRAWS]``.
        mixup: alpha of MixUp; 0: off.
        cutmix: alpha of CutMix; 0: off. With both on, each picture gets one or the other, evenly.

    Returns:
        uint8 ``[B, S, S, C]``; the share of its own that each picture keeps ``[B]``.
    """
    cut = np.full(len(pictures), not mixup) if not (mixup and cutmix) else coin(bits[:, _WHICH])
    result, shares = pictures.copy(), np.ones(len(pictures))
    blended, patched = np.flatnonzero(~cut), np.flatnonzero(cut)
    if len(blended):
        # Shares of 256 steps: then 16 bits hold every product.
        levels = np.rint(beta(bits[blended, _SHARE], mixup) * _LEVELS).astype(np.uint16)
        shares[blended] = levels / _LEVELS
        _blend(pictures, result, blended, levels)
    if len(patched):
        boxes, kept = cut_boxes(bits[patched], beta(bits[patched, _SHARE], cutmix), pictures.shape[1])
        shares[patched] = kept
        for place, (top, left, bottom, right) in zip(patched.tolist(), boxes.tolist(), strict=True):
            result[place, top:bottom, left:right] = pictures[place - 1, top:bottom, left:right]
    return result, shares


def cut_boxes(bits: Bits, shares: Numbers, side: int) -> tuple[Positions, Numbers]:
    """Return (top, left, bottom, right) of the patch from the other picture, and the share that is kept.

    The patch has the aspect of the picture and the area that the share leaves, its middle is uniform in the
    picture, and what lies outside is cut off.
    """
    half = (0.5 * np.sqrt(1.0 - shares) * side).astype(np.int64)
    row, column = below(bits[:, _ROW], side), below(bits[:, _COLUMN], side)
    top, bottom = (row - half).clip(min=0), (row + half).clip(max=side)
    left, right = (column - half).clip(min=0), (column + half).clip(max=side)
    kept = 1.0 - (bottom - top) * (right - left) / (side * side)
    return np.stack([top, left, bottom, right], axis=1), kept


def mixed_targets(targets: NDArray[Any], shares: Numbers, classes: int) -> NDArray[np.float32]:
    """Return the targets of the mixed pictures, float32 ``[B, outputs]``.

    Args:
        targets: int64 ``[B]`` classes, which become shares of classes; or float32 ``[B, outputs]``.
        shares: of the own target.
        classes: how many there are, for ``[B]``.
    """
    if targets.ndim == 1:
        own = np.zeros((len(targets), classes), dtype=np.float32)
        own[np.arange(len(targets)), targets] = 1.0
    else:
        own = targets
    keep = shares.astype(np.float32)[:, None]
    return np.asarray(keep * own + (1 - keep) * np.roll(own, 1, axis=0), dtype=np.float32)


def _blend(pictures: Pictures, result: Pictures, places: Positions, levels: NDArray[np.uint16]) -> None:
    size = max(1, _BLOCK // pictures[0].size)
    for start in range(0, len(places), size):
        part = places[start : start + size]
        share = levels[start : start + size][:, None, None, None]
        total = pictures[part] * share
        total += pictures[part - 1] * (_LEVELS - share)
        total += _LEVELS // 2
        total >>= 8
        result[part] = total
