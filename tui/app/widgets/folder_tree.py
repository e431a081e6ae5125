"""Folders and list files as a tree, read in a thread when they are opened, whatever they are called.

Textual's own `DirectoryTree` lists every file and shows names as they are; a folder of pictures can have a
hundred thousand files, and a name can hold escape sequences.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rich.style import Style
from rich.text import Text
from textual import work
from textual.binding import Binding
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from tui.core.dataset.table import SUFFIXES
from tui.core.text import clean, clean_path

MOST = 1000
"""So many folders are shown in one folder."""
_MOST_LISTS = 50
"""So many list files: some datasets have a text file for each picture."""


class FolderTree(Tree[Path]):
    """A tree of folders and list files; posts `Chosen` when one is chosen with Enter or a click."""

    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "
    DEFAULT_CSS = """
    FolderTree {
        background: $background;
        padding: 0;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        &:focus { background-tint: $foreground 0%; }
        & > .tree--guides, & > .tree--guides-hover, & > .tree--guides-selected { color: $border-blurred; }
    }
    """
    BINDINGS = [
        Binding(
            "enter",
            "select_cursor",
            "Choose",
            id="tree.enter",
            tooltip="Look at the folder; then use it.",
        ),
        Binding("right", "open", "Open", id="tree.open", show=False, tooltip="Open the folder."),
        Binding(
            "left",
            "close",
            "Close",
            id="tree.close",
            show=False,
            tooltip="Close the folder, or go to the one around it.",
        ),
        Binding(
            "backspace",
            "above",
            "Folder above",
            id="tree.above",
            show=False,
            tooltip="Start the tree one folder higher.",
        ),
    ]

    @dataclass
    class Chosen(Message):
        """A folder or list file was chosen."""

        path: Path

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(Text(""), id=id)
        self.auto_expand = False
        self.guide_depth = 2
        self._inside: Path | None = None

    def start_at(self, path: Path, inside: Path | None = None) -> None:
        """Show the folders in ``path``, with the cursor on ``inside`` if that is one of them."""
        self._inside = inside
        self.clear()
        self.root.data = path
        self.root.set_label(Text(clean_path(path)))
        self.root.expand()

    def process_label(self, label: str | Text) -> Text:
        """Labels are made here, and sanitized already; Textual would drop a name made of blanks."""
        return label if isinstance(label, Text) else Text(clean(label))

    def render_label(self, node: TreeNode[Path], base_style: Style, style: Style) -> Text:
        """Leave room for the arrow in front of what cannot be opened too."""
        if node.allow_expand:
            return super().render_label(node, base_style, style)
        return Text.assemble(("  ", base_style), Text(str(node.label), style=style))

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Path]) -> None:
        """Read the folder's folders."""
        event.stop()
        if not event.node.children and event.node.data is not None:
            self._read(event.node, event.node.data)

    def on_tree_node_selected(self, event: Tree.NodeSelected[Path]) -> None:
        """Tell which folder was chosen."""
        event.stop()
        if event.node.data is not None:
            self.post_message(self.Chosen(event.node.data))

    @work(thread=True, exit_on_error=False)
    def _read(self, node: TreeNode[Path], path: Path) -> None:
        folders, lists = inside(path)
        self.app.call_from_thread(self._fill, node, path, folders, lists)

    def _fill(self, node: TreeNode[Path], path: Path, folders: list[str], lists: list[str]) -> None:
        top = node
        while top.parent is not None:
            top = top.parent
        if top is not self.root or node.data != path or node.children:
            return  # the tree starts somewhere else by now
        here = None
        for name in (*folders[:MOST], *lists[:_MOST_LISTS]):
            added = node.add(Text(clean(name, 200)), data=path / name, allow_expand=name in folders)
            if added.data == self._inside:
                here = added
        if here is not None:
            _ = self.last_line  # the lines are counted anew, so that the node knows its own
            self.move_cursor(here)
            self._inside = None
        hidden = max(0, len(folders) - MOST) + max(0, len(lists) - _MOST_LISTS)
        if hidden:
            node.add_leaf(Text(f"and {hidden:,} more: type the path", style="dim"))
        if not folders and not lists:
            node.allow_expand = node is self.root

    def action_open(self) -> None:
        """Open the folder, or go to its first folder."""
        node = self.cursor_node
        if node is None or not node.allow_expand:
            return
        if not node.is_expanded:
            node.expand()
        elif node.children:
            self.move_cursor(node.children[0])

    def action_close(self) -> None:
        """Close the folder, or go to the one around it."""
        node = self.cursor_node
        if node is None:
            return
        if node.is_expanded and node is not self.root:
            node.collapse()
        elif node.parent is not None:
            self.move_cursor(node.parent)
        else:
            self.action_above()

    def action_above(self) -> None:
        """Start the tree one folder higher."""
        path = self.root.data
        if path is not None and path.parent != path:
            self.start_at(path.parent, path)


def inside(path: Path) -> tuple[list[str], list[str]]:
    """Return the names of the folders and list files in ``path`` that are not hidden, each sorted.

    There are none where it cannot be read.
    """
    folders: list[str] = []
    lists: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_list(entry):
                    lists.append(entry.name)
                elif _is_folder(entry):
                    folders.append(entry.name)
    except OSError:
        return [], []
    return sorted(folders, key=str.casefold), sorted(lists, key=str.casefold)


def _is_list(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.name.casefold().endswith(SUFFIXES) and entry.is_file()
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
