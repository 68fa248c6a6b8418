"""Cutting what is numbered into parts of one size, whose place follows from the numbers alone."""


def parts(total: int, size: int) -> list[slice]:
    """The numbers 0 to `total`, `size` at a time; the last part may be shorter."""
    return [slice(first, min(first + size, total)) for first in range(0, total, size)]
