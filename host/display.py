"""Text on a node while and after it runs."""

from typing import Any

from server import PromptServer


def show_text(hidden: Any, text: str) -> None:
    """Show `text` on the node with these hidden inputs; nothing where it runs outside a graph."""
    if hidden and hidden.unique_id:
        PromptServer.instance.send_progress_text(text, hidden.unique_id)
