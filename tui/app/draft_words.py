"""A draft in words: its groups, its network, its command, and what differs from its preset; no widget here."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from tui.app.draft import NAME, Draft, problem_words
from tui.app.widgets.columns import Cell, line
from tui.core.schema import Setting, idle_words, in_words
from tui.core.text import clean
from tui.runs import notices


def wrapped_command(pieces: list[str], width: int) -> list[Content]:
    """Return the pieces of a command in lines, each option on one line with its value where there is room."""
    lines = [Content.styled("$", "$foreground-muted")]
    for piece in pieces:
        if lines[-1].cell_length + 1 + cell_len(piece) > width and lines[-1].plain != "$":
            lines.append(Content(" "))
        lines[-1] = lines[-1].append(f" {piece}")
    return [row for long in lines for row in (long.wrap(width) if long.cell_length > width else [long])]


def group_line(title: str, draft: Draft, keys: list[str], width: int) -> Content:
    """Return a group's title with how many of its settings are wrong, or else changed."""
    wrong = sum(key in draft.problems for key in keys)
    changed = sum(draft.differs(key) for key in keys)
    mark, style = (f"✗{wrong}", "$text-error") if wrong else (f"•{changed}" if changed else "", "$accent")
    return line([Cell(title, max(4, width - 2)), Cell(mark, 2, style, right=True)], gap=0)


def network_words(draft: Draft) -> Content:
    """Return what was last found out about the network; other settings may have another one."""
    if draft.network is None:
        return Content.styled("Network: not looked at yet", "$foreground-muted")
    settings, found = draft.network
    state = "" if settings == draft.settings else "  before the last changes"
    lines = [Content.assemble(("Network", "bold"), (state, "$text-warning"))]
    lines += [Content.assemble((f"{what:<11}", "$foreground-muted"), words) for what, words in found.facts()]
    return Content("\n").join(lines)


def changes_words(draft: Draft) -> Content:
    """Return what differs from the preset, a line each."""
    lines = [Content.styled(f"Changed from {clean(draft.preset, 24)}", "bold")]
    name = {NAME: (draft.original(NAME), draft.name)} if draft.differs(NAME) else {}
    for key, (before, now) in {**name, **draft.changes()}.items():
        old, new = (clean(in_words(value), 40) or "empty" for value in (before, now))
        style = "$accent"
        if key in draft.problems:
            new, style = f"✗ {clean(draft.texts[key], 40)}", "$text-error"
        lines.append(Content.assemble(f"{key} ", (f"{old} → ", "$foreground-muted"), (new, style)))
    return Content("\n").join(lines) if len(lines) > 1 else Content.styled("As the preset says", "$foreground-muted")


def findable(setting: Setting) -> str:
    """Return how a setting is found: by its title and its key."""
    return f"{setting.title}  {setting.key}"


def words_of(setting: Setting) -> str:
    """Return by what else a setting is found: its group, what it says of itself, its choices and other names."""
    choices = " ".join(map(str, setting.choices))
    return f"{setting.group_title} {setting.help} {choices} {setting.also}"


def limits_words(draft: Draft, setting: Setting, choices: int, width: int) -> Content:
    """Return what stands below the explanation of a setting: what is wrong with it, that it has no effect, or limits.

    Args:
        draft: all settings.
        setting: the one that is explained.
        choices: how many values it is chosen from; 0: it is typed.
        width: cells.
    """
    wrong = problem_words(draft, setting.key)
    if wrong:
        return Content.styled(f"✗ {wrong}", "$text-error")
    if setting.when is not None and not draft.in_effect(setting.key):
        return Content.styled(idle_words(setting), "$text-warning")
    if draft.split_already(setting.key):
        return Content.styled(f"{setting.key} has no effect: the dataset is split already", "$text-warning")
    if setting.key == "notices.send" and (missing := notices.missing(draft.texts[setting.key])):
        return Content.styled(clean(missing, 300), "$text-warning")
    limits = setting.limits
    if setting.key == NAME and draft.becomes:
        limits = f'As a directory: "{draft.becomes}"'
    elif choices and (not limits or len(limits) + len(setting.key) + 5 > width):
        limits = f"{choices} names, type to search"
    limits = f"{limits}   " if limits and setting.kind != "bool" else ""
    return Content.styled(f"{limits}{setting.key}", "$foreground-muted")


def differences(draft: Draft) -> str:
    """Return what differs from the preset, on one line."""
    told = [f"{key} = {in_words(new)}" for key, (_, new) in draft.changes().items()]
    return clean(", ".join(told), 300) or "nothing changed"
