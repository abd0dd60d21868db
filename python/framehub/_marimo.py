"""marimo's cells: what a cell made goes when the cell runs again or is deleted.

marimo takes away the names that the cell defined, but holds what it shows for ever. It has a registry of what ends with
a cell, for its own use: checked with 0.25.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


def end_with_cell(end: Callable[[], object]) -> None:
    """Has `end` called when the cell that runs is over; does nothing where no cell of marimo runs."""
    if "marimo" not in sys.modules:
        return
    try:
        from marimo._runtime.cell_lifecycle_item import CellLifecycleItem
        from marimo._runtime.context import safe_get_context
    except ImportError:
        return

    class Item(CellLifecycleItem):
        def create(self, context: object) -> None:
            """It is there already."""

        def dispose(self, context: object, deletion: bool) -> bool:
            end()
            return True

    context = safe_get_context()
    if context is not None:
        context.cell_lifecycle_registry.add(Item())
