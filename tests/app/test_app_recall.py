"""The panel of what was measured last: classes, or for numbers the errors."""

from __future__ import annotations

import math

from textual.app import App, ComposeResult

from tui.app.widgets.recall import ClassRecall
from tui.core.metrics import MAE, R2


class PanelApp(App[None]):
    def compose(self) -> ComposeResult:
        yield ClassRecall("recall per class", 5, id="classes")


async def test_numbers_have_errors_instead_of_classes() -> None:
    async with PanelApp().run_test(size=(60, 6)) as pilot:
        panel = pilot.app.query_one(ClassRecall)
        panel.show_errors([(MAE, 1.5, 2.0), (R2, 0.75, 0.8)], "epoch 2")
        assert panel.title == "errors"
        rows = panel.body(40, 4)
        assert ["".join(text for text, _ in row) for row in rows] == [
            "MAE             1.5000        -0.5",
            "R²              0.7500       -0.05",
        ]
        assert [row[-1][1] for row in rows] == ["good", "warn"]
        panel.show_errors([(MAE, 1.5, math.nan)], "epoch 1")
        assert [text for text, _ in panel.body(40, 4)[0]] == ["MAE       ", "      1.5000"]
        assert [len(row) for row in panel.body(24, 4)] == [2]
