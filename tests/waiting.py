"""Waiting for what will happen: looked at often, and given up only when a machine many times slower had done it."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
# Costs nothing unless something is wrong: a machine of two cores that does other work too has taken half of it.
PATIENCE_SECONDS = 60.0


def until(
    what: Callable[[], Value], told: Callable[[], object] = str, seconds: float = PATIENCE_SECONDS
) -> Value:
    """The first value of `what` that is true; `told` says more about its failure, a log for example."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"waited in vain: {told()}"
        time.sleep(0.02)
    return found


def answers(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True
