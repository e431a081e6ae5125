"""Every setting: declared with help, kept by TOML, refused when out of range, mentioned by the engine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import tomli_w

from tui.core import schema
from tui.core.errors import UsageError
from tui.core.presets import to_toml
from tui.core.refusal import SettingsError
from tui.core.settings import Settings

SETTINGS = list(schema.all_settings().values())
TUI = Path(schema.__file__).parents[1]
READ_ELSEWHERE = {
    "data.directory": "runs",
    "data.exclude": "core/dataset",
    **{
        f"data.{name}": "core/dataset"
        for name in ("follow_links", "task", "layout", "list", "list_root", "empty_classes")
    },
    **{f"data.{name}_column": "core/dataset" for name in ("path", "split", "group")},
    "data.label_columns": "core/dataset",
    "data.validation_fraction": "core/dataset",
    "data.test_fraction": "core/dataset",
    "training.restarts": "runs",
    "notices.send": "runs",
    "notices.screen": "app",
    **{key: "core" for key in schema.all_settings() if key.startswith("schedule.") and key != "schedule.patience"},
    "training.max_steps": "core",
}
"""Floors that act on settings which are no business of the engine: what is trained on, and how often again."""


OTHER_TEXTS = {"model.name": "resnet18", "training.best_by": "macro_f1", "training.stop_metric": "accuracy"}


def start(setting: schema.Setting) -> Settings:
    """Return valid settings in which the setting may be changed alone."""
    needs = {"model.pretrained": {"model.name": "resnet18"}}.get(setting.key, {})
    return schema.with_changes(Settings(), needs, source="test")


def other_value(setting: schema.Setting) -> object:
    """Return a valid value that is not the default."""
    match setting.kind:
        case "bool":
            return not setting.default
        case "choice":
            return next(choice for choice in setting.choices if choice != setting.default)
        case "numbers":
            return (0.25, 0.5, 0.75)
        case "text":
            return OTHER_TEXTS.get(setting.key, "elsewhere")
        case "int":
            return setting.default + 1
        case _:
            half = setting.default / 2 if setting.default else 0.125
            return half if setting.minimum is None or half >= setting.minimum else setting.default * 1.5


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_a_setting_explains_itself(setting: schema.Setting) -> None:
    assert setting.title[0].isupper()
    assert len(setting.help) > 15
    assert setting.help.endswith(".")
    assert "TODO" not in setting.help
    if setting.when:
        known = {*map(str, schema.all_settings()[setting.when.key].choices), "simple_cnn", "true", "false", "0"}
        assert set(setting.when.values) <= known


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_a_setting_survives_toml(setting: schema.Setting) -> None:
    changed = schema.with_changes(start(setting), {setting.key: other_value(setting)}, source="test")
    assert schema.value_of(changed, setting.key) == other_value(setting)
    text = tomli_w.dumps(schema.nested(changed))
    assert schema.validated(tomllib.loads(text), source="test") == changed
    assert set(schema.changes(start(setting), changed)) == {setting.key}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_a_setting_survives_being_typed(setting: schema.Setting) -> None:
    value = other_value(setting)
    typed = schema.parse_assignments([f"{setting.key}={schema.in_words(value)}"])
    assert schema.with_changes(start(setting), typed, source="--set") == schema.with_changes(
        start(setting), {setting.key: value}, source="test"
    )


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.kind in ("int", "float")], ids=lambda s: s.key)
def test_a_number_out_of_range_is_refused_with_its_limits(setting: schema.Setting) -> None:
    low = setting.minimum if setting.minimum is not None else setting.above
    assert low is not None
    assert setting.maximum is not None or setting.below is not None
    value = int(low) - 1 if setting.kind == "int" else low - 1.0
    with pytest.raises(UsageError) as refused:
        schema.with_changes(Settings(), {setting.key: value}, source="test")
    assert setting.key in refused.value.cause
    assert setting.limits in refused.value.cause


def test_limits_have_thousands_separators() -> None:
    assert schema.all_settings()["training.max_steps"].limits == "0 to 1,000,000,000 steps"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.key)
def test_something_uses_the_setting(setting: schema.Setting) -> None:
    """A setting that nothing reads is a promise that is not kept."""
    floor = READ_ELSEWHERE.get(setting.key, "engine")
    group, name = setting.key.split(".")
    pattern = re.compile(rf"\b_?{group}\.{name}\b|\b_?(settings|{group}|options|chosen|data)\.{name}\b")
    sources = "\n".join(path.read_text("utf-8") for path in (TUI / floor).rglob("*.py"))
    assert pattern.search(sources), f"no module of {floor} reads {setting.key}"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"optimizer": {"lr": 1}}, 'did you mean "optimizer.learning_rate"?'),
        ({"optimizer": {"weight_decy": 1}}, 'did you mean "optimizer.weight_decay"?'),
        ({"optimizer": {"batch_size": 1}}, 'did you mean "training.batch_size"?'),
        ({"optimiser": {}}, 'did you mean "optimizer"?'),
        ({"training": {"epochs": "3"}}, "must be a whole number"),
        ({"training": {"epochs": True}}, "must be a whole number"),
        ({"training": {"epochs": 1.5}}, "must be a whole number"),
        ({"optimizer": {"learning_rate": float("nan")}}, "optimizer.learning_rate"),
        ({"optimizer": {"learning_rate": float("inf")}}, "optimizer.learning_rate"),
        ({"model": {"name": "resnet8"}}, 'did you mean "resnet18"?'),
        ({"model": {"name": "\x1b]52;c;AAAA\x07"}}, "\\x1b]52"),
        ({"model": {"pretrained": True}}, "no pretrained weights"),
        ({"training": {"device": "gpu"}}, "auto, cpu, cuda, mps"),
        ({"training": {"best_by": "acuracy"}}, 'did you mean "accuracy"?'),
        ({"training": {"best_by": "val_loss"}}, 'did you mean "loss"?'),
        ({"training": {"best_by": "acc"}}, 'did you mean "accuracy"?'),
        ({"training": {"best_by": "ema_acuracy"}}, 'did you mean "ema_accuracy"?'),
        ({"data": {"mean": "a, b"}}, "must be a list of numbers: write them as 0.5, 0.25"),
        ({"training": {"stop_metric": "learning_rate"}}, "which no evaluation measures"),
        ({"data": 3}, "must be a table"),
        ({"data": {"mean": [0.5, 0.5]}}, "data.channels is 3"),
        ({"data": {"std": [0.0, 0.5, 0.5]}}, "must be positive"),
        ({"data": {"validation_fraction": 0.5, "test_fraction": 0.5}}, "less than 20 %"),
        ({"schedule": {"warmup_epochs": 5.0}, "training": {"epochs": 2}}, "longer than training.epochs"),
        ({"optimizer": {"nesterov": True, "momentum": 0.0}}, "optimizer.momentum above 0"),
        ({"schedule": {"name": "multistep", "milestones": []}}, "schedule.milestones is empty"),
        ({"training": {"best_by": "ema_accuracy"}}, "only with optimizer.ema_decay above 0"),
        ({"schedule": {"milestones": [0.5, 1.5]}}, "shares of the run"),
    ],
)
def test_bad_settings_are_refused_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        schema.validated(values, source="my.toml")
    assert words in str(refused.value)
    assert "my.toml" in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_every_problem_is_named_at_once() -> None:
    table = {
        "data": {"mean": [0.5, 0.5], "std": [0.0, 0.5, 0.5], "image_size": 4},
        "optimizer": {"nesterov": True, "momentum": 0.0},
        "training": {"epochs": 0, "batch_size": "many", "best_by": "ema_accuracy", "stop_metric": "ema_loss"},
    }
    with pytest.raises(SettingsError) as refused:
        schema.validated(table, source="my.toml")
    about = [problem.split()[0] for problem in refused.value.problems]
    assert sorted(about) == [
        "data.image_size",
        "data.mean",
        "data.std",
        "optimizer.nesterov",
        "training.batch_size",
        "training.best_by",
        "training.epochs",
        "training.stop_metric",
    ]
    assert set(refused.value.by_setting()) == {*about, "data.channels", "optimizer.momentum", "optimizer.ema_decay"}


def test_a_wrong_name_hides_no_wrong_value_and_makes_no_other_problem() -> None:
    table = {"training": {"epoch": 30, "batch_size": 0}, "schedule": {"warmup_epochs": 20.0}}
    with pytest.raises(SettingsError) as refused:
        schema.validated(table, source="my.toml")
    assert [problem.partition(" is ")[0] for problem in refused.value.problems] == [
        'unknown setting "training.epoch", did you mean "training.epochs"?',
        "training.batch_size",
    ]
    table = {"training": {"epochs": 0}, "schedule": {"warmup_epochs": 20.0}}  # not too long for what was meant
    with pytest.raises(SettingsError) as refused:
        schema.validated(table, source="my.toml")
    assert len(refused.value.problems) == 1


def test_an_assignment_without_equals_is_explained() -> None:
    with pytest.raises(UsageError, match="Write --set section"):
        schema.parse_assignments(["training.epochs"])


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("optimizer.learning_rate=.5", 0.5),
        ("optimizer.learning_rate=1e-3", 0.001),
        ("training.max_steps=1e5", 100_000),
        ("data.mean=[.5, 0.25, 5e-1]", (0.5, 0.25, 0.5)),
        ("data.std=.5 .25 1", (0.5, 0.25, 1.0)),
    ],
)
def test_numbers_are_read_as_people_write_them(typed: str, value: object) -> None:
    key = typed.partition("=")[0]
    made = schema.with_changes(Settings(), schema.parse_assignments([typed]), source="--set")
    assert schema.value_of(made, key) == value


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lr", "optimizer.learning_rate"),
        ("epoch", "training.epochs"),
        ("amp", "compute.precision"),
        ("optimizer.wd", "optimizer.weight_decay"),
        ("zzz", "presets show"),
    ],
)
def test_a_setting_without_its_section_is_suggested(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=meant.replace(".", r"\.")):
        schema.parse_assignments([f"{typed}=1"])


def test_a_setting_without_effect_is_known() -> None:
    momentum = schema.all_settings()["optimizer.momentum"]
    assert schema.in_effect(Settings(), momentum)
    adam = schema.with_changes(Settings(), {"optimizer.name": "adam"}, source="test")
    assert not schema.in_effect(adam, momentum)


@pytest.mark.parametrize("key", ["training.stop_metric", "training.stop_change"])
def test_what_early_stopping_looks_at_has_no_effect_without_it(key: str) -> None:
    setting = schema.all_settings()[key]
    assert not schema.in_effect(Settings(), setting)
    assert schema.idle_words(setting) == f"{key} has no effect: training.stop_patience is 0"
    stopping = schema.with_changes(Settings(), {"training.stop_patience": 3}, source="test")
    assert schema.in_effect(stopping, setting)


def test_a_preset_states_only_what_differs() -> None:
    new = schema.with_changes(Settings(), {"training.epochs": 3, "data.directory": "/pictures"}, source="test")
    assert tomllib.loads(to_toml(new, comment="When to use it.")) == {"training": {"epochs": 3}}
