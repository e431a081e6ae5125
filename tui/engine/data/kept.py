"""The pictures of a run's splits, decoded and kept: in one cache, or two where training pictures get some room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.core.dataset.decoders import Decoders
from tui.core.dataset.samples import Sample
from tui.core.groups.data import DataSettings
from tui.engine.data.augment import stored_size
from tui.engine.data.cache import begin_cache, is_cached, no_cache
from tui.engine.data.draws import Positions
from tui.engine.data.filling import Filler, Progress
from tui.engine.data.stored import Cache, NoCache, Recipe

_EVALUATION = ("validation", "test")


class Group(NamedTuple):
    """Splits that share a cache."""

    splits: tuple[str, ...]
    recipe: Recipe


def groups(data: DataSettings, root: str, signature: str, splits: Mapping[str, list[Sample]]) -> list[Group]:
    """Return which splits share a cache, and what it holds.

    Raises:
        NoCache: it would be more than the settings allow.
    """
    room = stored_size(data)
    # Training pictures that are decoded with some room have a cache of their own.
    shared: list[tuple[tuple[str, ...], int]] = [(tuple(splits), room)]
    if room != data.image_size:
        shared = [(("train",), room), (_EVALUATION, data.image_size)]
    found = []
    for names, size in shared:
        paths = tuple(sorted(path for name in names for path, _ in splits[name]))
        found.append(Group(names, Recipe(root, signature, paths, size, data.channels, data.resize)))
    needed = sum(group.recipe.total_bytes for group in found)
    if needed > budget_of(data):
        raise NoCache(f"they take {needed / (1 << 30):.2g} GiB and data.cache_gib is {data.cache_gib:g}")
    return found


def budget_of(data: DataSettings) -> int:
    """Return the bytes that all caches of this user may take."""
    return int(data.cache_gib * (1 << 30))


def are_kept(found: list[Group]) -> bool:
    """Whether everything is decoded already, as far as can be seen."""
    return all(is_cached(group.recipe) for group in found)


class Kept:
    """The caches of a run, complete or being filled.

    Args:
        found: what they hold.
        splits: (path, target) of each picture.
        budget: bytes that all caches of this user may take.
        progress: told (stage, done, total).
        stopping: asked whether to give up.

    Raises:
        NoCache: they do not fit, or cannot be written.
        Stopped: as asked.
    """

    def __init__(
        self,
        found: list[Group],
        splits: Mapping[str, list[Sample]],
        budget: int,
        *,
        progress: Progress,
        stopping: Callable[[], bool],
    ) -> None:
        self._caches: list[Cache] = []
        self._filler: Filler | None = None
        self.of: dict[str, tuple[Cache, Positions]] = {}
        """By split: its cache, and the row there of each of its pictures."""
        try:
            for number, group in enumerate(found):
                mine = [before.recipe for before in found[:number]]
                cache = begin_cache(group.recipe, budget=budget, progress=progress, stopping=stopping, mine=mine)
                self._caches.append(cache)
                row_of = {path: row for row, path in enumerate(group.recipe.paths)}
                for name in group.splits:
                    self.of[name] = cache, np.array([row_of[path] for path, _ in splits[name]], dtype=np.int64)
        except BaseException:
            self.close()
            raise

    @property
    def bytes(self) -> int:
        """Of all pixels."""
        return sum(cache.pixels.nbytes for cache in self._caches)

    @property
    def missing(self) -> int:
        """Pictures that are not decoded yet."""
        return sum(len(cache.pixels) - cache.filling.done for cache in self._caches if cache.filling is not None)

    def plan(self, order: Positions) -> None:
        """Let the training pictures be decoded in this order from now on, and what does not train after them."""
        for cache in self._caches:
            if cache.filling is not None and not cache.complete:
                own = [(name, rows) for name, (of, rows) in self.of.items() if of is cache]
                cache.filling.plan(np.concatenate([rows[order] if name == "train" else rows for name, rows in own]))

    def fill(self, decoders: Decoders, finished: Callable[[OSError | None], None]) -> None:
        """Begin to decode; ``finished`` is called in another thread at the end, with what the disk refused."""
        fillings = [cache.filling for cache in self._caches if cache.filling is not None]
        self._filler = Filler(fillings, decoders, finished)

    def finish(self, progress: Progress, stopping: Callable[[], bool]) -> None:
        """Wait until everything is decoded.

        Raises:
            NoCache: the disk was full.
            Stopped: as asked.
            FailureError: decoders keep dying.
        """
        fillings = [cache.filling for cache in self._caches if cache.filling is not None]
        try:
            for filling in fillings:
                filling.finish(progress, stopping)
        except OSError as error:
            for filling in fillings:
                filling.end(error)
            raise no_cache(error) from error
        finally:
            if all(filling.over for filling in fillings):
                self.join()

    def wait(self, split: str, positions: Positions, stopping: Callable[[], bool]) -> None:
        """Wait for some pictures.

        Raises:
            Stopped: as asked.
            FailureError: decoders keep dying.
        """
        cache, rows = self.of[split]
        if cache.filling is not None:
            cache.filling.wait(rows[positions], stopping)

    def digests(self) -> dict[str, NDArray[np.uint64]]:
        """Return the digest of each picture's file by split."""
        return {name: cache.digests[rows] for name, (cache, rows) in self.of.items()}

    def unreadable(self) -> Iterator[tuple[str, Positions, dict[int, str]]]:
        """Yield (split, all its positions, why by position) of pictures that are known not to be readable."""
        for name, (cache, rows) in self.of.items():
            bad = dict(cache.unreadable)
            if bad:
                places = np.flatnonzero(np.isin(rows, np.array(list(bad), dtype=np.int64))).tolist()
                yield name, np.arange(len(rows)), {place: bad[int(rows[place])] for place in places}

    def readable(self, split: str) -> Positions:
        """Return the positions of the pictures that are not known to be unreadable."""
        cache, rows = self.of[split]
        return np.flatnonzero(~np.isin(rows, np.array(list(dict(cache.unreadable)), dtype=np.int64)))

    def join(self) -> None:
        """Wait for the thread that decodes, once it is done or its decoders are closed."""
        if self._filler is not None:
            self._filler.join()

    def close(self) -> None:
        """Give the caches back, once their decoders are closed; one that is not complete is removed."""
        self.join()
        for cache in self._caches:
            cache.close()
