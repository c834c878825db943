"""What mail clients ask: every shape of request and their mix, on both servers in alternating rounds.

Our people are accounts, written under ou=apicrypt; what clients find of them is computed, an entry under ou=personnes
for each audience. slapd is filled with what `annuaire export` says the audience of the bench is shown, so that both
servers hold the same entries for whoever asks. Requests are about people who are shown.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make_population
from rich.console import Console
from rich.progress import Progress

from . import measuring, picture, shapes, targets
from .servers import TABLE_WIDTH, Annuaire, Filling, Server, Slapd, free_port

MIX = "mix"
AUDIENCE = "apicrypt"
SHOWN = "actif"  # the sphere is shown the accounts of this state
WARM_SECONDS = 1.0
ROUND_STEP = 3571  # each round begins elsewhere in the file of requests; both servers at the same place
console = Console(stderr=True)


def names() -> list[str]:
    return [shape.name for shape in shapes.SHAPES] + [MIX]


def invented(size: int, seed: int) -> Iterator[shapes.Named]:
    """The people whom the audience of the bench is shown."""
    return (person for person in make_population.people(size, seed) if person.state == SHOWN)


def prepare(folder: Path, size: int, seed: int) -> tuple[Path, Path]:
    """The people's LDIF and the folder of request files."""
    people, requests = folder / "people.ldif", folder / "requests"
    if not people.exists():
        console.print(f"inventing {size:,} people")
        unfinished = people.with_suffix(".part")
        with open(unfinished, "wb") as output:
            make_population.write_ldif(make_population.people(size, seed), output)
        unfinished.rename(people)
    # Always anew: quick, and the shapes may have changed since the folder was kept.
    shapes.write_requests(invented(size, seed), seed, requests)
    return people, requests


class Fillings:
    """What each import cost, kept with what was built: an import that fails leaves nothing to be believed."""

    def __init__(self, remembered: dict[str, Any], memory: Path) -> None:
        self._remembered = remembered
        self._memory = memory
        self._known: dict[str, Any] = remembered["import"]

    def of(self, server: Server, source: Path, again: bool) -> None:
        """Import unless it was done."""
        if server.filled() and server.name in self._known and not again:
            return
        self._forget(server.name)
        server.folder.mkdir(parents=True, exist_ok=True)
        console.print(f"{server.name}: importing {source}")
        filling: Filling = server.fill(source)
        self._keep(server.name, filling, measuring.count_entries(source))

    def export(self, annuaire: Annuaire, path: Path) -> None:
        """What slapd is to hold; written anew when what it was made of was."""
        if path.exists() and "export" in self._known:
            return
        self._forget("slapd")
        console.print(f"annuaire: exporting what {AUDIENCE} is shown")
        filling = annuaire.export(AUDIENCE, path)
        self._keep("export", filling, measuring.count_entries(path))

    def _forget(self, name: str) -> None:
        for one in {"annuaire": ("annuaire", "export", "slapd")}.get(name, (name,)):
            self._known.pop(one, None)
        self.save()

    def _keep(self, name: str, filling: Filling, entries: int) -> None:
        self._known[name] = filling.as_dict() | {"entries": entries}
        self.save()
        console.print(
            f"{name}: {entries:,} entries, {filling.seconds:.1f} s, peak RssAnon {filling.peak:.0f} MiB"
        )

    def save(self) -> None:
        self._memory.write_text(json.dumps(self._remembered, indent=1))


def measure(
    generator: Path, requests: Path, servers: list[Server], options: argparse.Namespace
) -> dict[str, dict[str, measuring.Figures]]:
    """Every shape, round after round, the servers in turn; {shape: {server: figures}}."""
    chosen = chosen_names(options)
    figures = {name: {server.name: measuring.Figures() for server in asked(name, servers)} for name in chosen}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("warming up", total=len(chosen) * len(servers) * (options.rounds + 1))
        for turn in range(options.rounds + 1):
            warm = turn == 0
            for name in chosen:
                for server in asked(name, servers if turn % 2 else servers[::-1]):
                    if not warm:
                        progress.update(task, description=f"round {turn}: {name}")
                    run = measuring.run_generator(
                        generator,
                        server,
                        requests / f"{name}.visits",
                        WARM_SECONDS if warm else options.seconds,
                        turn * ROUND_STEP,
                    )
                    if run["failures"] and server.deaths == 0:
                        raise measuring.BrokenRunError(
                            f"{server.name}, {name}: {run['failures']} connections broke"
                        )
                    if measuring.wrong_codes(run):
                        raise measuring.BrokenRunError(f"{server.name}, {name}: result codes {run['codes']}")
                    server.weigh()
                    if not warm:
                        figures[name][server.name].add(run)
                    progress.advance(task)
    return figures


def chosen_names(options: argparse.Namespace) -> list[str]:
    """What was asked for, else all that slapd need not scan the whole directory for."""
    if options.only:
        return [name for name in names() if name in options.only.split(",")]
    return [shape.name for shape in shapes.SHAPES if shape.compared] + [MIX]


def asked(name: str, servers: list[Server]) -> list[Server]:
    """The servers that a shape is put to: slapd would take seconds for each of some."""
    scanned = any(shape.name == name and not shape.compared for shape in shapes.SHAPES)
    return [server for server in servers if not (scanned and server.name == "slapd")]


def verdicts(result: dict[str, Any]) -> list[targets.Verdict]:
    found = []
    for row in result["shapes"]:
        name = row["name"]
        if row["ratio"] and name in targets.RATES:
            found.append(
                targets.at_least(f"{name}, requests/s to slapd's", row["ratio"], targets.RATES[name])
            )
            slower = row["annuaire"]["p99"] / row["slapd"]["p99"]
            found.append(targets.at_most(f"{name}, p99 to slapd's", slower, targets.P99[name]))
    ours, theirs = result["import"]["annuaire"], result["import"]["slapd"]
    if ours:
        found.append(targets.at_most("import, peak RssAnon MiB", ours["peak"], targets.IMPORT_MEMORY))
    if ours and theirs:
        slower = ours["seconds"] / theirs["seconds"]
        found.append(targets.at_most("import, time to slapadd's", slower, targets.IMPORT_TIME))
    for memory in result["workers"][1:]:
        found.append(targets.at_most("worker, RssAnon MiB", memory, targets.WORKER_MEMORY))
    return found


def ceiling(generator: Path, requests: Path) -> None:
    """The generator against a server that only answers: nothing measured here can be quicker."""
    for label, entries, name in (
        ("no entry", 0, "miss"),
        ("1 entry", 1, "mail"),
        ("100 entries", 100, "tb3"),
    ):
        port = free_port()
        null = subprocess.Popen([str(generator), "--null", str(port), str(entries), "900"])
        time.sleep(0.3)
        command = [str(generator), "127.0.0.1", str(port), str(requests / f"{name}.visits"), "64", "3"]
        run = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        null.kill()
        null.wait()
        rate, share = run["requests"] / run["seconds"], run["cpu"] / run["requests"] * 1e6
        console.print(f"{label}: {rate:,.0f} requests/s, {share:.1f} µs of processor time each")


def run(options: argparse.Namespace, base: Path, generator: Path) -> int:
    folder = base / f"{options.size}-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    people, requests = prepare(folder, options.size, options.seed)
    if options.ceiling:
        ceiling(generator, requests)
        return 0
    memory = folder / "remembered.json"
    remembered: dict[str, Any] = {"import": {}, "slapd_shapes": {}}
    if memory.exists():
        remembered = json.loads(memory.read_text())
    fillings = Fillings(remembered, memory)
    annuaire, slapd = Annuaire(folder / "annuaire"), Slapd(folder / "slapd")
    servers: list[Server] = [annuaire]
    fillings.of(annuaire, people, options.import_only)
    annuaire.make_ready()
    if not options.skip_slapd:
        if slapd.available():
            servers.append(slapd)
            fillings.export(annuaire, folder / "shown.ldif")
            fillings.of(slapd, folder / "shown.ldif", options.import_only)
        else:
            console.print("bench: slapd is not installed (apt-get install slapd): annuaire alone")
    counted = annuaire.counted()
    figures: dict[str, dict[str, measuring.Figures]] = {}
    workers: list[float] = []
    differences: list[str] = []
    if not options.import_only:
        try:
            for server in servers:
                server.start()
            if len(servers) == 2:
                console.print("comparing answers")
                for name in (one for one in chosen_names(options) if len(asked(one, servers)) == 2):
                    differences += measuring.check_answers(
                        name, requests / f"{name}.visits", annuaire, slapd, options.seed
                    )
            figures = measure(generator, requests, servers, options)
            workers = list(annuaire.peaks.values())
        finally:
            for server in servers:
                server.stop()
    result = gathered(options, figures, remembered, servers, slapd, workers)
    result["differences"] = differences
    result["index_entries"] = counted["index"]["entries"]
    result["shown"] = counted["audiences"][AUDIENCE]
    fillings.save()
    return show(options, result)


def gathered(
    options: argparse.Namespace,
    figures: dict[str, dict[str, measuring.Figures]],
    remembered: dict[str, Any],
    servers: list[Server],
    slapd: Slapd,
    workers: list[float],
) -> dict[str, Any]:
    """One value that says everything; slapd's figures of an earlier run stand in for those it did not get."""
    about = {shape.name: shape.about for shape in shapes.SHAPES} | {MIX: "all clients together"}
    rows = []
    for name, found in figures.items():
        ours = found["annuaire"].medians()
        if "slapd" in found:
            remembered["slapd_shapes"][name] = found["slapd"].medians()
        theirs = remembered["slapd_shapes"].get(name)
        ratio = ours["rates"] / theirs["rates"] if theirs and theirs["rates"] else None
        rows.append({"name": name, "about": about[name], "annuaire": ours, "slapd": theirs, "ratio": ratio})
    note = "" if slapd in servers else "slapd's figures come from an earlier run."
    return {
        "people": options.size,
        "seed": options.seed,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": measuring.CONNECTIONS,
        "slapd_version": slapd.version() if slapd.available() else "",
        "slapd_deaths": slapd.deaths,
        "note": note,
        "shapes": rows,
        "import": {name: remembered["import"].get(name) for name in ("annuaire", "export", "slapd")},
        "workers": workers,
    }


def show(options: argparse.Namespace, result: dict[str, Any]) -> int:
    found = verdicts(result)
    result["verdicts"] = [one.as_dict() for one in found]
    if any(row["ratio"] for row in result["shapes"]):
        try:
            picture.draw(result, options.picture)
            console.print(f"picture: {options.picture}")
        except ImportError:
            console.print("bench: no picture without matplotlib (pip install -e .[bench])")
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        output = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
        if result["shapes"]:
            output.print(picture.table(result))
            output.print("load: the generator's own share of a core")
            if result["slapd_deaths"]:
                output.print(f"slapd died and was started again: {result['slapd_deaths']} times")
            memory = ", ".join(f"{value:.0f}" for value in result["workers"])
            output.print(f"annuaire, peak RssAnon of supervisor and workers: {memory} MiB")
        output.print(picture.filling_table(result))
        output.print(
            f"annuaire computed {result['index_entries']:,} entries of its index from the accounts that it was "
            f"given, of which {result['shown']:,} are shown to {AUDIENCE}; slapd was given those as they are."
        )
        targets.tell(output, found)
        if result["note"]:
            output.print(result["note"])
    for difference in result["differences"]:
        console.print(f"answers differ: {difference}", style="red", highlight=False)
    if result["differences"]:
        return 1
    if options.target_check and options.size != targets.PEOPLE:
        console.print(f"the targets are promised for {targets.PEOPLE:,} people", style="yellow")
    return targets.status(found, options.target_check)
