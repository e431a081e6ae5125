"""Dividing pictures: by class, by seed, whatever the order of listing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_sets import class_folders, settings_for

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
