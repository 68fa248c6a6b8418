"""What a run did, to look at: a contact sheet."""

from .card import SheetRow, as_image, sheet_row
from .pages import ContactSheet

__all__ = ["ContactSheet", "SheetRow", "as_image", "sheet_row"]
