"""Text on a node while and after it runs."""

from server import PromptServer


def show_text(node_id: str | None, text: str) -> None:
    """Show `text` on a node of the open graph; nothing where the node has no place in one."""
    if node_id:
        PromptServer.instance.send_progress_text(text, node_id)
