"""A program for tests: rebuild the index of a state, slowly, in small chunks and several processes.

Everything at its top is done in the processes of the build too, for each of them reads this file again.
    python slow_rebuild.py STATE
"""

import sys
import time
from pathlib import Path

from annuaire.actions import refresh, source
from annuaire.index import build, layout
from annuaire.index.chunk import Chunk
from annuaire.index.folder import IndexFolder

CHUNK_BITS = 6
# Whoever waits for one of its files must be able to stop it before the next.
CHUNK_SECONDS = 0.5

layout.CHUNK_BITS = CHUNK_BITS
layout.CHUNK_SIZE = 1 << CHUNK_BITS
layout.CHUNK_MASK = (1 << CHUNK_BITS) - 1
build.ALONE_MAX = 10
source.PARTITION = 50

write = Chunk.write


def slowly(chunk, target, rows):  # type: ignore[no-untyped-def]
    time.sleep(CHUNK_SECONDS)
    write(chunk, target, rows)


Chunk.write = slowly  # type: ignore[method-assign]

if __name__ == "__main__":
    state = Path(sys.argv[1])
    refresh.rebuild(source.StoreSource("", state, "o=apicrypt,c=FR"), IndexFolder(state / "index"))
