"""Dividing pictures: by class, by seed, whatever the order of listing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_sets import class_folders, settings_for

from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.samples import Sample
from tui.core.dataset.scan import Scan, scan
from tui.core.dataset.split import divide, shares
from tui.core.errors import UsageError

DATA = settings_for().data


def imagined(counts: dict[str, int]) -> Scan:
    """A scan without files."""
    classes = tuple(sorted(counts))
    samples = [(f"{name}/{number}.png", index) for index, name in enumerate(classes) for number in range(counts[name])]
    return Scan(
        root=Path("/nowhere"),
        layout="class_folders",
        classes=classes,
        samples={"all": samples},
        counts={"all": [counts[name] for name in classes]},
        problems=[],
        signature="x",
    )


def test_seventy_fifteen_fifteen_by_class() -> None:
    splits = divide(imagined({"a": 100, "b": 40, "c": 20}), DATA, seed=0)
    counts = {name: [sum(label == c for _, label in samples) for c in range(3)] for name, samples in splits.items()}
    assert counts == {"train": [70, 28, 14], "validation": [15, 6, 3], "test": [15, 6, 3]}


def test_every_picture_is_in_one_split_and_order_is_kept() -> None:
    found = imagined({"a": 30, "b": 11})
    splits = divide(found, DATA, seed=3)
    together = [sample for samples in splits.values() for sample in samples]
    assert sorted(together) == sorted(found.samples["all"])
    for samples in splits.values():
        assert samples == sorted(samples, key=found.samples["all"].index)


def test_the_seed_decides_and_the_order_of_listing_does_not() -> None:
    found = imagined({"a": 30, "b": 30})
    backwards = replace(found, samples={"all": found.samples["all"][::-1]})
    again = {name: samples[::-1] for name, samples in divide(backwards, DATA, seed=1).items()}
    assert divide(found, DATA, seed=1) == again
    assert divide(found, DATA, seed=1) != divide(found, DATA, seed=2)


def test_a_new_picture_leaves_most_others_where_they_were() -> None:
    before, after = (divide(imagined({"a": n, "b": 100}), DATA, seed=0)["train"] for n in (100, 101))
    assert len(set(before) - set(after)) <= 2


@given(st.integers(2, 400), st.floats(0.01, 0.5), st.floats(0, 0.3))
def test_shares_leave_something_to_train_and_to_validate(count: int, validation: float, test: float) -> None:
    one, other = shares(count, validation, test)
    assert one >= 1
    assert count - one - other >= 1
    assert other == 0 or test > 0
    assert abs(one - count * validation) <= 1
    assert other <= count * test + 1


def test_two_pictures_are_enough_for_train_and_validation() -> None:
    splits = divide(imagined({"a": 2, "b": 3}), DATA, seed=0)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [2, 2, 1]


def test_a_class_with_one_picture_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        divide(imagined({"a": 10, "[/]\x1b[2J": 1}), DATA, seed=0)
    assert 'the class "[/]\\x1b[2J" has only one picture' in str(caught.value)


def test_several_classes_with_one_picture_are_named() -> None:
    with pytest.raises(UsageError, match='2 classes "b", "c" have only one picture'):
        divide(imagined({"a": 10, "b": 1, "c": 1}), DATA, seed=0)


def test_no_test_share_keeps_none() -> None:
    data = settings_for(data={"test_fraction": 0.0}).data
    assert divide(imagined({"a": 10, "b": 10}), data, seed=0)["test"] == []


def test_given_splits_are_kept(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        class_folders(tmp_path / split, {"a": 1, "b": 2})
    found = scan(tmp_path)
    splits = divide(found, DATA, seed=0)
    assert splits == found.samples
    assert [len(samples) for samples in splits.values()] == [3, 3, 3]


def test_validation_is_cut_from_train_but_test_never_is(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 20, "b": 20})
    splits = divide(scan(tmp_path), DATA, seed=0)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [34, 6, 0]
    class_folders(tmp_path / "test", {"a": 4, "b": 4})
    splits = divide(scan(tmp_path), DATA, seed=0)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [34, 6, 8]


def test_names_in_any_bytes_can_be_divided(tmp_path: Path) -> None:
    root = class_folders(tmp_path, {os.fsdecode(b"\xff\xfe"): 4, "b": 4})
    splits = divide(scan(root), DATA, seed=0)
    assert sum(map(len, splits.values())) == 8


# -- what belongs together --------------------------------------------------------------------------------


def split_of(splits: dict[str, list[Sample]]) -> dict[str, str]:
    return {path: name for name, samples in splits.items() for path, _ in samples}


def test_groups_are_never_divided_and_classes_keep_their_shares() -> None:
    found = imagined({"a": 120, "b": 60})
    groups = {path: f"{path[0]}{int(path[2:-4]) // 4}" for path, _ in found.samples["all"]}
    splits = divide(replace(found, groups=groups), DATA, seed=0)
    where = split_of(splits)
    assert all(len({where[path] for path in groups if groups[path] == group}) == 1 for group in set(groups.values()))
    for label, count in enumerate((120, 60)):
        got = [sum(own == label for _, own in splits[name]) for name in ("train", "validation", "test")]
        assert got == pytest.approx([0.7 * count, 0.15 * count, 0.15 * count], abs=4)


def test_groups_of_several_classes_stay_together_too() -> None:
    found = imagined({"a": 40, "b": 40})
    groups = {path: str(int(path[2:-4]) // 5) for path, _ in found.samples["all"]}
    splits = divide(replace(found, groups=groups), DATA, seed=0)
    where = split_of(splits)
    assert all(len({where[path] for path in groups if groups[path] == group}) == 1 for group in set(groups.values()))
    assert all({label for _, label in splits[name]} == {0, 1} for name in ("train", "validation"))


def test_copies_are_never_divided_and_a_group_takes_its_copies_along() -> None:
    found = imagined({"a": 40, "b": 40})
    same = {"a/1.png": 0, "a/2.png": 0, "a/3.png": 1, "b/3.png": 1}
    for seed in range(20):
        where = split_of(divide(replace(found, groups={"a/2.png": "g", "a/9.png": "g"}), DATA, seed, same))
        assert where["a/1.png"] == where["a/2.png"] == where["a/9.png"]
        assert where["a/3.png"] == where["b/3.png"]


def test_two_groups_of_a_class_train_and_validate() -> None:
    found = imagined({"a": 30, "b": 4})
    groups = {"b/0.png": "x", "b/1.png": "x", "b/2.png": "y", "b/3.png": "y"}
    for seed in range(10):
        splits = divide(replace(found, groups=groups), DATA, seed)
        assert all(1 in {label for _, label in splits[name]} for name in ("train", "validation"))


def test_one_group_of_everything_is_refused() -> None:
    found = imagined({"a": 10, "b": 10})
    with pytest.raises(UsageError, match="everything belongs together in one group"):
        divide(replace(found, groups=dict.fromkeys((path for path, _ in found.samples["all"]), "g")), DATA, seed=0)


def test_copies_of_one_picture_alone_are_still_divided() -> None:
    found = imagined({"a": 10, "b": 10})
    splits = divide(found, DATA, 0, dict.fromkeys((path for path, _ in found.samples["all"]), 0))
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [12, 4, 4]


def test_numbers_and_labels_are_divided() -> None:
    samples: list[Sample] = [(f"{n}.png", (float(n),)) for n in range(100)]
    bare = replace(imagined({}), layout="list", counts={"all": []})
    found = replace(bare, samples={"all": samples}, task="regression", target_names=("x",))
    assert [len(own) for own in divide(found, DATA, 0).values()] == [70, 15, 15]
    labelled: list[Sample] = [(f"{n}.png", ((0, 1) if n % 10 == 0 else (0,) if n % 3 else ())) for n in range(100)]
    found = replace(found, samples={"all": labelled}, task="multilabel", classes=("often", "rare"), target_names=())
    splits = divide(found, DATA, 0)
    assert [sum(1 in target for _, target in splits[name] if isinstance(target, tuple)) for name in splits] == [6, 2, 2]


def test_copies_on_the_disk_are_found_and_kept_in_one_split(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 20, "b": 20})
    for number in range(6):
        (tmp_path / "a" / f"copy{number}.png").write_bytes((tmp_path / "a" / f"{number:03d}.png").read_bytes())
    for seed in range(5):
        manifest = make_manifest(scan(tmp_path), settings_for(training={"seed": seed}))
        where = split_of(manifest.splits)
        assert all(where[f"a/copy{number}.png"] == where[f"a/{number:03d}.png"] for number in range(6))
