"""Layouts that are made of folders: classes in one root, classes in splits, splits in classes.

What training could not live with becomes a `Problem` of severity ``error``, so that a check goes on and finds
the rest; only where there is nothing to go on with is the directory refused at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tui.core.dataset.listings import Listing, Picture
from tui.core.dataset.problems import Problem, many, names_of, some_of
from tui.core.dataset.samples import Found, Target, is_wrapper, split_named
from tui.core.dataset.unusable import LAYOUT_HINT, TITLE, check_no_boxes, flat, no_pictures, one_of, sheets_hint
from tui.core.dataset.walk import Account, Walker
from tui.core.errors import UsageError, did_you_mean
from tui.core.groups.data import DataSettings
from tui.core.text import clean, clean_path

_FEW = 12
_ORDER = ("train", "validation", "test")
Members = list[tuple[Picture, Target]]


def read_folders(
    walker: Walker, top: Listing, data: DataSettings, problems: list[Problem], shown: Mapping[str, str] | None = None
) -> Found:
    """Return what the folders below a root mean; ``data.layout`` says so, or it is found out.

    Args:
        walker: at the root.
        top: what lies in it.
        data: how to read it.
        problems: what is odd is told here.
        shown: by path, the class of pictures in flat split folders, as a list file says.

    Raises:
        UsageError: they mean nothing that can be trained on.
    """
    _check_not_flat(walker.root, top, walker.account)
    layout = data.layout
    if layout in ("auto", "split_folders"):
        splits = _split_folders(walker, top, problems, wanted=layout == "split_folders")
        if splits:
            return _in_splits(walker, splits, data, problems, shown or {})
    by_class = _by_class(walker, "", top, data, problems)
    inside = {name: _splits_inside(pictures) for name, pictures in by_class.items()}
    if layout == "class_then_split":
        return _in_classes(by_class, inside, walker.account, problems)
    if layout == "auto" and len(by_class) > 1 and all(inside.values()):
        divided = {split for found in inside.values() for split in found}
        if "train" in divided and len(divided) > 1:
            return _in_classes(by_class, inside, walker.account, problems)
    classes = tuple(sorted(by_class))
    _check_classes(classes, walker, "", problems)
    problems += _datasets_among(by_class)
    members = [(picture, index) for index, name in enumerate(classes) for picture in by_class[name]]
    return Found("class_folders", classes, {"all": list(members)})


def _check_not_flat(root: str, top: Listing, account: Account) -> None:
    if top.folders:
        return
    shown = clean_path(root, 200)
    if top.pictures:
        raise flat(shown, top.pictures, account, one_of(root))
    if account.not_pictures or account.empty_files:
        raise no_pictures(f"{shown} holds no pictures", account)
    if account.hidden:
        cause = f"{shown} holds only hidden files"
    else:
        cause = f"{shown} is empty"
    raise UsageError(TITLE, cause, f"{LAYOUT_HINT}.")


def _split_folders(walker: Walker, top: Listing, problems: list[Problem], wanted: bool) -> dict[str, str]:
    """Return {split: folder name} when the folders are splits, or nothing when they are classes."""
    named = [(name, split) for name in top.folders if (split := split_named(name))]
    splits: dict[str, str] = {}
    for name, split in named:
        if split in splits:
            both = f'"{clean(splits[split], 40)}" and "{clean(name, 40)}"'
            raise UsageError(TITLE, f"both {both} are {split} folders", "Keep one of them, or join them.")
        splits[split] = name
    others = [name for name in top.folders if not split_named(name)]
    if "train" not in splits:
        if wanted or (named and not others):
            have = f"{names_of([name for name, _ in named])} but " if named else ""
            raise UsageError(TITLE, f"there is {have}no train folder", "Add a folder named train.")
        _check_train_named(walker, named, others)
        return {}
    train = _listed(walker.at(walker.root), splits["train"])
    if not wanted and not train.folders and others:
        return {}  # bus, car, train: a class of vehicles
    if others:
        text = f"{many(len(others), 'folder')} beside the split folders will not be used: {names_of(others)}."
        problems.append(Problem("extra_folder", "warning", text, some_of(others)))
    return splits


def _check_train_named(walker: Walker, named: Sequence[tuple[str, str]], others: Sequence[str]) -> None:
    """Refuse split folders beside a folder that has the same classes inside: it must be theirs to train on."""
    inside = {folder for name, _ in named for folder in _listed(walker.at(walker.root), name).folders}
    for other in others[:_FEW] if inside else ():
        if inside & set(_listed(walker.at(walker.root), other).folders):
            cause = f"there is {names_of([name for name, _ in named])} but no train folder"
            step = (
                f'"{clean(other, 40)}" has the same folders inside: call it train, or set data.layout to class_folders.'
            )
            raise UsageError(TITLE, cause, step)


def _listed(walker: Walker, folder: str) -> Listing:
    try:
        return walker.look(folder)
    except OSError as error:
        cause = f'"{clean(folder, 60)}" cannot be opened: {error.strerror}'
        raise UsageError(TITLE, cause, "Check who may read that directory.") from error


def _inner(walker: Walker, folder: str) -> str:
    """Return the folder of a split that holds its classes: archives make ``train/train`` and ``train/images``."""
    around = _listed(walker.at(walker.root), folder)
    if around.pictures or len(around.folders) != 1:
        return folder
    name = around.folders[0]
    if not (is_wrapper(name) or split_named(name) == split_named(folder)):
        return folder
    inside = f"{folder}/{name}"
    return inside if _listed(walker.at(walker.root), inside).folders else folder


def _in_splits(
    walker: Walker, splits: dict[str, str], data: DataSettings, problems: list[Problem], shown: Mapping[str, str]
) -> Found:
    """Return what split folders of class folders mean."""
    members: dict[str, Members] = {}
    classes: tuple[str, ...] = ()
    for split in _ORDER:
        folder = splits.get(split)
        by_class: dict[str, list[Picture]] = {}
        if folder is not None:
            folder = _inner(walker, folder)
            listing = _listed(walker, folder)
            if split != "train" and listing.pictures and not listing.folders:
                by_class = _by_list(folder, listing.pictures, classes, shown, problems)
            else:
                by_class = _by_class(walker, folder, listing, data, problems, train=split == "train")
        if split == "train":
            classes = tuple(sorted(by_class))
            _check_classes(classes, walker, folder or "", problems)
        elif folder is not None:
            check_same_classes(set(by_class), classes, f'"{clean(folder, 60)}"', problems)
        index = {name: number for number, name in enumerate(classes)}
        members[split] = [(p, index[name]) for name in sorted(by_class) if name in index for p in by_class[name]]
    return Found("split_folders", classes, used_splits(members, problems))


def _by_list(
    folder: str, pictures: Sequence[Picture], classes: Sequence[str], shown: Mapping[str, str], problems: list[Problem]
) -> dict[str, list[Picture]]:
    """Return the pictures of a flat folder by class, as far as a list says what they show."""
    where = f'"{clean(folder, 60)}"'
    unknown = [picture.path for picture in pictures if picture.path not in shown]
    if len(unknown) == len(pictures):
        text = (
            f"{where} is a flat folder of {many(len(pictures), 'picture')} without class folders and will not be used."
        )
        step = "Nothing can be measured on it without a list file of what each picture shows."
        problems.append(Problem("flat_split", "warning", text, some_of(unknown), step))
        return {}
    if unknown:
        are = "is" if len(unknown) == 1 else "are"
        text = f"{many(len(unknown), 'picture')} in {where} {are} in no line of the list and will not be used."
        problems.append(Problem("loose", "warning", text, some_of(unknown)))
    names = {shown[picture.path] for picture in pictures if picture.path in shown}
    places: dict[str, str] = {}
    if not names & set(classes) and all(name.isdecimal() and int(name) < len(classes) for name in names):
        places = {name: classes[int(name)] for name in names}
        text = f"The numbers of the pictures in {where} are taken for places among the class folders by name, from 0"
        first = min(names, key=int)
        problems.append(Problem("list_places", "info", f"{text}: {first} is {names_of([places[first]])}."))
    found: dict[str, list[Picture]] = {}
    for picture in pictures:
        if picture.path in shown:
            name = shown[picture.path]
            found.setdefault(places.get(name, name), []).append(picture)
    return found


def used_splits(members: dict[str, Members], problems: list[Problem]) -> dict[str, Members]:
    """Return the splits that have pictures, and say what it means that one has none."""
    share = "a share of the training pictures will be kept for validation"
    for split, text in (
        ("validation", f"There are no validation pictures: {share}."),
        ("test", "There are no test pictures: the run ends with its validation."),
    ):
        if not members.get(split):
            problems.append(Problem(f"no_{split}", "info", text))
    return {split: members[split] for split in _ORDER if members.get(split)}


def _splits_inside(pictures: Sequence[Picture]) -> dict[str, list[Picture]]:
    """Return the pictures of a class by split when it has nothing but split folders of pictures, else nothing."""
    found: dict[str, list[Picture]] = {}
    for picture in pictures:
        parts = picture.path.split("/")
        split = split_named(parts[1]) if len(parts) == 3 else ""
        if not split:
            return {}
        found.setdefault(split, []).append(picture)
    return found


def _in_classes(
    by_class: dict[str, list[Picture]],
    inside: dict[str, dict[str, list[Picture]]],
    account: Account,
    problems: list[Problem],
) -> Found:
    """Return what class folders of split folders mean."""
    undivided = sorted(name for name, splits in inside.items() if "train" not in splits)
    if undivided:
        has = "class has" if len(undivided) == 1 else "classes have"
        text = f"{len(undivided):,} {has} no train folder of pictures inside: {names_of(undivided)}."
        step = "Add it, or set data.layout to class_folders."
        problems.append(Problem("undivided", "error", text, some_of(undivided), step))
    classes = tuple(sorted(set(inside) - set(undivided)))
    if not classes:
        raise UsageError(TITLE, "no class folder has a train folder of pictures", "Set data.layout to auto.")
    members: dict[str, Members] = {}
    for split in _ORDER:
        members[split] = [(p, label) for label, name in enumerate(classes) for p in inside[name].get(split, ())]
        lacking = [name for name in classes if not inside[name].get(split)]
        if members[split] and lacking:
            _report_missing(f'The "{split}" folders', lacking, problems)
    if len(classes) == 1:
        problems.append(_one_class(f'there is only one class with pictures, "{clean(classes[0], 60)}"', account))
    return Found("class_then_split", classes, used_splits(members, problems))


def _by_class(
    walker: Walker, folder: str, listing: Listing, data: DataSettings, problems: list[Problem], *, train: bool = True
) -> dict[str, list[Picture]]:
    """Return the pictures of each class folder that has any."""
    where = f' in "{clean(folder, 60)}"' if folder else ""
    if listing.pictures:
        loose = [picture.path for picture in listing.pictures]
        if not listing.folders:
            raise flat(f'"{clean(folder, 60)}"', listing.pictures, walker.account)
        are = "lies" if len(loose) == 1 else "lie"
        text = f"{many(len(loose), 'picture')} {are} beside the class folders{where} and will not be used."
        problems.append(Problem("loose", "warning", text, some_of(loose)))
    found: dict[str, list[Picture]] = {}
    empty: list[str] = []
    for name in listing.folders:
        pictures = walker.pictures_below(f"{folder}/{name}" if folder else name)
        if pictures:
            found[name] = pictures
        else:
            empty.append(name)
    check_no_boxes(found, empty, walker.account)
    if empty:
        problems.append(_empty_classes(empty, where, refused=train and data.empty_classes == "refuse"))
    return found


def _empty_classes(empty: Sequence[str], where: str, refused: bool) -> Problem:
    text = f"{len(empty)} class {'folder has' if len(empty) == 1 else 'folders have'} no pictures{where}"
    if not refused:
        return Problem("empty_class", "warning", f"{text} and will be left out: {names_of(empty)}.", some_of(empty))
    which = "it" if len(empty) == 1 else "them"
    step = f"Put pictures there, take {which} away, or set data.empty_classes to leave_out."
    return Problem("empty_class", "error", f"{text}: {names_of(empty)}.", some_of(empty), step)


def _check_classes(classes: tuple[str, ...], walker: Walker, folder: str, problems: list[Problem]) -> None:
    shown = clean_path(os.path.join(walker.root, folder) if folder else walker.root, 200)
    if not classes:
        raise no_pictures(f"no folder in {shown} holds a picture", walker.account)
    if len(classes) == 1:
        problems.append(
            _one_class(f'{shown} has only one class with pictures, "{clean(classes[0], 60)}"', walker.account)
        )


def _one_class(text: str, account: Account) -> Problem:
    step = f"Training needs at least two classes, or a list file of what each picture shows.{sheets_hint(account)}"
    return Problem("one_class", "error", f"{text}.", (), step)


def check_same_classes(found: set[str], classes: Sequence[str], where: str, problems: list[Problem]) -> None:
    """Report what classes a split has that train lacks, and the other way round; ``where`` is a clean noun."""
    unknown = sorted(found - set(classes))
    if unknown:
        word = "a class" if len(unknown) == 1 else "classes"
        hint = did_you_mean(unknown[0], classes)
        step = f"{clean(hint[:1].upper() + hint[1:], 120)} " if hint else ""
        text = f"{where} has {word} that train does not have: {names_of(unknown)}."
        step += "Give every class the same name in each split."
        problems.append(Problem("class_unknown", "error", text, some_of(unknown), step))
    missing = sorted(set(classes) - found)
    if found and missing:
        _report_missing(where, missing, problems)


def _report_missing(where: str, missing: Sequence[str], problems: list[Problem]) -> None:
    has = "have" if where.endswith("folders") else "has"
    text = f"{where} {has} no pictures of {names_of(missing)}: nothing will be measured there."
    problems.append(Problem("class_missing", "warning", text, some_of(missing)))


def _datasets_among(by_class: dict[str, list[Picture]]) -> list[Problem]:
    """Return a warning when what was taken for classes looks like several datasets."""
    # Pictures in folders inside a class belong to it: only classes without any picture of their own are suspect.
    inside = {
        name: {picture.path.split("/")[1].casefold() for picture in pictures}
        for name, pictures in by_class.items()
        if all(picture.path.count("/") > 1 for picture in pictures)
    }
    splits = {name: set(map(split_named, folders)) for name, folders in inside.items()}
    divided = [name for name, found in splits.items() if "train" in found and found & {"validation", "test"}]
    if divided:
        hold, which = ("holds", "it") if len(divided) == 1 else ("hold", "one of them")
        themselves = "itself" if len(divided) == 1 else "themselves"
        other = "test" if any("test" in splits[name] for name in divided) else "validation"
        text = f"{_listed_names(divided)} {hold} train and {other} folders {themselves}"
        text += f": this looks like a folder of datasets; choose {which}."
        return [Problem("datasets", "warning", text, some_of(divided))]
    if len(inside) == len(by_class) and all(len(folders) > 1 for folders in inside.values()):
        text = f"{_listed_names(sorted(inside))} hold only folders, no pictures of their own"
        text += ": if this is a folder of datasets, choose one of them."
        return [Problem("datasets", "warning", text, some_of(sorted(inside)))]
    return []


def _listed_names(names: Sequence[str]) -> str:
    return " and ".join(names_of([name]) for name in names) if len(names) == 2 else names_of(names)
