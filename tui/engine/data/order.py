"""The order of an epoch, as a pure function of (seed, epoch): which picture comes at which place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.engine.data.draws import BALANCE, ORDER, Positions, draw


def shuffled(positions: Positions, seed: int, epoch: int) -> Positions:
    """Return ``positions`` in the order of one epoch; leaving one out leaves the others in their order."""
    return positions[np.argsort(draw(seed, epoch, ORDER, positions, 1)[:, 0], kind="stable")]


def balanced(positions: Positions, classes: NDArray[Any], total: int, seed: int, epoch: int) -> Positions:
    """Return the keys of one epoch in which every class comes equally often (or once more than another).

    An epoch is as long as there are positions. Pictures of a small class come several times, all of them once
    more before one comes again; of a large class some are left for other epochs.

    Args:
        positions: of the pictures that can be used ``[N]``.
        classes: of each of them ``[N]``.
        total: pictures in the split: a key is position + total x (times it was drawn before in this epoch).
    """
    there = np.unique(classes)
    share, more = divmod(len(positions), len(there))
    lucky = there[np.argsort(draw(seed, epoch, BALANCE, there.astype(np.int64), 1)[:, 0], kind="stable")][:more]
    keys = []
    for label in there:
        own = positions[classes == label]
        wanted = share + int(label in lucky)
        rounds = -(-wanted // len(own))
        passes = [own + total * number for number in range(rounds)]
        keys.append(np.concatenate([shuffled(part, seed, epoch) for part in passes])[:wanted] if rounds else own[:0])
    every = np.concatenate(keys)
    return every[np.argsort(draw(seed, epoch, BALANCE, every, 2)[:, 1], kind="stable")]
