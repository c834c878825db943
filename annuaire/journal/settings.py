"""What a journal is told by the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEBIBYTE = 1024 * 1024
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """folder holds the files that an auditor is given; state the keys, which nobody is given."""

    folder: Path
    state: Path
    decisions: bool = True  # accepted decisions too; refusals are always kept
    clear: bool = False  # addresses as they are
    clear_domains: tuple[str, ...] = ()  # patterns of domains that are readable in pseudonyms
    file_size: int = 64 * MEBIBYTE
    keep: float = 0.0  # seconds that files are kept for; 0: for ever


def of(config: Any) -> Settings:
    """From a loaded Config; this folder does not know the module."""
    asked, domains = config.journal, config.domains
    return Settings(
        folder=asked.folder or config.state / "journal",
        state=config.state,
        decisions=asked.decisions,
        clear=asked.addresses == "clear",
        clear_domains=(*domains.native, *domains.interop, *domains.dgs, *asked.clear_domains),
        file_size=asked.file_size * MEBIBYTE,
        keep=asked.keep,
    )
