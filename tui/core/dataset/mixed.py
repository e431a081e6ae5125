"""Class folders to train on beside a flat folder whose labels a list file says, as ImageNet is handed out."""

from __future__ import annotations

from dataclasses import replace

from tui.core.dataset.folders import read_folders
from tui.core.dataset.problems import Problem
from tui.core.dataset.samples import Found, split_named
from tui.core.dataset.walk import Walker
from tui.core.groups.data import DataSettings

_OF_A_WHOLE = frozenset({"list_unlisted", "one_class", "class_missing", "class_unknown", "no_validation", "no_test"})
"""What is said about a list that is all there is."""


def with_folders(listed: Found, walker: Walker, data: DataSettings, problems: list[Problem]) -> Found:
    """Return what a list and the folders say together, if the list is only about flat split folders.

    Args:
        listed: what the list says by itself, which is returned if it is about anything else.
        walker: at the root of its paths.
        data: how to read the folders.
        problems: of the list; those of the folders are added.

    Raises:
        UsageError: the folders cannot be used.
    """
    about = {split_named(picture.path.split("/")[0]) for own in listed.members.values() for picture, _ in own}
    if listed.task != "classification" or not about <= {"validation", "test"}:
        return listed
    top = walker.at(walker.root).look("")
    train = [name for name in top.folders if split_named(name) == "train"]
    if len(train) != 1 or not walker.at(walker.root).look(train[0]).folders:
        return listed
    shown = {
        picture.path: listed.classes[target]
        for own in listed.members.values()
        for picture, target in own
        if isinstance(target, int)
    }
    problems[:] = [problem for problem in problems if problem.code not in _OF_A_WHOLE]
    split_folders = data.model_copy(update={"layout": "split_folders"})
    found = read_folders(walker.at(walker.root), top, split_folders, problems, shown)
    return replace(found, described=f"split folders; {listed.described}")
