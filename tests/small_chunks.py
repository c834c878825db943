"""An index of chunks so small that a few dozen entries fill several."""

import pytest

from annuaire.index import layout

FIRST = layout.ADDED >> layout.CHUNK_BITS


def set_in(patch: pytest.MonkeyPatch, bits: int = 5) -> None:
    """Chunks of so many bits, and numbers of amended entries that still fit beside them."""
    patch.setattr(layout, "CHUNK_BITS", bits)
    patch.setattr(layout, "CHUNK_SIZE", 1 << bits)
    patch.setattr(layout, "CHUNK_MASK", (1 << bits) - 1)
    # The chunk that they begin with stays: said outright, for one index may be made inside another's test.
    patch.setattr(layout, "ADDED", FIRST << bits)
    patch.setattr(layout, "REMOVED", 2 * FIRST << bits)
