"""The command palette: what the keys of a screen do, found by their names or by what is said of them."""

from __future__ import annotations

from textual.app import SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider

_BY_WORDS = 0.01
"""The score of what was found in an explanation: below all that was found by name."""


class Commands(Provider):
    """Offers what the app offers (`App.get_system_commands`)."""

    async def discover(self) -> Hits:
        """Yield everything, by name."""
        for name, explanation, run, _ in sorted(self._known(), key=lambda command: command.title):
            yield DiscoveryHit(name, run, help=explanation)

    async def search(self, query: str) -> Hits:
        """Yield what is called so, and what has every word of it in its explanation."""
        matcher, words = self.matcher(query), query.lower().split()
        for name, explanation, run, _ in self._known():
            score = matcher.match(name)
            if score <= 0 and all(word in explanation.lower() for word in words):
                score = _BY_WORDS
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=explanation)

    def _known(self) -> list[SystemCommand]:
        return list(self.app.get_system_commands(self.screen))
