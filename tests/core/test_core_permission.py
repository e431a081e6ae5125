"""Code runs only when the person has named it: presets never name any, and a list of one's own decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.core import presets
from tui.core.architectures import check_installed, is_code, is_timm, known_model
from tui.core.errors import UsageError
from tui.core.permission import allow, allowed, check_allowed, forget, permission_file
from tui.core.schema import with_changes
from tui.core.settings import Settings

NAME = "my_nets.small:Net"


@pytest.mark.parametrize(
    ("name", "code", "timm"),
    [
        (NAME, True, False),
        ("os:system", True, False),
        ("nets:factories.Small.make", True, False),
        ("timm:resnet18.a1_in1k", False, True),
        ("timm:os.system; rm", False, False),
        ("timm:", False, False),
        ("nets", False, False),
        ("my-nets:Net", False, False),
        ("nets:Net()", False, False),
        (":Net", False, False),
        ("nets:", False, False),
        ("../nets:Net", False, False),
        ("nets:Net\n", False, False),
        ("n" * 300 + ":Net", False, False),
    ],
)
def test_names_are_told_apart(name: str, code: bool, timm: bool) -> None:
    assert (is_code(name), is_timm(name)) == (code, timm)
    if code or timm:
        assert known_model(name) == name
    else:
        with pytest.raises(ValueError, match="not a known model"):
            known_model(name)


def test_a_permission_is_given_kept_and_taken_back() -> None:
    assert allowed() == []
    with pytest.raises(
        UsageError, match=r"which no preset and no run may start by itself. .*`cnntrain models allow my"
    ):
        check_allowed(NAME)
    check_allowed("resnet18")
    assert allow(NAME)
    assert not allow(NAME)
    assert allow("other:Net")
    check_allowed(NAME)
    assert permission_file().read_text() == f"{NAME}\nother:Net\n"
    with pytest.raises(UsageError):
        check_allowed("my_nets.small:Net2")
    assert forget(NAME)
    assert not forget(NAME)
    assert allowed() == ["other:Net"]
    with pytest.raises(UsageError, match="nothing to allow"):
        allow("rm -rf /")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"os.system\n\n* \n:\n", b""])
def test_a_list_that_makes_no_sense_allows_nothing(content: bytes) -> None:
    permission_file().parent.mkdir(parents=True, exist_ok=True)
    permission_file().write_bytes(content)
    assert allowed() == []


@pytest.mark.parametrize("known", [False, True])
def test_a_preset_names_no_code_not_even_code_that_is_allowed(known: bool, tmp_path: Path) -> None:
    if known:
        allow(NAME)
    path = tmp_path / "theirs.toml"
    path.write_text(f'[model]\nname = "{NAME}"\n')
    with pytest.raises(UsageError, match=r"a preset loads no code. Take that line out, and type --set model.name=my"):
        presets.load(presets.find(str(path)))
    settings = with_changes(Settings(), {"model.name": NAME}, source="test")
    with pytest.raises(UsageError, match="a preset loads no code"):
        presets.save("mine", settings)
    assert presets.read_settings(path).model.name == NAME  # as a run's own file it can be looked at


def test_a_module_is_looked_for_without_running_any_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "nets_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit(3)")
    (package / "small.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    check_installed("nets_of_mine:Net")
    check_installed("nets_of_mine.small:Net")
    for name in ("nets_of_mine.large:Net", "nets_of_mine.small.er:Net", "no_nets:Net", "sys.nothing:Net"):
        with pytest.raises(UsageError, match=f"there is no module {name.partition(':')[0]}. Install"):
            check_installed(name)
    check_installed("sys:Net")


def test_timm_that_is_not_there_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"timm is not installed. Install it with `pip install 'cnntrain\[timm\]'`"):
        check_installed("timm:resnet18")
    check_installed("resnet18")


def test_code_has_no_pretrained_weights_of_ours() -> None:
    with pytest.raises(UsageError, match="starts as its package makes it"):
        with_changes(Settings(), {"model.name": NAME, "model.pretrained": True}, source="test")
    assert with_changes(
        Settings(), {"model.name": "timm:vit_tiny_patch16_224", "model.pretrained": True}, source="test"
    )
