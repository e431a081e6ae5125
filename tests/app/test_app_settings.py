"""The settings screen: all settings are there, explained, checked while typing, saved, and shown as a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_app_draft import other_value, wrong_text
from textual import events
from textual.keys import _character_to_key as character_to_key
from textual.pilot import Pilot
from textual.widgets import Static
from walking import make_app, settle, text_of, until

from tui.app.app import CnntrainApp
from tui.app.draft import DIRECTORY, Draft, fields
from tui.app.draft_words import findable, group_line, words_of
from tui.app.screens.ask import AskLine, Confirm
from tui.app.screens.pick import Pick
from tui.app.screens.settings import SettingsScreen
from tui.app.search import matching, nearest
from tui.app.widgets.form import Editor, Form
from tui.app.widgets.text_field import TextField
from tui.core import presets
from tui.core.architectures import MODELS
from tui.core.schema import all_settings, in_words


async def opened(
    pilot: Pilot[None], tmp_path: Path, preset: str = "resnet18-scratch", **arguments: Any
) -> tuple[Draft, Form]:
    """Open the form on a draft, and return both."""
    draft = Draft(preset, presets.load(presets.find(preset)), root=tmp_path / "runs", **arguments)
    draft.use_directory(tmp_path / "p")
    await settle(pilot)
    pilot.app.push_screen(SettingsScreen(draft))
    await settle(pilot)
    return draft, pilot.app.screen.query_one(Form)


def shown(app: CnntrainApp, name: str) -> str:
    return str(app.screen.query_one(f"#{name}", Static).render())


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CnntrainApp:
    return make_app(tmp_path, monkeypatch)


async def test_what_was_changed_and_yet_does_nothing_is_marked(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        form.enter("training.stop_metric")
        await pilot.press("ctrl+u", *"macro_f1")
        await settle(pilot)
        assert form.lines.look_of("training.stop_metric").note == "was loss · no effect"
        assert shown(app, "limits") == "training.stop_metric has no effect: training.stop_patience is 0"
        draft.write("training.stop_patience", "3")
        app.screen.query_one(Form).show(draft)
        assert form.lines.look_of("training.stop_metric").note == "was loss"


async def test_notices_that_would_go_nowhere_are_told_beside_their_field(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        form.enter("notices.send")
        await settle(pilot)
        assert "notices.send" in shown(app, "limits")
        assert "No webhook" not in shown(app, "limits")
        await pilot.press("right")
        await settle(pilot)
        assert shown(app, "limits").startswith("No webhook or command is named in ")


async def test_a_field_that_another_screen_has_changed_is_shown(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        form.enter("model.name")
        app.push_screen(Confirm("Use another rate?"))
        await settle(pilot)
        draft.write("optimizer.learning_rate", "0.004")
        await pilot.press("escape")
        await settle(pilot)
        assert form.current == "optimizer.learning_rate"
        assert "was 0.1" in form.lines.look_of("optimizer.learning_rate").note
        await pilot.press("question_mark")
        await settle(pilot)
        await pilot.press("down", "escape")
        await settle(pilot)
        assert form.current == "optimizer.learning_rate"  # nothing was changed, nothing moves


async def test_a_folder_that_is_not_there_and_what_becomes_of_a_name_are_told(app: CnntrainApp, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "other").mkdir()
    async with app.run_test(size=(120, 40)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        form.enter(DIRECTORY)
        await pilot.press("end", *"ets")
        await settle(pilot)
        assert draft.problems == {DIRECTORY: "There is no ~/pets."}
        assert "✗ There is no ~/pets." in shown(app, "limits")
        await pilot.press("ctrl+u", *"~/other")
        await settle(pilot)
        assert draft.problems == {}
        await pilot.press("s")
        await settle(pilot)
        assert draft.problems == {DIRECTORY: "There is no ~/others."}
        (tmp_path / "others").mkdir()
        await pilot.press("x", "backspace")
        await settle(pilot)
        assert draft.problems == {}
        form.enter("run.name")
        await pilot.press("ctrl+u", *"My Blüten!")
        await settle(pilot)
        assert shown(app, "limits").startswith('As a directory: "My-Blüten"')
        await pilot.press("ctrl+u", *"fine")
        await settle(pilot)
        assert "As a directory" not in shown(app, "limits")


@pytest.mark.parametrize("size", [(80, 24), (60, 24), (80, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_long_explanation_is_shown_whole(size: tuple[int, int], app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=size) as pilot:
        _, form = await opened(pilot, tmp_path)
        for key in ("notices.send", "model.name", "data.flip", "data.cutmix"):
            form.enter(key)
            await settle(pilot)
            below = " ".join(" ".join(text_of(app).split("─" * 10)[-1].split()).split())
            assert fields()[key].help in below, key
            assert key in below
            assert "$ cnntrain train" in below or size[0] < 80
        await pilot.resize_terminal(54, 24)
        form.enter("notices.send")
        explained = app.screen.query_one("#help")
        await until(pilot, lambda: explained.size == (52, 4))
        await pilot.resize_terminal(*size)
        await until(pilot, lambda: explained.size == (size[0] - 2, 4 if size[0] < 80 else 3))


@pytest.mark.long
async def test_every_setting_is_shown_explained_and_checked(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        for key, setting in all_settings().items():
            form.enter(key)
            await pilot.pause()
            assert app.focused in (form.lines, form.query_one(Editor)), key
            assert shown(app, "help") == setting.help
            assert key in shown(app, "limits")
            if setting.kind != "bool" and draft.in_effect(key):
                told = shown(app, "limits")
                assert setting.limits in told or f"{len(setting.choices)} names" in told, key
            region = form.lines.value_region(key)
            assert 0 <= region.y < form.lines.size.height, f"{key} is not visible"
            row = text_of(app).split("\n")[form.lines.content_region.y + region.y]
            assert setting.title in row, key
            assert setting.unit in row or not draft.in_effect(key), key
            if key == DIRECTORY:
                continue

            old = form.lines.look_of(key).value
            screen = app.screen
            assert isinstance(screen, SettingsScreen)
            if setting.kind != "text" or key == "model.name":
                screen.typed(Form.Changed(key, wrong_text(setting)))
                assert form.lines.look_of(key).state == "wrong", key
                assert "✗" in shown(app, "limits"), key
                assert "problem" in shown(app, "title"), key

            screen.typed(Form.Changed(key, in_words(other_value(setting, draft.settings))))
            assert form.lines.look_of(key).state == "changed", key
            assert f"was {old or 'empty'}" in form.lines.look_of(key).note
            assert "1 changed" in shown(app, "title"), key
            assert f"--set {key}=" in shown(app, "command").replace("'", ""), key

            screen.typed(Form.Changed(key, draft.original(key)))
            assert draft.changes() == {}, key
            assert form.lines.look_of(key).value == old


async def test_a_number_is_checked_while_it_is_typed(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        form.enter("training.batch_size")
        await pilot.press("1")
        assert "✗ training.batch_size is 1 but must be" in shown(app, "limits")
        await pilot.press("6")
        assert "✗" not in shown(app, "limits")
        assert draft.settings.training.batch_size == 16
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert form.query_one(Editor).value == str(draft.base.training.batch_size)


async def test_what_is_wrong_is_told_whole_at_80_columns(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        form.enter("optimizer.learning_rate")
        await pilot.press(*"0,01")
        await settle(pilot)
        text = " ".join(text_of(app).split("─" * 80)[1].split())
        assert (
            "✗ optimizer.learning_rate is '0,01' but must be a number: above 0 and at most 100, "
            "write 0.01 with a decimal point Mend what is marked"
        ) in text
        assert form.lines.look_of("optimizer.learning_rate").note == "✗ not usable"
        await pilot.press("ctrl+r")
        form.enter("training.batch_size")
        await settle(pilot)
        assert "$ cnntrain train" in text_of(app)


async def test_arrows_change_a_choice_and_dim_what_loses_its_effect(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path, "simple-cnn")
        form.enter("optimizer.name")
        await pilot.press("right")
        await pilot.pause()
        assert draft.settings.optimizer.name == "adam"
        assert form.lines.look_of("optimizer.momentum").state == "idle"
        assert form.lines.look_of("optimizer.beta1").state == "plain"
        await pilot.press("left", "s")
        await pilot.pause()
        assert draft.settings.optimizer.name == "sgd"


async def test_a_model_is_found_by_typing(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path, "simple-cnn")
        form.enter("model.name")
        await pilot.press(*"mobv3s")
        await settle(pilot)
        assert isinstance(app.screen, Pick)
        await pilot.press("enter")
        await settle(pilot)
        assert draft.settings.model.name == "mobilenet_v3_small"
        await pilot.press("enter", "escape")
        await settle(pilot)
        assert draft.settings.model.name == "mobilenet_v3_small"


async def test_letters_in_one_burst_open_one_list(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path, "simple-cnn")
        form.enter("model.name")
        await pilot.pause()
        for letter in "vit_b_16":
            app.post_message(events.Key(character_to_key(letter), letter))
        await settle(pilot)
        assert [type(screen) for screen in app.screen_stack].count(Pick) == 1
        assert app.screen.query_one("#search", TextField).value == "vit_b_16"
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        assert draft.settings.model.name == "vit_b_16"


async def test_letters_sent_to_the_lines_while_the_list_opens_reach_it(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path, "simple-cnn")
        form.enter("model.name")
        await pilot.pause()
        for letter in "resnet18":
            form.lines.post_message(events.Key(letter, letter))
        await settle(pilot)
        assert [type(screen) for screen in app.screen_stack].count(Pick) == 1
        assert app.screen.query_one("#search", TextField).value == "resnet18"


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("resnet18", "resnet18"),
        ("res 18", "resnet18"),
        ("simple", "simple_cnn"),
        ("b16", "vit_b_16"),
        ("RESNET-5", "resnet50"),
    ],
)
def test_the_search_finds(typed: str, first: str) -> None:
    assert matching(MODELS, typed)[0] == first


def test_the_search_finds_nothing_and_everything() -> None:
    assert matching(MODELS, "zzz") == []
    assert matching(MODELS, "") == list(MODELS)


def test_a_search_for_a_setting_looks_further_than_its_name() -> None:
    keys = {findable(setting): key for key, setting in fields().items()}
    more = {text: words_of(fields()[key]) for text, key in keys.items()}

    def found(typed: str) -> list[str]:
        return [keys[text] for text in matching(list(keys), typed, more)]

    def near(typed: str) -> list[str]:
        assert found(typed) == []
        return [keys[text] for text in nearest(list(keys), typed)]

    assert found("weight decay")[0] == "optimizer.weight_decay"
    assert found("lr")[0] == "optimizer.learning_rate"
    assert set(found("gpu")) >= {key for key in found("compute") if "GPU" in fields()[key].help}
    assert found("early stopping")[0] == "training.stop_patience"
    assert near("compute.device")[0] == "training.device"
    assert near("training.learning_rate")[0] == "optimizer.learning_rate"
    assert near("data.batch_size")[0] == "training.batch_size"
    assert found("max_m")[0] == "training.max_minutes"  # that of max_steps, too, has both words somewhere
    assert "training.max_steps" in found("max_m")
    assert found("ls")[0] == "loss.label_smoothing"  # its initials; other names only have the letters somewhere
    assert found("num_workers") == ["data.workers"]
    assert not any("randaugment" in key for key in found("resume"))  # its letters, in their order, mean nothing
    assert len(near("data.batch_size")) <= 12
    assert near("zzz") == []


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("fp16", "compute.precision"),
        ("mixed precision", "compute.precision"),
        ("bf16", "compute.precision"),
        ("grayscale", "data.channels"),
        ("color jitter", "data.hue"),
        ("resolution", "data.image_size"),
        ("imbalance", "data.sampler"),
        ("validation split", "data.validation_fraction"),
        ("gradient accumulation", "optimizer.accumulate"),
        ("scheduler", "schedule.name"),
        ("iterations", "training.max_steps"),
        ("resume", "training.restarts"),
        ("reproducible", "training.seed"),
        ("slack", "notices.send"),
        ("muon", "optimizer.name"),
    ],
)
def test_a_setting_is_found_by_the_names_that_others_give_it(typed: str, key: str) -> None:
    keys = {findable(setting): key for key, setting in fields().items()}
    found = matching(list(keys), typed, {text: words_of(fields()[key]) for text, key in keys.items()})
    assert key in [keys[text] for text in found]
    assert len(found) <= 6


async def test_keys_go_through_the_form(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        keys = list(fields())
        form.enter("run.name")
        for key in keys[1:8]:
            await pilot.press("down")
            assert form.current == key
        form.enter(keys[-1])
        await pilot.press("down", "up")
        assert form.current == keys[-2]
        await pilot.press(*["pageup"] * 5)
        assert form.current == "loss.name"
        second = keys[keys.index("training.epochs") + 1]
        await pilot.press("pagedown", "tab")
        assert form.current == second
        await pilot.press("shift+tab", "enter")
        assert form.current == second


async def test_enter_stays_where_a_value_is_refused(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        form.enter("training.epochs")
        await pilot.press("0")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert form.current == "training.epochs"
        assert "✗ training.epochs is 0" in shown(app, "limits")
        await pilot.press("backspace", "7")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert form.current != "training.epochs"


async def test_a_group_is_reached_by_a_click(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        await pilot.click("#groups", offset=(3, 3))
        await pilot.pause()
        assert form.current == "optimizer.name"
        await pilot.click(form.lines, offset=form.lines.value_region("optimizer.name").offset)
        await settle(pilot)
        assert isinstance(app.screen, Pick)


async def test_what_is_wrong_is_not_started(app: CnntrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.runs.making.create", lambda *_, **__: pytest.fail("it was started"))
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        form.enter("training.epochs")
        await pilot.press("0")
        form.enter("data.image_size")
        await pilot.press("ctrl+t")
        await settle(pilot)
        assert form.current == "training.epochs"
        assert "✗ training.epochs is 0" in shown(app, "limits")
        assert not list(app._notifications), "it already stands below the form"


async def test_one_notice_of_a_kind_stands_and_stays_on_its_screen(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, tmp_path)
        await pilot.press("f6", "f6", "f6")
        app.notify("old", severity="error")
        app.notify("new", severity="error")
        await settle(pilot)
        assert [notice.message for notice in app._notifications][1:] == ["new"]
        assert len(app.screen.query("Toast")) == 2
        await pilot.press("escape")
        await settle(pilot)
        assert not list(app._notifications)
        assert not app.screen.query("Toast")


async def test_a_question_mark_in_a_number_opens_the_help(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        form.enter("training.epochs")
        before = draft.texts["training.epochs"]
        await pilot.press("question_mark")
        await settle(pilot)
        assert type(app.screen).__name__ == "HelpScreen"
        assert "Save these settings" in text_of(app)
        keys = " ".join(str(line.render()) for line in app.screen.query(Static))
        assert "F6" in keys
        assert "f6" not in keys
        await pilot.press("escape")
        assert draft.texts["training.epochs"] == before


@pytest.mark.parametrize(("key", "shown_key"), [("run.name", "F1"), ("training.epochs", "?"), ("model.name", "?")])
async def test_the_footer_shows_a_key_that_helps_and_f1_always_does(
    key: str, shown_key: str, app: CnntrainApp, tmp_path: Path
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        form.enter(key)
        before = dict(draft.texts)
        await settle(pilot)
        assert f"{shown_key} Help" in text_of(app).split("\n")[-1]
        await pilot.press("f1")
        await settle(pilot)
        assert type(app.screen).__name__ == "HelpScreen"
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(app.screen, SettingsScreen)
        assert draft.texts == before


async def test_f1_helps_in_a_list_and_in_a_question(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        _, form = await opened(pilot, tmp_path)
        form.enter("model.name")
        for key, answer in (("enter", Pick), ("ctrl+s", AskLine)):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, answer)
            await pilot.press("f1")
            await settle(pilot)
            assert type(app.screen).__name__ == "HelpScreen"
            await pilot.press("escape")
            await settle(pilot)
            await pilot.press("escape")
            await settle(pilot)


async def test_it_is_saved_as_a_preset_and_replaced_only_when_asked(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path, "cifar10")
        form.enter("training.epochs")
        await pilot.press("3", "ctrl+s")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        saved = presets.find("my-cifar10")
        assert presets.load(saved).training.epochs == 3
        assert "training.epochs = 3" in saved.description
        assert "as the preset" in shown(app, "title")
        assert "train my-cifar10" in shown(app, "command")
        form.enter("training.epochs")
        await pilot.press("4", "ctrl+s", "enter")
        await settle(pilot)
        assert "Replace" in text_of(app)
        await pilot.press("enter")  # the harmless answer: what is there would be lost
        await settle(pilot)
        assert presets.load(saved).training.epochs == 3
        await pilot.press("ctrl+s", "enter")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert presets.load(saved).training.epochs == 4
        assert draft.changes() == {}


@pytest.mark.parametrize("name", ["", "../evil", "Großes", "simple-cnn", "[/]"])
async def test_a_name_that_cannot_be_used_is_explained_while_typing(
    name: str, app: CnntrainApp, tmp_path: Path
) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tmp_path)
        await pilot.press("ctrl+s")
        await settle(pilot)
        app.screen.query_one("#answer").value = name  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("enter")
        await settle(pilot)
        assert not isinstance(app.screen, SettingsScreen)
        assert "name" in shown(app, "wrong")
    assert [preset.name for preset in presets.available() if not preset.shipped] == []


async def test_the_command_line_is_copied(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, _ = await opened(pilot, tmp_path)
        await pilot.press("f6")
        await pilot.pause()
        assert app.clipboard == draft.command_line()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_nothing_is_cut_off(size: tuple[int, int], app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=size) as pilot:
        _, form = await opened(pilot, tmp_path)
        text = ""
        for _, _, keys in form.groups:
            for key in (*keys[::10], keys[-1]):
                form.enter(key)
                await pilot.pause()
                text += text_of(app)
        for key, setting in fields().items():
            assert f" {setting.title}" in text, key
            assert setting.kind == "choice" or len(setting.limits) + len(key) + 5 <= size[0], key
        lines = text_of(app).split("\n")
        assert "^t Train" in lines[-1]
        assert "? Help" in lines[-1]
        assert "esc Back" in lines[-1]


async def test_a_narrow_terminal_keeps_units_and_changes(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(60, 50)) as pilot:
        draft, form = await opened(pilot, tmp_path, "simple-cnn")
        form.enter("data.crop_padding")
        draft.write("data.image_size", "96")
        draft.write("training.epochs", "none")
        app.screen.typed(Form.Changed("data.rotation", "15"))  # type: ignore[attr-defined]
        await settle(pilot)
        rows = {line[:21].strip(): line[45:].split("▇")[0].strip() for line in text_of(app).split("\n")}
        assert rows["Image size"].startswith("px · was ")
        assert rows["Rotation"].startswith("was ")  # "degrees" goes where both have no room
        assert rows["Brightness"] == ""
        assert "F7 Rates  ^o Dry run  ^n Network  ^f Find  ^z Undo" in text_of(app)
        footer = text_of(app).split("\n")[-1]
        assert "? Help" in footer
        assert "palette" not in footer
        form.enter("training.epochs")
        await settle(pilot)
        assert "✗" in next(line for line in text_of(app).split("\n") if line.startswith(" Epochs"))[45:]
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert app.screen.query_one("#left").display
        assert "palette" in text_of(app).split("\n")[-1]


async def test_a_setting_is_found_by_its_name(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path)
        await pilot.press("ctrl+f")
        await settle(pilot)
        assert isinstance(app.screen, Pick)
        await pilot.press(*"weight dec")
        await settle(pilot)
        assert "Weight decay" in text_of(app)
        assert draft.texts["optimizer.weight_decay"] in text_of(app)  # what it is set to
        await pilot.press("enter")
        await settle(pilot)
        assert form.current == "optimizer.weight_decay"
        await pilot.press("ctrl+f", *"compute.device")
        await settle(pilot)
        assert "nothing is called that" in text_of(app)
        assert f"of {len(fields())} are near it" in text_of(app)
        await pilot.press("enter")
        await settle(pilot)
        assert form.current == "training.device"
        form.enter("optimizer.weight_decay")
        await pilot.press("ctrl+f", *"zzz", "enter", "escape")
        await settle(pilot)
        assert form.current == "optimizer.weight_decay"


async def test_a_change_is_taken_back_and_made_again(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        draft, form = await opened(pilot, tmp_path)
        epochs = draft.texts["training.epochs"]
        form.enter("training.epochs")
        await pilot.press("1", "7")
        form.enter("optimizer.name")
        await pilot.press("right")
        await pilot.pause()
        name = draft.settings.optimizer.name
        await pilot.press("ctrl+z")
        await pilot.pause()
        assert draft.settings.optimizer.name == draft.base.optimizer.name
        await pilot.press("ctrl+z")
        await pilot.pause()
        assert form.current == "training.epochs"
        assert form.query_one(Editor).value == epochs
        await pilot.press("ctrl+y", "ctrl+y")
        await pilot.pause()
        assert (draft.settings.training.epochs, draft.settings.optimizer.name) == (17, name)
        await pilot.press("ctrl+y")
        await pilot.pause()
        assert [notice.message for notice in app._notifications] == ["There is nothing to make again."]


@pytest.mark.parametrize(("size", "where"), [((80, 24), "#curve"), ((120, 40), "#rates")])
async def test_the_schedule_is_drawn_while_it_is_edited(
    size: tuple[int, int], where: str, app: CnntrainApp, tmp_path: Path
) -> None:
    async with app.run_test(size=size) as pilot:
        _, form = await opened(pilot, tmp_path)
        curve = app.screen.query_one(where)
        form.enter("data.image_size")
        await settle(pilot)
        assert curve.parked == (size[0] == 80)
        form.enter("schedule.name")
        await settle(pilot)
        assert "Learning rate cosine" in text_of(app)
        await pilot.press("right")
        await settle(pilot)
        assert "Learning rate plateau" in text_of(app)
        form.enter("optimizer.learning_rate")
        await pilot.press(*"0.3")
        await settle(pilot)
        assert "0.3 ┤" in text_of(app)
        region = form.lines.value_region("optimizer.learning_rate")
        assert 0 <= region.y < form.lines.size.height  # the curve does not cover the field


async def test_what_differs_from_the_preset_is_listed_where_there_is_room(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, tmp_path)
        assert "As the preset says" in shown(app, "changes")
        app.screen.typed(Form.Changed("training.epochs", "7"))  # type: ignore[attr-defined]
        assert "training.epochs 90 → 7" in shown(app, "changes")
        app.screen.typed(Form.Changed("training.epochs", "70000000"))  # type: ignore[attr-defined]
        assert "training.epochs 90 → ✗ 70000000" in shown(app, "changes")  # as it is typed, not what was right before


async def test_all_counts_of_what_is_changed_agree(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        draft, form = await opened(pilot, tmp_path, name="mine")
        assert "1 changed" in shown(app, "title")
        assert "run.name resnet18-scratch → mine" in shown(app, "changes")
        app.screen.typed(Form.Changed("training.epochs", "7"))  # type: ignore[attr-defined]
        assert "2 changed" in shown(app, "title")
        counts = [group_line(title, draft, keys, 20).plain for _, title, keys in form.groups]
        assert sum("•1" in count for count in counts) == sum("•" in count for count in counts) == 2
        assert len(shown(app, "changes").split("\n")) == 1 + 2


async def test_a_model_of_timm_can_be_typed_and_code_cannot(app: CnntrainApp, tmp_path: Path) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        draft, form = await opened(pilot, tmp_path, "simple-cnn")
        form.enter("model.name")
        await pilot.press("enter")
        await settle(pilot)
        app.screen.query_one("#search", TextField).value = "timm:resnet18.a1_in1k"
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert draft.settings.model.name == "timm:resnet18.a1_in1k"
        await pilot.press("enter")
        await settle(pilot)
        app.screen.query_one("#search", TextField).value = "os:system"
        await settle(pilot)
        await pilot.press("enter", "escape")
        await settle(pilot)
        assert draft.settings.model.name == "timm:resnet18.a1_in1k"
