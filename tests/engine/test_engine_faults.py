"""A save that is killed, or that the disk fails, at each of its operations in turn: a checkpoint is always left."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tui.core.events import Message
from tui.core.rundir import RunDir
from tui.engine import checkpoint as checkpoint_module
from tui.engine import saving
from tui.engine.checkpoint import Store
from tui.engine.writer import Snapshot, Writer

KILL = -1
OPERATIONS = ("mkdir", "rename", "replace", "fsync", "unlink", "rmdir")


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
        opened = io.open
        monkeypatch.setattr(io, "open", lambda *args, **more: self._watched(opened(*args, **more)))

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

    def _watched(self, file: Any) -> Any:
        return _File(file, self) if file.writable() else file


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


def save(store: Store, step: int, value: float, *, best: bool) -> None:
    """Save as training does: in the background."""
    model, optimizer = {"weight": torch.full((64,), value)}, {"momentum": torch.full((64,), -value)}
    writer = Writer(store)
    writer.submit(Snapshot(step, model, optimizer, {"progress": {"step": step}}, best=best))
    writer.wait()
    (outcome,) = writer.outcomes()
    if outcome.error is not None:
        raise outcome.error


def history(run: RunDir, saves: list[tuple[int, bool]]) -> Store:
    """Make the checkpoints that were there before; the weights are the step."""
    store = Store(run)
    for step, best in saves:
        save(store, step, step, best=best)
    return store


BEFORE: dict[str, list[tuple[int, bool]]] = {
    "the first": [],
    "a later one": [(10, True), (20, False), (30, False)],
    "the same best step again": [(30, False), (40, True)],
}
CASES = [pytest.param(before, best, id=f"{name}, best={best}") for name, before in BEFORE.items() for best in (0, 1)]


def strikes(run: RunDir, before: list[tuple[int, bool]], best: bool) -> int:
    """Return how many operations the save has."""
    twin = RunDir(run.path.with_name("twin"))
    twin.make()
    store = history(twin, before)
    with pytest.MonkeyPatch.context() as patch:
        fault = Fault(patch, 0, 0)
        save(store, 40, 41.0, best=best)
    return fault.count


def fresh(run: RunDir, number: int) -> RunDir:
    made = RunDir(run.path.with_name(f"fault-{number}"))
    made.make()
    return made


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
    strangers = [path.name for path in run.checkpoints.iterdir() if path.name.startswith(".")]
    assert strangers == [], what
    save(Store(run), 50, 50.0, best=False)
    again, _ = Store(run).newest()
    assert again is not None
    assert float(again.model["weight"][0]) == 50


@pytest.fixture
def numbers(run: RunDir) -> Callable[[list[tuple[int, bool]], bool], range]:
    return lambda before, best: range(1, strikes(run, before, best) + 1)


@pytest.mark.parametrize(("before", "best"), CASES)
@pytest.mark.parametrize("how", [errno.ENOSPC, errno.EIO], ids=["disk full", "input/output error"])
def test_a_save_that_the_disk_fails_anywhere_leaves_the_newest(
    run: RunDir, before: list[tuple[int, bool]], best: bool, how: int, numbers: Any
) -> None:
    found = numbers(before, best)
    assert len(found) >= 16
    for number in found:
        made = fresh(run, number)
        store = history(made, before)
        published = True
        with pytest.MonkeyPatch.context() as patch:
            Fault(patch, number, how)
            try:
                save(store, 40, 41.0, best=best)
            except OSError:
                published = False
        if any(was_best for _, was_best in before):  # for the running engine too, not only after a restart
            assert store.best() is not None
        check(made, before, published=published, what=f"operation {number}")


@pytest.mark.parametrize(("before", "best"), CASES)
def test_a_save_that_is_killed_anywhere_leaves_the_newest(
    run: RunDir, before: list[tuple[int, bool]], best: bool, numbers: Any
) -> None:
    for number in numbers(before, best):
        made = fresh(run, number)
        store = history(made, before)
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                Fault(patch, number, KILL)
                save(store, 40, 41.0, best=best)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        check(made, before, published=False, what=f"operation {number}")


def test_an_operation_that_fails_is_really_failed(run: RunDir, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Fault(patch, 2, errno.ENOSPC)
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
        (errno.ESTALE, os.strerror(errno.ESTALE)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_wrong_with_the_disk_is_named_and_outlived(
    code: int, words: str, trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "RETRY_SECONDS", (0.0,) * 6)
    loop, _, _ = trainer(settings(**{"training.epochs": 2}))
    write, failures = checkpoint_module._write, [OSError(code, os.strerror(code))]

    def failing(path: Path, data: bytes) -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return write(path, data)

    monkeypatch.setattr(checkpoint_module, "_write", failing)
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
    store = history(run, [(10, True), (20, True)])
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
