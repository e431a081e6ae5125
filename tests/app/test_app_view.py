"""Which steps the charts show: zoom, pan, cursor, and a window that goes along with a run."""

from __future__ import annotations

from tui.app.screens.watch_view import View, Window


def ends(window: Window) -> tuple[int, int]:
    return window.first, window.last


def test_without_a_zoom_the_whole_run_is_shown() -> None:
    view = View()
    assert ends(view.window(400, 1000, live=False)) == (1, 400)
    first, last = ends(view.window(400, 1000, live=True))
    assert first == 1
    assert 400 <= last <= 1000


def test_a_zoom_at_the_newest_step_goes_along() -> None:
    view = View()
    view.zoom(view.window(1000, 2000, live=False), inwards=True)
    assert ends(view.window(1000, 2000, live=False)) == (501, 1000)
    assert ends(view.window(1100, 2000, live=False)) == (601, 1100)


def test_a_living_window_moves_in_bounds_so_that_little_is_redrawn() -> None:
    view = View()
    view.zoom(Window(1, 1600), inwards=True)
    view.window(1600, 10_000, live=True)
    view.zoom(Window(1, 1600), inwards=True)
    windows = {ends(view.window(step, 10_000, live=True)) for step in range(1600, 1700)}
    assert len(windows) <= 4
    for first, last in windows:
        assert last - first + 1 == 800
        assert last >= 1600


def test_a_zoom_keeps_the_step_under_the_pointer_where_it_is() -> None:
    view = View()
    shown = view.window(1000, 1000, live=False)
    view.zoom(shown, inwards=True, at=250)
    closer = view.window(1000, 1000, live=False)
    before = (250 - shown.first) / (shown.last - shown.first)
    after = (250 - closer.first) / (closer.last - closer.first)
    assert abs(before - after) < 0.01
    assert closer.last - closer.first + 1 == 500


def test_to_zoom_out_as_far_as_it_goes_shows_everything() -> None:
    view = View()
    for _ in range(20):
        view.zoom(view.window(1000, 1000, live=False), inwards=True, at=300)
    first, last = ends(view.window(1000, 1000, live=False))
    assert last - first + 1 == 10
    assert first <= 300 <= last
    for _ in range(20):
        view.zoom(view.window(1000, 1000, live=False), inwards=False)
    assert not view.zoomed
    assert ends(view.window(1000, 1000, live=False)) == (1, 1000)


def test_to_pan_stops_at_both_ends() -> None:
    view = View()
    view.pan(view.window(1000, 1000, live=False), -1)
    assert not view.zoomed
    view.zoom(view.window(1000, 1000, live=False), inwards=True)
    for _ in range(9):
        view.pan(view.window(1000, 1000, live=False), -0.25)
    assert ends(view.window(1000, 1000, live=False)) == (1, 500)
    for _ in range(9):
        view.pan(view.window(1000, 1000, live=False), 0.25)
    assert ends(view.window(1000, 1000, live=False)) == (501, 1000)


def test_the_cursor_appears_at_the_newest_step_and_pans_at_the_edge() -> None:
    view = View()
    view.move_cursor(view.window(1000, 1000, live=False), -0.1)
    assert view.cursor == 1000
    view.move_cursor(view.window(1000, 1000, live=False), 0.1)
    assert view.cursor == 1000
    view.zoom(view.window(1000, 1000, live=False), inwards=True)
    for _ in range(20):
        window = view.window(1000, 1000, live=False)
        view.move_cursor(window, -0.1)
    window = view.window(1000, 1000, live=False)
    assert view.cursor is not None
    assert view.cursor >= 1
    assert window.first <= view.cursor <= window.last
    assert window.first == 1


def test_undo_takes_the_cursor_first_and_then_the_zoom() -> None:
    view = View()
    view.zoom(view.window(1000, 1000, live=False), inwards=True, at=10)
    view.point(42)
    assert view.undo()
    assert view.cursor is None
    assert view.zoomed
    assert view.undo()
    assert not view.zoomed
    assert not view.undo()


def test_a_run_that_starts_again_keeps_the_cursor_inside() -> None:
    view = View()
    view.window(1000, 1000, live=False)
    view.point(900)
    assert view.window(50, 1000, live=True).cursor == 50


def test_smoothing_goes_round() -> None:
    view = View()
    spans = []
    for _ in range(4):
        spans.append(view.window(1000, 1000, live=False).span)
        view.smooth_next()
    assert spans[0] is None
    assert spans[1] > spans[2] > spans[3] == 0  # type: ignore[operator]
    assert view.smoothing == "auto"


def test_a_zoom_that_goes_along_leaves_the_cursor_behind() -> None:
    """It must not stay at the edge with the values of other steps."""
    view = View()
    view.zoom(view.window(1000, 2000, live=False), inwards=True)
    view.point(700)
    assert view.window(1100, 2000, live=False).cursor == 700
    assert view.window(1500, 2000, live=False).cursor is None
    view.pan(view.window(1500, 2000, live=False), -1.0)
    assert view.window(1500, 2000, live=False).cursor == 700
    view.pan(view.window(1500, 2000, live=False), 1.0)
    assert view.window(1500, 2000, live=False).cursor is None
    assert view.undo()  # the zoom: what cannot be seen is not taken away first
    assert ends(view.window(1500, 2000, live=False)) == (1, 1500)
    assert not view.undo()
