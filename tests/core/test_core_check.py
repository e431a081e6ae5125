"""The check of a dataset: all of what is wrong, nothing of what is right, and the sentence for each fault."""

from __future__ import annotations

import os
import random
import stat
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hostile_dataset import DEEP_ONLY, make_clean, make_hostile, make_recoded, picture
from picture_sets import class_folders, settings_for, write_picture
from PIL import Image

from tui.core.dataset import decoders
from tui.core.dataset.alike import alike
from tui.core.dataset.check import Report, check
from tui.core.dataset.exclusions import write_list
from tui.core.dataset.facts import examine
from tui.core.dataset.findings import DONE, RULES
from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.pictures import PictureError, load_picture
from tui.core.dataset.scan import scan
from tui.core.schema import all_settings
from tui.core.text import clean

LEAVE_OUT = settings_for(data={"empty_classes": "leave_out"}).data


class Hostile(NamedTuple):
    root: Path
    expected: dict[str, set[str]]
    shallow: Report
    deep: Report
    changed: bool
    """Whether the checks left any trace in the dataset."""


def traces(root: Path) -> list[tuple[object, ...]]:
    found = []
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(folder, name))
            found.append((folder, name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode))
    return sorted(found, key=repr)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    place = tmp_path_factory.mktemp("hostile")
    expected = make_hostile(place / "data", place / "outside")
    before = traces(place)
    shallow = check(place / "data", data=LEAVE_OUT)
    deep = check(place / "data", deep=True, data=LEAVE_OUT)
    return Hostile(place / "data", expected, shallow, deep, traces(place) != before)


def found(report: Report) -> dict[str, set[str]]:
    places: dict[str, set[str]] = {}
    for finding in report.findings:
        places.setdefault(finding.code, set()).update(finding.paths)
    return places


def text_of(report: Report, code: str) -> str:
    return " ".join(f"{finding.text} [{finding.done}]" for finding in report.findings if finding.code == code)


def refusal(directory: Path) -> str:
    report = check(directory)
    assert report.verdict == "unusable"
    return next(finding.text for finding in report.findings if finding.severity == "error")


# -- all of it, and nothing else --------------------------------------------------------------------------


def test_every_defect_is_found_where_it_is(hostile: Hostile) -> None:
    assert found(hostile.deep) == hostile.expected
    assert hostile.deep.verdict == "findings"


def test_without_decoding_everything_but_what_only_decoding_finds(hostile: Hostile) -> None:
    expected = {code: set(paths) for code, paths in hostile.expected.items() if code not in DEEP_ONLY}
    # Its values cannot be scaled, which its header does not tell.
    expected["float"].add("train/bird/wild.tif")
    expected["greyscale"].add("train/bird/wild.tif")
    assert found(hostile.shallow) == expected


@pytest.mark.parametrize("deep", [False, True])
def test_nothing_is_found_in_the_clean_twin(tmp_path: Path, deep: bool) -> None:
    report = check(make_clean(tmp_path), deep=deep)
    assert report.findings == []
    assert report.exclude == []
    assert report.verdict == "clean"
    assert report.sizes is not None
    assert (report.sizes.measured, report.sizes.modes, report.formats) == (42, {"RGB": 42}, {"JPEG": 42})


def test_the_dataset_is_not_touched(hostile: Hostile) -> None:
    assert not hostile.changed


def test_every_rule_names_an_action_and_a_setting_that_exists(hostile: Hostile) -> None:
    for action, setting in RULES.values():
        assert action in DONE
        assert not setting or setting in all_settings()
    for finding in hostile.deep.findings:
        assert finding.text == clean(finding.text)
        assert finding.text.endswith(".")


def test_training_lives_with_what_is_found(hostile: Hostile, tmp_path: Path) -> None:
    """Without the list, only what the check calls unusable fails to open; with it, everything opens."""
    unusable = set.union(*(hostile.expected[code] for code in ("damaged", "unsupported", "bomb", "not_a_picture")))

    def failing(exclude: str) -> set[str]:
        manifest = make_manifest(
            scan(hostile.root), settings_for(data={"exclude": exclude, "empty_classes": "leave_out"})
        )
        failed = set()
        for path, _ in (sample for samples in manifest.splits.values() for sample in samples):
            try:
                load_picture(manifest.root / path, size=8, channels=3, resize="crop")
            except PictureError:
                failed.add(path)
        return failed

    assert failing("") == unusable
    write_list(tmp_path / "list.txt", hostile.deep.exclude)
    assert failing(str(tmp_path / "list.txt")) == set()


def test_of_copies_the_list_leaves_one_where_it_is_tested(hostile: Hostile) -> None:
    listed = set(hostile.deep.exclude)
    assert {"train/cat/001.jpg", "train/dog/001.jpg", "val/dog/000.jpg", "train/cat/000 (copy).jpg"} <= listed
    assert {"train/cat/002.jpg", "train/dog/a-cat.jpg"} <= listed
    assert not {"test/cat/leaked.jpg", "val/dog/leaked.jpg", "test/dog/leaked-too.jpg", "train/cat/000.jpg"} & listed
    assert not hostile.expected["nearly_equal"] & listed


def test_another_file_with_the_same_pixels_is_a_copy(tmp_path: Path) -> None:
    same = make_recoded(make_clean(tmp_path))
    assert check(tmp_path).verdict == "clean"
    report = check(tmp_path, deep=True)
    assert found(report)["duplicate"] == same
    assert "1 of these are other files with the same pixels" in text_of(report, "duplicate")


# -- the faults by number ---------------------------------------------------------------------------------

SENTENCES = {
    "37_truncated": ("damaged", '3 files are damaged or cut short: "train/bird/caf\\xe9\\x1b[2J.jpg"'),
    "38_bit_flip": ("checksum", "1 picture does not agree with its checksums"),
    "39_empty": ("empty_file", '1 empty file will not be used: "train/bird/nothing.jpg". [skipped]'),
    "39_text": ("not_a_picture", "2 files have a picture's name and are none"),
    "40_16_bit": ("16_bit", "2 pictures have 16 bits per value (scaled to 8)"),
    "41_float_scaled": ("float", "1 picture has floating point values (scaled from 0..1 or 0..255 to 8 bits)"),
    "41_float_refused": ("unsupported", "its values are floating point and lie outside 0 to 1 and 0 to 255"),
    "42_cmyk": ("cmyk", '1 picture is CMYK (made RGB): "train/cat/cmyk.jpg". [converted]'),
    "42_palette": ("palette", "3 pictures have a palette (made RGB)"),
    "42_alpha": ("alpha", "2 pictures have transparent parts (laid over white)"),
    "42_greyscale": ("greyscale", "[converted; data.channels changes that]"),
    "43_rotated": ("rotated", "1 picture is rotated by EXIF data (turned, in training and prediction alike)"),
    "44_frames": ("animated", "2 pictures have several frames (the first one is used)"),
    "45_bomb": ("bomb", '1 file is too large to be opened: "train/bird/bomb.png" (it has more than 80 million pixels)'),
    "46_hidden": ("hidden", "4 hidden or system entries ignored"),
    "47_empty_class": ("empty_class", '1 class folder has no pictures in "train" and will be left out: "fish".'),
    "49_class_missing": ("class_missing", '"val" has no pictures of "bird": nothing will be measured there.'),
    "50_leak": ("leak", "1 test picture is an exact copy of training pictures, which makes the result look better"),
    "50_contradiction": ("contradiction", "1 picture is in two classes at once"),
    "50_duplicate": ("duplicate", "1 picture is more than once in a class"),
    "50_near_duplicate": ("nearly_equal", "1 pair is the same picture stored in another way (judge by eye)"),
    "51_loop": ("visited_before", '1 folder reached a second time and used once: "train/dog/loop".'),
    "52_outside": ("outside", "[skipped; data.follow_links changes that]"),
    "54_collision": ("name_collision", "4 pictures have names that differ only in case or in how letters are stored"),
    "64_postscript": ("not_a_picture", '"train/bird/postscript.jpg"'),
}


@pytest.mark.parametrize("fault", SENTENCES)
def test_fault(hostile: Hostile, fault: str) -> None:
    code, words = SENTENCES[fault]
    assert words in text_of(hostile.deep, code)


def test_fault_47_an_empty_class_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    class_folders(tmp_path, {"cat": 3, "dog": 3, "fish": 0})
    assert refusal(tmp_path) == (
        '1 class folder has no pictures: "fish". Put pictures there, take it away, or set data.empty_classes to '
        "leave_out."
    )
    allowed = check(tmp_path, data=settings_for(data={"empty_classes": "leave_out"}).data)
    assert allowed.verdict == "findings"
    assert allowed.scan is not None
    assert allowed.scan.classes == ("cat", "dog")


def test_fault_48_one_class(tmp_path: Path) -> None:
    assert 'has only one class with pictures, "cat"' in refusal(class_folders(tmp_path, {"cat": 3}))


def test_fault_48_one_picture(tmp_path: Path) -> None:
    assert 'the class "dog" has only one picture' in refusal(class_folders(tmp_path, {"cat": 3, "dog": 1}))


def test_fault_49_a_class_that_train_does_not_have(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"cat": 3, "dog": 3})
    class_folders(tmp_path / "val", {"cat": 1, "dogs": 1})
    message = refusal(tmp_path)
    assert '"val" has a class that train does not have: "dogs"' in message
    assert 'Did you mean "dog"?' in message


def test_fault_52_what_is_linked_from_outside_is_used_when_asked(hostile: Hostile) -> None:
    data = settings_for(data={"empty_classes": "leave_out", "follow_links": True}).data
    report = check(hostile.root, data=data)
    assert "2 links out of the directory followed" in text_of(report, "outside_used")
    assert report.scan is not None
    paths = {path for path, _ in report.scan.samples["train"]}
    assert {"train/dog/more/x.jpg", "train/dog/y.jpg"} <= paths


def test_fault_53_a_name_that_is_not_utf8_keeps_its_bytes(hostile: Hostile) -> None:
    paths = {os.fsencode(path) for path in found(hostile.deep)["damaged"]}
    assert b"train/bird/caf\xe9\x1b[2J.jpg" in paths


def test_fault_56_a_flat_folder(tmp_path: Path) -> None:
    write_picture(tmp_path / "1.png")
    assert "is a flat folder of 1 picture without class folders" in refusal(tmp_path)


def test_fault_57_fault_58_nothing_that_a_terminal_or_a_markup_obeys_is_told(tmp_path: Path) -> None:
    # OSC 52 writes the clipboard, CSI 2J clears, 9B is a C1 control, 202E turns the direction of reading.
    evil = ("a\x1b]52;c;ZXZpbA==\x07", "b\x1b[2J", "c\x9b31m", "d\u202egnp", "[$nosuch]", "[@click=app.quit]x")
    class_folders(tmp_path, dict.fromkeys(evil, 2))
    for name in evil:
        (tmp_path / name / f"{name}.jpg").write_text(f"no picture {name}")
    told = check(tmp_path)
    text = text_of(told, "not_a_picture")
    assert text.isprintable()
    assert all(not set(finding.text) & set("\x1b\x9b\x07\u202e") for finding in told.findings)
    assert "[@click=app.quit]x" in text  # markup is text like all other


def test_fault_56_a_wrapper(tmp_path: Path) -> None:
    class_folders(tmp_path / "archive", {"a": 2, "b": 2})
    report = check(tmp_path)
    assert "one level down" in text_of(report, "wrapped")
    assert report.verdict == "clean"


@pytest.mark.parametrize("kind", ["EPS", "PCX", "TGA", "ICO", "SGI"])
def test_fault_64_what_is_not_on_the_list_of_formats_is_never_decoded(tmp_path: Path, kind: str) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    with open(tmp_path / "a" / "exotic.jpg", "wb") as file:
        Image.new("RGB", (16, 16)).save(file, format=kind)
    text = text_of(check(tmp_path, deep=True), "not_a_picture")
    assert text.startswith('1 file has a picture\'s name and is none: "a/exotic.jpg"')


# -- what else it tells -----------------------------------------------------------------------------------


def test_a_class_that_cannot_be_read(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 3, "b": 3})
    for path in (tmp_path / "c" / "1.png", tmp_path / "c" / "2.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"no picture {path.name}")
    assert 'No picture of "c" can be read' in text_of(check(tmp_path), "class_unreadable")


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert refusal(tmp_path) == "None of the pictures to train on can be read."


def test_uneven_classes_are_a_note(tmp_path: Path) -> None:
    report = check(class_folders(tmp_path, {"a": 33, "b": 3}))
    assert text_of(report, "imbalance").startswith('The classes are uneven: 33 pictures of "a" and 3 of "b".')
    assert report.verdict == "clean"


def test_a_picture_that_kills_its_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sick.py"
    program.write_text(
        "import os, signal\n"
        "from tui.core.dataset import decoder\n"
        "examine = decoder.examine\n"
        "def sick(path, depth):\n"
        "    if path.endswith('b/001.png'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return examine(path, depth)\n"
        "decoder.examine = sick\n"
        "decoder.main()\n"
    )
    wrapper = tmp_path / "python"
    wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} {program}\n")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    root = class_folders(tmp_path / "data", {"a": 5, "b": 5})
    monkeypatch.setattr(decoders.sys, "executable", str(wrapper))
    report = check(root, deep=True, workers=1)
    assert found(report)["damaged"] == {"b/001.png"}
    assert "its decoder was killed (SIGKILL)" in text_of(report, "damaged")


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen = []
    check(class_folders(tmp_path, {"a": 4, "b": 4}), deep=True, progress=lambda *told: seen.append(told))
    assert ("decoding every picture", 8, 8) in seen
    assert {stage for stage, _, _ in seen} >= {"looking through the folders", "comparing pictures"}


# -- pictures that look alike -----------------------------------------------------------------------------


def test_the_search_finds_what_comparing_all_would_find() -> None:
    dice = random.Random(1)
    looks = [dice.getrandbits(128) for _ in range(150)] + [0, 0]
    for number in range(60):
        look = looks[number]
        for bit in dice.sample(range(128), number % 11):
            look ^= 1 << bit
        looks.append(look)
    expected = {
        (i, j, (looks[i] ^ looks[j]).bit_count())
        for i in range(len(looks))
        for j in range(i + 1, len(looks))
        if looks[i] and looks[j] and (looks[i] ^ looks[j]).bit_count() <= 7
    }
    assert set(alike(looks)) == expected
    assert len(expected) > 40


def test_plain_pictures_look_like_nothing(tmp_path: Path) -> None:
    from PIL import Image

    make_clean(tmp_path)
    for number in range(6):
        Image.new("RGB", (48, 48), (200, 200 + number, 200)).save(tmp_path / f"train/cat/plain{number}.png")
    assert check(tmp_path, deep=True).verdict == "clean"


def test_a_smaller_copy_in_the_same_class_is_a_note(tmp_path: Path) -> None:
    make_clean(tmp_path)
    picture(("train", "cat", 0), (48, 48)).resize((40, 40)).save(tmp_path / "train/cat/small.jpg", quality=80)
    report = check(tmp_path, deep=True)
    assert found(report) == {"alike": {"train/cat/000.jpg", "train/cat/small.jpg"}}
    assert report.verdict == "clean"


# -- single files -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".jpg", mode) for mode in ("RGB", "L", "CMYK")]
    + [(".png", mode) for mode in ("RGB", "L", "RGBA", "P")]
    + [(".gif", "P"), (".tif", "RGB"), (".tif", "CMYK"), (".webp", "RGBA"), (".bmp", "RGB"), (".ppm", "RGB")],
)
def test_damage_anywhere_is_damage_exactly_if_training_cannot_open_it(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"x{suffix}"
    picture(0).convert(mode).save(path)
    content = path.read_bytes()
    dice = random.Random(f"{suffix}{mode}")
    damaged = [content[: dice.randrange(len(content))] for _ in range(6)]
    for _ in range(10):
        changed = bytearray(content)
        changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        damaged.append(bytes(changed))
    for data in damaged:
        path.write_bytes(data)
        try:
            load_picture(path, size=12, channels=3, resize="crop")
            opens = True
        except PictureError:
            opens = False
        assert (examine(path, "pixels").reason == "") == opens


# -- list files -------------------------------------------------------------------------------------------


def listed(root: Path) -> list[str]:
    """Make thirty pictures and return the lines of a list of them that nothing is wrong with."""
    rows = []
    for number in range(30):
        path = root / "images" / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path, quality=92)
        rows.append(f"images/{number:03d}.jpg,{('cat', 'dog', 'owl')[number % 3]},{'val' if number > 23 else 'train'}")
    return rows


@pytest.mark.parametrize("deep", [False, True])
def test_nothing_is_found_in_a_clean_list(tmp_path: Path, deep: bool) -> None:
    rows = [row if number < 27 else row.replace("val", "test") for number, row in enumerate(listed(tmp_path))]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,split", *rows]))
    report = check(tmp_path, deep=deep)
    assert (report.findings, report.exclude, report.verdict) == ([], [], "clean")


def test_every_defect_of_a_list_is_found_where_it_is(tmp_path: Path) -> None:
    rows = listed(tmp_path / "data")
    picture("out").save(tmp_path / "out.jpg")
    for name in ("extra", "twice"):
        picture(name).save(tmp_path / "data" / "images" / f"{name}.jpg")
    (tmp_path / "data" / "images" / "text.jpg").write_text("no picture")
    rows += ["images/gone.jpg,cat,train", "../out.jpg,cat,train", "images/000.jpg,cat,train"]
    rows += ["images/001.jpg,owl,train", "images/twice.jpg,cat,train", "images/twice.jpg,cat,test"]
    rows += ["images/extra.jpg,,train", '"images/extra.jpg,cat', "images/extra.jpg,cat,holdout"]
    rows += ["images/text.jpg,dog,train"]
    (tmp_path / "data" / "labels.csv").write_bytes("\r\n".join(["image,label,split", *rows]).encode("utf-8-sig"))
    report = check(tmp_path / "data")
    assert found(report) == {
        "list_missing": {"images/gone.jpg"},
        "list_outside": {"../out.jpg"},
        "list_duplicate": {"images/000.jpg"},
        "list_contradiction": {"images/001.jpg"},
        "list_two_splits": {"images/twice.jpg"},
        "list_label": {"images/extra.jpg"},
        "list_line": set(),
        "list_split": set(),
        "list_unlisted": {"images/001.jpg", "images/extra.jpg"},
        "not_a_picture": {"images/text.jpg"},
        "class_missing": {"dog", "owl"},
    }
    assert report.verdict == "findings"
    write_list(tmp_path / "list.txt", report.exclude)
    manifest = make_manifest(scan(tmp_path / "data"), settings_for(data={"exclude": str(tmp_path / "list.txt")}))
    assert "images/text.jpg" not in {path for own in manifest.splits.values() for path, _ in own}
