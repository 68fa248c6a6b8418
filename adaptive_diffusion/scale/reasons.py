"""What an error says, in the brackets of a sentence of ours or as the whole of it."""

from ..quoting import unquoted


def first_line(error: object) -> str:
    """The first line of what it says, fit for the brackets of a sentence."""
    return unquoted(str(error).strip().partition("\n")[0])


def whole(error: Exception) -> str:
    """All that it says, or its kind where it says nothing."""
    return f"{error}" or type(error).__name__
