"""Themes, ASCII and eco mode: what each terminal gets, and that a choice is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from emulator import RecordingDriver, Terminal, difference
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color
from rich.console import Console
from textual._cells import cell_len

from tests import builders
from tui.app import preferences
from tui.app.app import CnntrainApp
from tui.app.ascii import plain
from tui.app.palette import CHOICES, PALETTES, theme_for
from tui.app.preferences import Preferences, for_session, load, sensible
from tui.core.files import config_directory


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CNNTRAIN_THEME", "CNNTRAIN_ECO", "CNNTRAIN_ASCII", "COLORFGBG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("CNNTRAIN_CONFIG", str(tmp_path / "config"))


def luminance(colour: str) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", PALETTES)
def test_every_colour_is_one_that_the_terminal_has(name: str) -> None:
    palette = PALETTES[name]
    used = {*palette.tones.values(), *palette.heat, *palette.ground, *palette.chosen, *palette.border}
    sixteen = {"#000000", "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa"}
    sixteen |= {"#555555", "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#ff55ff", "#55ffff", "#ffffff"}
    steps = {"00", "5f", "87", "af", "d7", "ff"}
    greys = {f"{8 + 10 * i:02x}" * 3 for i in range(24)}
    for colour in used:
        digits = colour[1:]
        many = digits in greys or {digits[i : i + 2] for i in (0, 2, 4)} <= steps
        assert colour in sixteen if "16" in name else many, colour


@pytest.mark.parametrize("name", PALETTES)
def test_what_is_written_can_be_read(name: str) -> None:
    palette = PALETTES[name]
    for tone in ("text", "strong", "muted", "line", "mark", "good", "warn", "bad", "focus"):
        least = 4.5 if tone in ("text", "strong") else 2.4
        assert contrast(palette.tones[tone], palette.ground[0]) >= least, tone  # type: ignore[index]


@pytest.mark.parametrize("name", ["cnntrain-colour-blind", "cnntrain-16-colour-blind"])
def test_good_and_bad_differ_without_red_and_green(name: str) -> None:
    tones = PALETTES[name].tones

    def blue_yellow(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return blue - (red + green) / 2

    assert abs(blue_yellow(tones["good"]) - blue_yellow(tones["bad"])) >= 80
    heat = [luminance(colour) for colour in PALETTES[name].heat[1:]]
    assert heat == sorted(heat)


def test_the_terminal_and_the_person_choose_the_theme(monkeypatch: pytest.MonkeyPatch) -> None:
    assert theme_for("auto", few=False) == theme_for("nonsense", few=False) == "cnntrain"
    assert theme_for("colour-blind", few=True) == "cnntrain-16-colour-blind"
    monkeypatch.setenv("COLORFGBG", "0;15")
    assert theme_for("auto", few=True) == "cnntrain-16-light"
    assert theme_for("dark", few=False) == "cnntrain"
    assert {theme_for(choice, few) for choice in CHOICES for few in (False, True)} == set(PALETTES)


def test_what_makes_no_sense_is_passed_over() -> None:
    assert sensible({"theme": "light", "eco": 3, "panels": ["loss", 4], "hidden": ["x"], "other": 1}) == Preferences(
        theme="light", hidden=("x",)
    )
    config_directory().mkdir()
    for content in (b"\xff\xfe", b"theme = [", b"theme = 'light'\n"):
        (config_directory() / preferences._FILE).write_bytes(content)
        assert load() == Preferences(theme="light" if b"light" in content else "auto")


def test_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNTRAIN_THEME", "Light")
    monkeypatch.setenv("CNNTRAIN_ECO", "1")
    monkeypatch.setenv("CNNTRAIN_ASCII", "perhaps")
    assert for_session(Preferences(theme="dark", ascii="off")) == Preferences(theme="light", eco="on", ascii="off")
    monkeypatch.setenv("TERM", "linux")
    assert Preferences().in_ascii()
    assert not Preferences(ascii="off").in_ascii()


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Mn", "Me", "Cf"]), max_size=30))
def test_ascii_takes_as_many_cells(text: str) -> None:
    assert plain(text).isascii()
    assert len(plain(text)) == sum(cell_len(character) for character in text)


def test_braille_keeps_its_shape() -> None:
    assert plain("⠀⣿⠉⣀⠤⠶") == " |'..-"
    assert plain("┌─┐│●✓é写…") == "+-+|*ve??."
    assert plain("blocks.0.c…ution  61 °C  Starting… 3") == "blocks.0.c~ution  61  C  Starting. 3"


async def test_keys_change_the_theme_and_it_is_remembered(tmp_path: Path) -> None:
    app = CnntrainApp(runs_root=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.theme == "cnntrain"
        await pilot.press("f2", "f2")
        assert (app.theme, load().theme) == ("cnntrain-light", "light")
        await pilot.press("f3")
        assert (app.eco, load().eco) == (True, "on")
    assert CnntrainApp(runs_root=tmp_path).theme == "cnntrain-light"


async def test_a_choice_that_cannot_be_remembered_is_told(tmp_path: Path) -> None:
    config_directory().write_text("a file is in the way")
    app = CnntrainApp(runs_root=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f2")
        assert app.preferences.theme == "dark"
        assert any("cannot be remembered" in notice.message for notice in app._notifications)


@pytest.mark.parametrize("choice", ["on", "off"])
async def test_ascii_mode_writes_nothing_else(tmp_path: Path, choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = builders.make_run(tmp_path, steps=200, epochs=2)
    builders.stop_the_clock(monkeypatch, run)
    monkeypatch.setenv("CNNTRAIN_ASCII", choice)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    app.driver_class = RecordingDriver
    async with app.run_test(headless=False, size=(120, 40)) as pilot:
        screen = Terminal(app)
        written = ""
        for _ in range(100):
            await pilot.pause(0.05)
            written += screen.feed()
            if "accuracy" in written and len(written) > 3000:
                break
        await pilot.press("f2", "m")
        await pilot.pause(0.3)
        written += screen.feed()
        assert written.isascii() == (choice == "on")
        assert difference(screen) == []


async def test_no_color_leaves_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    run = builders.make_run(tmp_path, steps=200, epochs=2)
    builders.stop_the_clock(monkeypatch, run)
    app = CnntrainApp(runs_root=tmp_path, open_run=run)
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(400):
            shown = "".join(strip.text for strip in app.screen._compositor.render_strips())
            if any("⠀" < character <= "⣿" for character in shown):
                break
            await pilot.pause(0.05)
        else:
            pytest.fail("no chart was drawn")
        colours = set()
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    colours.add(grey(colour) if colour else True)
        assert colours == {True}


def grey(colour: Color) -> bool:
    red, green, blue = colour.get_truecolor()
    return red == green == blue


def test_the_console_of_a_terminal_with_16_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", "linux")
    app = CnntrainApp(runs_root=tmp_path)
    app.console = Console(color_system="standard")
    app.prefer(theme="light")
    assert app.theme == "cnntrain-16-light"
    assert app.preferences.in_ascii()
