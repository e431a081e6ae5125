"""A save that is killed, or that the disk fails, at each of its operations in turn: a checkpoint is always left."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from tui.core.events import Message
from tui.core.rundir import RunDir
from tui.engine import saving
from tui.engine import store as store_module
from tui.engine.checkpoint import load
from tui.engine.store import Store
from tui.engine.writer import Snapshot, Writer

KILL = -1
OPERATIONS = ("open", "mkdir", "rename", "replace", "fsync", "unlink", "rmdir")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What outlives a kill need not have reached the disk; waiting for it a thousand times takes a minute."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Fault:
    """Lets everything that changes the disk through, but for the operation of one number.

    Args:
        number: which one to fail, counted from 1; a write is done by half before.
        how: an errno, or KILL.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, how: int) -> None:
        self.number, self.how, self.count = number, how, 0
        for name in OPERATIONS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        monkeypatch.setattr(io, "open", self._opening(io.open))

    def strike(self) -> None:
        """Count an operation, and fail it if it is the one."""
        self.count += 1
        if self.count == self.number:
            if self.how == KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(self.how, os.strerror(self.how))

    def _counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            self.strike()
            return operation(*args, **more)

        return run

    def _opening(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
            if mode[0] not in "wax":
                return operation(file, mode, *args, **more)
            if not isinstance(file, int):  # a file is made
                self.strike()
            return _File(operation(file, mode, *args, **more), self)

        return run


class _File:
    def __init__(self, file: Any, fault: Fault) -> None:
        self._file, self._fault = file, fault

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._fault.strike()
        self._file.write(data[len(data) // 2 :])
        return len(data)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def save(store: Store, step: int, value: float, *, best: bool, kept: Iterable[int] = ()) -> None:
    """Save as training does: in the background."""
    model, optimizer = {"weight": torch.full((64,), value)}, {"momentum": torch.full((64,), -value)}
    writer = Writer(store)
    writer.submit(Snapshot(step, model, optimizer, {"progress": {"step": step}}, best=best, kept=frozenset(kept)))
    writer.wait()
    (outcome,) = writer.outcomes()
    if outcome.error is not None:
        raise outcome.error


def history(run: RunDir, saves: list[tuple[int, bool]]) -> None:
    """Make the checkpoints that were there before, of which the best ones are kept; the weights are the step."""
    store = Store(run)
    for step, best in saves:
        save(store, step, step, best=best, kept=[other for other, good in saves if good and other < step])


BEFORE: dict[str, list[tuple[int, bool]]] = {
    "the first": [],
    "a later one": [(10, True), (20, False), (30, False)],
    "the same best step again": [(30, False), (40, True)],
    "one of the best gives way": [(10, True), (20, True), (25, False), (30, True)],
}
CASES = [
    pytest.param(BEFORE[name], best, id=f"{name}, {'best' if best else 'not the best'}")
    for name, best in (
        ("the first", True),
        ("a later one", False),
        ("a later one", True),
        ("the same best step again", False),
        ("one of the best gives way", True),
    )
]


def kept(before: list[tuple[int, bool]]) -> list[int]:
    """Return the best ones that stay, whatever becomes of the save: the newest two of those before."""
    return [step for step, best in before if best and step != 40][-2:]


def strikes(run: RunDir, before: list[tuple[int, bool]], best: bool) -> range:
    """Make what was before in ``run``; return the numbers of the operations that the save has."""
    history(run, before)
    twin = fresh(run, 0)
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(patch, 0, 0)
        save(Store(twin), 40, 41.0, best=best, kept=kept(before))
    assert fault.count >= 20
    return range(1, fault.count + 1)


def fresh(run: RunDir, number: int) -> RunDir:
    """Return a copy of the run to be spoilt."""
    return RunDir(Path(shutil.copytree(run.path, run.path.with_name(f"fault-{number}"))))


def check(run: RunDir, before: list[tuple[int, bool]], *, published: bool, what: str) -> None:
    """What is left can be loaded, is the newest, and names what is best; nothing else lies about."""
    checkpoint, problems = Store(run).newest()
    assert problems == [], what
    olds = [step for step, _ in before]
    if checkpoint is None:
        assert not before, what
        assert not published, what
        return
    step, value = checkpoint.state["progress"]["step"], float(checkpoint.model["weight"][0])
    assert (step, value) in {(40, 41.0), *((old, float(old)) for old in olds[-1:])}, what
    assert float(checkpoint.optimizer["momentum"][0]) == -value
    if published:
        assert value == 41.0, what
    found = Store(run).best()
    bests = [old for old, was_best in before if was_best]
    if checkpoint.state["best"]:
        assert found is not None, what
        assert float(found.model["weight"][0]) == value, what
    elif bests:
        assert found is not None, what
        assert int(found.model["weight"][0]) in (bests[-1], 41), what
    for step in kept(before):
        assert float(load(run.checkpoint(step)).model["weight"][0]) == step, what
    strangers = [path.name for path in run.checkpoints.iterdir() if path.name.startswith(".")]
    assert strangers == [], what
    save(Store(run), 50, 50.0, best=False)
    again, _ = Store(run).newest()
    assert again is not None
    assert float(again.model["weight"][0]) == 50
    assert not any(path.name.startswith(".") for path in run.checkpoints.iterdir()), what


@pytest.mark.parametrize(("before", "best"), CASES)
@pytest.mark.parametrize("how", [errno.ENOSPC, errno.EIO], ids=["disk full", "input/output error"])
def test_a_save_that_the_disk_fails_anywhere_leaves_the_newest(
    run: RunDir, before: list[tuple[int, bool]], best: bool, how: int
) -> None:
    for number in strikes(run, before, best):
        made = fresh(run, number)
        store = Store(made)
        published = True
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, number, how)
            try:
                save(store, 40, 41.0, best=best, kept=kept(before))
            except OSError:
                published = False
        if any(was_best for _, was_best in before):  # for the running engine too, not only after a restart
            assert store.best() is not None
        check(made, before, published=published, what=f"operation {number}")


@pytest.mark.parametrize(("before", "best"), CASES)
def test_a_save_that_is_killed_anywhere_leaves_the_newest(
    run: RunDir, before: list[tuple[int, bool]], best: bool
) -> None:
    for number in strikes(run, before, best):
        made = fresh(run, number)
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                Fault(patch, number, KILL)
                save(Store(made), 40, 41.0, best=best, kept=kept(before))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        check(made, before, published=False, what=f"operation {number}")


def test_an_operation_that_fails_is_really_failed(run: RunDir, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, 4, errno.ENOSPC)  # each file is made, then written
        (tmp_path / "first").write_bytes(b"12345678")
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "second").write_bytes(b"12345678")
    assert (tmp_path / "first").read_bytes() == b"12345678"
    assert (tmp_path / "second").read_bytes() == b"1234"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EDQUOT, "your disk quota is used up"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EACCES, "permission was denied"),
        (errno.EMFILE, "too many files are open"),
        (errno.ESTALE, "the file server has lost it (stale file handle)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_wrong_with_the_disk_is_named_and_outlived(
    code: int, words: str, trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "RETRY_SECONDS", (0.0,) * 6)
    loop, _, _ = trainer(settings(**{"training.epochs": 2}))
    write, failures = store_module.write_parts, [OSError(code, os.strerror(code))]

    def failing(path: Path, data: bytes) -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return write(path, data)

    monkeypatch.setattr(store_module, "write_parts", failing)
    loop.run()
    said = [event.text for event in events(run, Message)]
    assert any(f"could not be saved: {words}; there is none before it. Training goes on" in text for text in said)
    checkpoint, problems = Store(run).newest()
    assert problems == []
    assert checkpoint is not None
    assert checkpoint.state["progress"]["step"] == 20


def test_a_checkpoint_that_cannot_be_read_now_is_not_taken_for_damaged(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(run)
    history(run, [(10, True), (20, True)])
    opened = io.open

    def failing(path: Any, *arguments: Any, **more: Any) -> Any:
        if str(path).endswith("model.safetensors"):
            raise OSError(codes[0], os.strerror(codes[0]))
        return opened(path, *arguments, **more)

    codes = [errno.EMFILE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", failing)
        for code in (errno.EMFILE, errno.EACCES, errno.ESTALE):
            codes[0] = code
            with pytest.raises(OSError, match=re.escape(os.strerror(code))):
                store.newest()
    found, problems = store.newest()
    assert problems == []
    assert found is not None
    assert found.name == "step-000000020"
    monkeypatch.setattr(io, "open", failing)
    codes[0] = errno.EIO
    found, problems = store.newest()
    assert found is None
    assert len(problems) == 2
    assert "step-000000020 is damaged" in problems[0]
