"""An index of chunks so small that a few dozen entries fill several."""

import pytest

from annuaire.index import layout


def set_in(patch: pytest.MonkeyPatch, bits: int = 5) -> None:
    """Chunks of so many bits, and numbers of amended entries that still fit beside them."""
    patch.setattr(layout, "CHUNK_BITS", bits)
    patch.setattr(layout, "CHUNK_SIZE", 1 << bits)
    patch.setattr(layout, "CHUNK_MASK", (1 << bits) - 1)
    patch.setattr(layout, "ADDED", layout.ADDED >> (16 - bits))
    patch.setattr(layout, "REMOVED", layout.REMOVED >> (16 - bits))
