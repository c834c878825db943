"""How many decisions one process makes in a second: facts from the index, with and without steps and journal."""

import gc
import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from annuaire import config as configuration
from annuaire import journal
from annuaire.cli import local
from annuaire.domain.envelope import Envelope
from annuaire.domain.routing import Lookups, Settings, collect, decide
from annuaire.index.facts import FactsReader
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader
from annuaire.server import routing
from annuaire.server.worker import COLLECTION_THRESHOLDS

# Fewer than a journal holds while its thread is behind: what is lost would be cheap.
JOURNALLED_MAX = 50_000

PLAIN, FRESH, STEPS = "decisions", "decisions, facts never asked before", "decisions, with every step"
JOURNALLED = "decisions, journalled"
EXPLAINED = "decisions, with every step, journalled"
MEASURES = (PLAIN, FRESH, STEPS, JOURNALLED, EXPLAINED)


class Rate(NamedTuple):
    """How quick decisions were."""

    a_second: float
    processor: float  # µs of each, with the journal's thread: what a busy machine does not change


class LostRecordsError(Exception):
    """A journal that did not keep everything: its speed says nothing."""


def measure(configured: Path, envelopes: Sequence[Envelope], rounds: int) -> dict[str, Rate]:
    """Medians of the rounds, by measure."""
    config = configuration.load(configured, {})
    settings = routing.settings(config)
    reader = Reader(local.folder(config), Numbering(local.schema(config)))
    seen = FactsReader(reader)
    rates: dict[str, list[Rate]] = {name: [] for name in MEASURES}
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    try:
        _rate(envelopes, seen, settings)
        for _ in range(rounds):
            rates[FRESH].append(_rate(envelopes, FactsReader(reader), settings))
            rates[PLAIN].append(_rate(envelopes, seen, settings))
            rates[STEPS].append(_rate(envelopes, seen, settings, explain=True))
            some = envelopes[:JOURNALLED_MAX]
            rates[JOURNALLED].append(_journalled(config, some, seen, settings, False))
            rates[EXPLAINED].append(_journalled(config, some, seen, settings, True))
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    return {name: Rate(*map(median, zip(*found, strict=True))) for name, found in rates.items()}


class _Watch:
    def __init__(self) -> None:
        self._began, self._used = time.perf_counter(), time.process_time()

    def rate(self, count: int) -> Rate:
        took, used = time.perf_counter() - self._began, time.process_time() - self._used
        return Rate(count / took, used / count * 1e6)


def _rate(envelopes: Sequence[Envelope], lookups: Lookups, settings: Settings, explain: bool = False) -> Rate:
    now = datetime.now(UTC)
    watch = _Watch()
    for envelope in envelopes:
        decide(envelope, collect(envelope, lookups, settings), settings, now, explain)
    return watch.rate(len(envelopes))


def _journalled(
    config: configuration.Config,
    envelopes: Sequence[Envelope],
    lookups: Lookups,
    settings: Settings,
    explain: bool,
) -> Rate:
    """Until the last record is written: what the journal's thread does later is part of the price."""
    now = datetime.now(UTC)
    at = now.timestamp()
    place = Path(tempfile.mkdtemp(dir=config.state.parent, prefix="journal."))
    asked = journal.of(config)
    kept = journal.open(
        journal.Settings(place, place, asked.decisions, asked.clear, asked.clear_domains, asked.file_size),
        print,
    )
    try:
        watch = _Watch()
        for envelope in envelopes:
            decision = decide(envelope, collect(envelope, lookups, settings), settings, now, explain)
            kept.decision(envelope, decision, at)
        kept.flush(60)
        rate = watch.rate(len(envelopes))
        if kept.lost:
            raise LostRecordsError(f"the journal lost {kept.lost} of {len(envelopes)} records")
        return rate
    finally:
        kept.close(60)
        shutil.rmtree(place)
