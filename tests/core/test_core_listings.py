"""What is kept of folders between scans: a second scan tells the same, and whatever is odd costs only time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders, settings_for, write_picture

from tui.core.dataset import listing_store, listings
from tui.core.dataset.manifest import load_manifest, make_manifest
from tui.core.dataset.scan import Scan, scan
from tui.core.errors import UsageError
from tui.runs import making


@pytest.fixture(autouse=True)
def small_sets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "LEAST", 1)
    monkeypatch.setattr(listings, "SETTLED_NS", -(1 << 62))
    monkeypatch.setattr(listings, "_trusted_device", lambda root: os.stat(root).st_dev)


@pytest.fixture
def looked_into(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that were listed."""
    found: list[str] = []
    real = os.scandir

    def scandir(path: Any) -> Any:
        found.append(os.path.basename(str(path).rstrip("/")))
        return real(path)

    monkeypatch.setattr("tui.core.dataset.walk.os.scandir", scandir)
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = class_folders(tmp_path / "data", {"a": 3, "b": 4, "c": 2, os.fsdecode(b"caf\xe9 \x1b"): 2})
    (root / "a" / "notes.txt").write_text("x")
    (root / "a" / ".hidden").write_text("x")
    (root / "b" / "inner").mkdir()
    write_picture(root / "b" / "inner" / "deep.png")
    return root


def wait_for_a_new_time(place: Path) -> None:
    """Wait until the file system's clock has moved on."""
    probe = place / "probe"
    probe.write_text("")
    first = probe.stat().st_mtime_ns
    while probe.stat().st_mtime_ns == first:
        probe.write_text("")


def split_folders(root: Path) -> None:
    for name in ("train", "val"):
        (root / name).mkdir()
        for folder in ("a", "b", "c"):
            shutil.copytree(root / folder, root / name / folder)
    for folder in list(root.iterdir()):
        if folder.name not in ("train", "val"):
            shutil.rmtree(folder)


def with_a_list(root: Path) -> None:
    rows = [
        f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.rglob("*.png")) if path.name.isascii()
    ]
    (root / "labels.csv").write_text("\n".join(["path,label", *(row for row in rows if row.isascii())]))


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "class folders": lambda root: None,
    "split folders": split_folders,
    "a list": with_a_list,
    "a wrapper": lambda root: None,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_scan_tells_the_same_and_looks_into_no_folder(data: Path, looked_into: list[str], layout: str) -> None:
    LAYOUTS[layout](data)
    root = data.parent if layout == "a wrapper" else data
    first = scan(root)
    looked_into.clear()
    assert scan(root, recall=True) == first
    assert not {"a", "b", "c", "inner", "train", "val"} & set(looked_into)
    assert scan(root) == first
    assert {"a", "b", "c"} <= set(looked_into)
    assert first.is_current()


def replaced(root: Path) -> None:
    write_picture(root.parent / "new.png")
    os.replace(root.parent / "new.png", root / "a" / "001.png")


def swapped(root: Path) -> None:
    os.rename(root / "a", root / "x")
    os.rename(root / "b", root / "a")
    os.rename(root / "x", root / "b")


def another_folder_of_the_same_name(root: Path) -> None:
    before = os.stat(root / "c")
    shutil.copytree(root / "c", root.parent / "copy")
    os.rename(root.parent / "copy" / "000.png", root.parent / "copy" / "100.png")
    shutil.rmtree(root / "c")
    os.rename(root.parent / "copy", root / "c")
    os.utime(root / "c", ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a picture added": lambda root: write_picture(root / "a" / "new.png"),
    "a picture removed": lambda root: os.remove(root / "b" / "000.png"),
    "a picture renamed": lambda root: os.rename(root / "b" / "000.png", root / "b" / "zero.png"),
    "a picture moved": lambda root: os.rename(root / "b" / "000.png", root / "a" / "zero.png"),
    "a picture replaced": replaced,
    "a picture added deep below": lambda root: write_picture(root / "b" / "inner" / "new.png"),
    "an ending added": lambda root: os.rename(root / "a" / "notes.txt", root / "a" / "notes.png"),
    "a class added": lambda root: class_folders(root, {"d": 2}),
    "a class removed": lambda root: shutil.rmtree(root / "c"),
    "a class renamed": lambda root: os.rename(root / "c", root / "d"),
    "a class hidden": lambda root: os.rename(root / "c", root / ".c"),
    "classes swapped": swapped,
    "a class restored with its time": another_folder_of_the_same_name,
    "a hidden file removed": lambda root: os.remove(root / "a" / ".hidden"),
    "an empty file added": lambda root: (root / "a" / "empty.png").touch(),
    "a link added": lambda root: os.symlink(root / "b", root / "a" / "link"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_since_is_seen(data: Path, change: str) -> None:
    before = scan(data)
    wait_for_a_new_time(data.parent)
    CHANGES[change](data)
    recalled = scan(data, recall=True)
    assert recalled == scan(data)
    assert recalled != before


def test_a_picture_written_over_in_place_has_its_old_size_until_a_run_is_begun(data: Path, tmp_path: Path) -> None:
    old = scan(data)
    wait_for_a_new_time(data.parent)
    write_picture(data / "a" / "000.png", size=(40, 40))
    now = (data / "a" / "000.png").stat()
    recalled = scan(data, recall=True)
    assert recalled == old
    assert not recalled.is_current()
    settings = settings_for(data={"directory": str(data)})
    run = making.create(settings, root=tmp_path / "runs", name="x", scan=recalled)
    assert load_manifest(run.dataset).pictures()["a/000.png"] == (now.st_size, now.st_mtime_ns)
    recalled = scan(data, recall=True)  # the run's own scan was kept
    assert recalled.pictures()["a/000.png"] == (now.st_size, now.st_mtime_ns)
    assert recalled.is_current()


def test_what_links_lead_to_and_empty_files_are_looked_at_each_time(data: Path, tmp_path: Path) -> None:
    elsewhere = class_folders(tmp_path / "elsewhere", {"x": 3})
    os.symlink(elsewhere / "x", data / "a" / "link")
    (data / "b" / "later.png").touch()
    follow = settings_for(data={"follow_links": True}).data
    for settings in (None, follow):
        assert scan(data, settings, recall=True) == scan(data, settings)
    wait_for_a_new_time(tmp_path)
    os.remove(data / "a" / "link")
    os.symlink(elsewhere, data / "a" / "link")
    shutil.copy(data / "b" / "000.png", tmp_path / "copy.png")
    (data / "b" / "later.png").write_bytes((tmp_path / "copy.png").read_bytes())
    found = scan(data, follow, recall=True)
    assert found == scan(data, follow)
    assert "b/later.png" in found.pictures()


def the_file() -> Path:
    (path,) = listing_store.directory().iterdir()
    return path


def another_dataset(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"/data", b"/date"))


def linked(path: Path) -> None:
    os.rename(path, path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "its first line only": lambda path: path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "a bit flipped": lambda path: path.write_bytes(path.read_bytes()[:-3] + b"\x80" + path.read_bytes()[-2:]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "binary": lambda path: path.write_bytes(os.urandom(1000)),
    "a newer version": lambda path: path.write_bytes(path.read_bytes().replace(b"folders 1", b"folders 2", 1)),
    "another dataset's": another_dataset,
    "a link": linked,
    "a pipe": piped,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_damaged_or_not_ours_is_taken_for_none(data: Path, looked_into: list[str], damage: str) -> None:
    first = scan(data)
    DAMAGES[damage](the_file())
    looked_into.clear()
    assert scan(data, recall=True) == first
    assert {"a", "b", "c"} <= set(looked_into)
    for one in listing_store.stored():
        assert listing_store.forget(one.key)


def test_the_file_of_another_user_and_other_rules_are_not_used(
    data: Path, looked_into: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scan(data)
    monkeypatch.setattr("tui.core.dataset.scan.RULES", "others")
    looked_into.clear()
    assert scan(data, recall=True) == first
    assert "a" in looked_into
    monkeypatch.undo()
    small = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: small)
    assert listing_store.load(str(data), "others") == {}


@pytest.mark.parametrize("place", ["a file", "no permission"])
def test_where_nothing_can_be_written_a_scan_goes_on(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    if place == "a file":
        (tmp_path / "cache").write_text("")
        monkeypatch.setenv("CNNTRAIN_CACHE", str(tmp_path / "cache"))
    else:

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(listing_store, "write_atomic", refuse)
    assert scan(data, recall=True) == scan(data, recall=True) == scan(data)
    assert listing_store.stored() == []


def test_many_scans_at_once_leave_one_whole_file(data: Path) -> None:
    first = scan(data)

    def look(place: int) -> Scan:
        if place % 2:
            listing_store.forget(the_key)
        return scan(data, recall=place % 3 > 0)

    the_key = listing_store.stored()[0].key
    with ThreadPoolExecutor(8) as pool:
        assert all(found == first for found in pool.map(look, range(60)))
    scan(data)
    (one,) = listing_store.stored()
    assert (one.root, one.pictures) == (str(data), first.total)
    assert the_file().stem == one.key


def test_no_more_is_kept_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_store, "_MOST_DATASETS", 3)
    roots = [class_folders(tmp_path / str(number), {"a": 2, "b": 2}) for number in range(5)]
    for number, root in enumerate(roots):
        scan(root)
        path = (
            listing_store.directory() / f"{next(o.key for o in listing_store.stored() if o.root == str(root))}.folders"
        )
        os.utime(path, (1_000_000 + number, 1_000_000 + number))
    assert [one.root for one in listing_store.stored()] == [str(root) for root in reversed(roots[2:])]
    monkeypatch.setattr(listing_store, "_MOST_IN_ALL", listing_store.stored()[0].bytes * 2)
    scan(roots[2], recall=True)  # used: it stays
    scan(roots[0])
    assert {one.root for one in listing_store.stored()} == {str(roots[0]), str(roots[2])}
    monkeypatch.setattr(listing_store, "_MOST_BYTES", 10)
    scan(roots[4])
    assert len(listing_store.stored()) == 2


def test_small_sets_and_folders_that_changed_just_now_are_not_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "SETTLED_NS", 3600 * 10**9)
    scan(data)
    assert listing_store.stored() == []
    monkeypatch.setattr(listings, "SETTLED_NS", -(1 << 62))
    monkeypatch.setattr(listings, "LEAST", 100)
    scan(data)
    assert listing_store.stored() == []


def test_a_directory_that_cannot_be_used_is_not_kept(tmp_path: Path) -> None:
    write_picture(tmp_path / "flat" / "a.png")
    with pytest.raises(UsageError):
        scan(tmp_path / "flat")
    assert listing_store.stored() == []


@pytest.mark.parametrize(
    ("mounts", "trusted"),
    [
        ("/dev/sda1 / ext4 rw 0 0", True),
        ("/dev/sda1 / ext4 rw 0 0\nremote {root} fuse.rclone rw 0 0", False),
        ("remote / fuse.sshfs rw 0 0\n/dev/sda1 {parent} xfs rw 0 0", True),
        ("/dev/sda1 / ext4 rw 0 0\nremote {root}x fuse.rclone rw 0 0", True),
        ("//server/share / cifs rw 0 0", False),
        ("", False),
    ],
)
def test_only_file_systems_that_keep_the_times_of_folders_are_trusted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, trusted: bool
) -> None:
    monkeypatch.undo()
    place = str(data.resolve()).replace(" ", "\\040")
    (tmp_path / "mounts").write_text(mounts.format(root=place, parent=os.path.dirname(place)))
    monkeypatch.setattr(listings, "_MOUNTS", str(tmp_path / "mounts"))
    assert (listings._trusted_device(str(data)) is not None) == trusted
    monkeypatch.setattr(listings, "_MOUNTS", str(tmp_path / "nowhere"))
    assert listings._trusted_device(str(data)) is None


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the files that were read to find copies."""
    found: list[str] = []
    real = os.open

    def opened(path: Any, *rest: Any, **more: Any) -> int:
        found.append(os.path.basename(os.fspath(path)))
        return real(path, *rest, **more)

    monkeypatch.setattr("tui.core.dataset.same.os.open", opened)
    return found


def copies_of(root: Path) -> list[list[str]]:
    """Return the sets of copies that dividing a dataset keeps together, as a new process finds them."""
    found = scan(root)
    settings = settings_for()
    make_manifest(found, settings)
    sets: dict[int, list[str]] = {}
    for path, number in (found.copies["all"] or {}).items():
        sets.setdefault(number, []).append(path)
    return sorted(sets.values())


def test_pictures_are_compared_once(tmp_path: Path, compared: list[str]) -> None:
    root = class_folders(tmp_path / "data", {"a": 6, os.fsdecode(b"caf\xe9"): 6})
    odd = os.fsdecode(b"caf\xe9/\xff.png")
    shutil.copy(root / "a" / "000.png", root / odd)
    first = copies_of(root)
    assert ["a/000.png", odd] in [sorted(one) for one in first]
    compared.clear()
    assert copies_of(root) == first
    assert "000.png" not in compared


@pytest.mark.parametrize("how", ["written over", "added", "renamed", "damaged", "of another", "forgotten"])
def test_pictures_are_compared_again_when_something_has_changed(tmp_path: Path, compared: list[str], how: str) -> None:
    root = class_folders(tmp_path / "data", {"a": 6, "b": 6})
    shutil.copy(root / "a" / "000.png", root / "b" / "copy.png")
    assert any("b/copy.png" in one for one in copies_of(root))
    kept = next(listing_store.directory().glob("*.copies"))
    wait_for_a_new_time(tmp_path)
    match how:
        case "written over":
            content = bytearray((root / "b" / "copy.png").read_bytes())
            content[-1] ^= 1
            (root / "b" / "copy.png").write_bytes(content)
        case "added":
            shutil.copy(root / "a" / "001.png", root / "b" / "new.png")
        case "renamed":
            os.rename(root / "b" / "copy.png", root / "b" / "other.png")
        case "damaged":
            kept.write_bytes(kept.read_bytes()[:-1] + b"]")
        case "of another":
            listing_store.save_copies(str(root), "other pictures", {"a/000.png": 0, "a/001.png": 0})
        case _:
            (one,) = listing_store.stored()
            assert one.bytes > kept.stat().st_size
            assert listing_store.forget(one.key)
            assert not kept.exists()
    compared.clear()
    found = copies_of(root)
    assert "000.png" in compared
    assert any("b/copy.png" in one for one in found) == (how not in ("written over", "renamed"))
