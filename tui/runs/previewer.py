"""The training code seen from who wants to know what it makes of a picture."""

from __future__ import annotations

from tui.core.preview import MODULE, AnswerHead, PreviewRequest, decode_head
from tui.runs.companion import Companion


class Previewer:
    """One process, started with the first question.

    Args:
        timeout: seconds that an answer may take; the first waits for torch.
    """

    def __init__(self, *, timeout: float = 60.0) -> None:
        title = "What the network sees cannot be shown"
        self._companion = Companion(MODULE, decode_head, title, timeout=timeout)

    @property
    def ready(self) -> bool:
        """Whether the training code is there."""
        return self._companion.ready

    def ask(self, request: PreviewRequest) -> tuple[AnswerHead, list[bytes]]:
        """Return the answer and the pixels of each picture; one question at a time, from any thread.

        Raises:
            FailureError: the process died, does not answer, or `close` was called.
        """
        head, pixels = self._companion.exchange(request.encode())
        step = head.size * head.size * head.channels
        return head, [pixels[start : start + step] for start in range(0, head.length, step)] if step else []

    def close(self) -> None:
        """End the process now."""
        self._companion.close()
