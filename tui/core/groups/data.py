"""The settings of the pictures and of what the network sees of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tui.core.groups.declare import Group, setting

Channels = Annotated[tuple[float, ...], Field(max_length=3)]


class DataSettings(Group):
    """What the network sees."""

    directory: str = setting(
        "Directory",
        "The folder of pictures: one folder per class, or train/val/test folders of them, or a list file beside them.",
        default="",
    )
    image_size: int = setting(
        "Image size",
        "Pictures are brought to this many pixels on each side.",
        unit="px",
        default=64,
        ge=8,
        le=1024,
        also="resolution input size",
    )
    channels: Literal[3, 1] = setting(
        "Channels", "3 for colour, 1 to train on greyscale.", default=3, also="grayscale rgb color"
    )
    resize: Literal["crop", "letterbox", "squash"] = setting(
        "Resize",
        "crop keeps the shape and cuts the edges off; letterbox keeps everything and adds bars; squash distorts.",
        default="crop",
    )
    crop: Literal["none", "padded", "random_resized"] = setting(
        "Random crop",
        "Training only. padded shifts the picture by up to the padding (small pictures); random_resized cuts a random part out and scales it up (photographs).",
        default="padded",
        also="augmentation",
    )
    crop_padding: int = setting(
        "Crop padding",
        "How far a padded crop can shift the picture.",
        unit="px",
        when=("data.crop", "padded"),
        default=4,
        ge=0,
        le=128,
    )
    crop_scale: float = setting(
        "Crop scale",
        "The smallest share of the picture's area that a random resized crop keeps.",
        when=("data.crop", "random_resized"),
        default=0.35,
        gt=0,
        le=1,
    )
    crop_ratio: float = setting(
        "Crop aspect",
        "How far a random resized crop can be from square: at most so many times as wide as high, or as high as wide.",
        when=("data.crop", "random_resized"),
        default=1.3333,
        ge=1,
        le=10,
    )
    flip: bool = setting(
        "Horizontal flip",
        "Training only. Mirror half of the pictures; switch off where left and right differ (text, digits).",
        default=True,
        also="hflip augmentation",
    )
    vertical_flip: bool = setting(
        "Vertical flip",
        "Training only. Turn half of the pictures upside down (from above, through a microscope).",
        default=False,
        also="vflip augmentation",
    )
    rotation: float = setting(
        "Rotation",
        "Training only. Turn by up to this much in both directions; corners become black.",
        unit="degrees",
        default=0.0,
        ge=0,
        le=180,
        also="rotate augmentation",
    )
    brightness: float = setting(
        "Brightness",
        "Training only. Multiply by 1 - this to 1 + this; 0.2 to 0.4 is usual.",
        default=0.0,
        ge=0,
        le=2,
        also="color jitter augmentation",
    )
    contrast: float = setting(
        "Contrast",
        "Training only. Like brightness, away from the picture's mean grey.",
        default=0.0,
        ge=0,
        le=2,
        also="color jitter augmentation",
    )
    saturation: float = setting(
        "Saturation",
        "Training only. Like brightness, away from each pixel's grey.",
        default=0.0,
        ge=0,
        le=2,
        also="color jitter augmentation",
    )
    hue: float = setting(
        "Hue",
        "Training only. Turn the colours by up to this share of the circle in both directions; 0.1 is much.",
        default=0.0,
        ge=0,
        le=0.5,
        also="color jitter augmentation",
    )
    auto_augment: Literal["none", "randaugment", "trivialaugment"] = setting(
        "Auto augment",
        "Training only. randaugment makes several of 14 changes with one strength, trivialaugment one with any strength: strong, for long runs.",
        default="none",
        also="augmentation policy autoaugment",
    )
    randaugment_ops: int = setting(
        "RandAugment changes",
        "How many changes each picture gets, one after the other.",
        when=("data.auto_augment", "randaugment"),
        default=2,
        ge=1,
        le=8,
    )
    randaugment_magnitude: int = setting(
        "RandAugment strength",
        "How strong they are, of 31 steps from 0.",
        when=("data.auto_augment", "randaugment"),
        default=9,
        ge=0,
        le=30,
    )
    erase: float = setting(
        "Random erasing",
        "Training only. Share of the pictures in which a box of 2 to 33 % of the area becomes black.",
        default=0.0,
        ge=0,
        le=1,
        also="cutout augmentation",
    )
    mixup: float = setting(
        "MixUp",
        "Training only. Blend pictures in pairs, and their targets; the share is drawn from Beta(this, this). 0.2 is usual, 0: off.",
        default=0.0,
        ge=0,
        le=100,
        also="augmentation",
    )
    cutmix: float = setting(
        "CutMix",
        "Training only. Paste a box of another picture in, and mix the targets by area; drawn from Beta(this, this). 1 is usual, 0: off. With MixUp each picture gets one of the two.",
        default=0.0,
        ge=0,
        le=100,
        also="augmentation",
    )
    sampler: Literal["shuffled", "balanced"] = setting(
        "Sampler",
        "shuffled: every picture once an epoch. balanced: every class equally often, so that pictures of small classes come several times.",
        default="shuffled",
        also="imbalance imbalanced oversampling weighted",
    )
    validation_fraction: float = setting(
        "Validation share",
        "Share of each class kept for validation when the data has no validation folder.",
        default=0.15,
        ge=0.01,
        le=0.5,
        also="validation split val split",
    )
    test_fraction: float = setting(
        "Test share",
        "Share of each class kept for the final test when the data is in one root. 0 keeps none.",
        default=0.15,
        ge=0,
        le=0.5,
        also="test split",
    )
    exclude: str = setting(
        "Leave out",
        "A text file of pictures to leave out, one path per line, relative to the directory; `cnntrain check --fix-list` writes one.",
        default="",
    )
    follow_links: bool = setting(
        "Follow links out",
        "Use linked folders and pictures that lie outside of the directory.",
        default=False,
    )
    task: Literal["auto", "classification", "regression", "multilabel"] = setting(
        "Task",
        "What a picture has: one class, numbers, or several labels at once. auto: folders are classes, and the columns of a list file tell.",
        default="auto",
    )
    layout: Literal["auto", "class_folders", "split_folders", "class_then_split", "list"] = setting(
        "Layout",
        "How the directory is read: cat/1.jpg, train/cat/1.jpg, cat/train/1.jpg, or a list file. auto: found out and named.",
        default="auto",
    )
    list: str = setting(
        "List file",
        "CSV, TSV, TXT or JSON file of a path and what it shows per line; several, one per split, with commas between. Empty: looked for in the directory.",
        when=("data.layout", "auto", "list"),
        default="",
    )
    list_root: str = setting(
        "Paths start at",
        "The folder that the paths in the list file are relative to. Empty: the list's own folder, or the directory.",
        when=("data.layout", "auto", "list"),
        default="",
    )
    path_column: str = setting(
        "Path column",
        "The list's column of paths, by its heading or its number from 1. Empty: the one that names pictures.",
        when=("data.layout", "auto", "list"),
        default="",
    )
    label_columns: str = setting(
        "Label columns",
        "The list's columns of classes, labels or numbers to learn, by heading or number, with commas between. Empty: found out.",
        when=("data.layout", "auto", "list"),
        default="",
    )
    split_column: str = setting(
        "Split column",
        "The list's column that says train, val or test. Empty: found by its heading; none: there is none.",
        when=("data.layout", "auto", "list"),
        default="",
    )
    group_column: str = setting(
        "Group column",
        "The list's column of what belongs together (a patient, a scene): no group is divided. Empty: found by its heading; none: there is none.",
        when=("data.layout", "auto", "list"),
        default="",
    )
    empty_classes: Literal["refuse", "leave_out"] = setting(
        "Empty classes",
        "What becomes of a class folder without pictures: refuse to train, or leave the class out.",
        default="refuse",
    )
    unreadable: Literal["skip", "stop"] = setting(
        "Unreadable pictures",
        "What becomes of a picture that cannot be read, or is gone, while training: skip it and say so, or stop.",
        default="skip",
    )
    mean: Channels = setting(
        "Mean",
        "Per-channel mean for the normalisation, in 0..1. Empty: computed from the training pictures.",
        default=(),
        also="normalize normalization",
    )
    std: Channels = setting(
        "Standard deviation",
        "Per-channel deviation for the normalisation, in 0..1. Empty: computed from the training pictures.",
        default=(),
        also="normalize normalization",
    )
    workers: int = setting(
        "Decoding workers",
        "Processes that decode pictures. 0: as many as there are processor cores.",
        default=0,
        ge=0,
        le=256,
        also="num_workers dataloader",
    )
    cache_gib: float = setting(
        "Cache budget",
        "Decoded pictures are kept on disk up to this size; larger sets are decoded again in every epoch.",
        unit="GiB",
        default=8.0,
        ge=0,
        le=100_000,
    )

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        if self.validation_fraction + self.test_fraction > 0.8:
            raise ValueError(
                "data.validation_fraction and data.test_fraction together leave less than 20 % to train on"
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.channels:
                raise ValueError(f"data.{name} has {len(values)} numbers, data.channels is {self.channels}")
        if any(value <= 0 for value in self.std):
            raise ValueError("data.std must be positive")
        return self
