"""What mail servers ask, at national size: decisions in one process, and answers over both protocols of Postfix.

Beside them, as the comparison, what a Postfix without these protocols would do: the same recipients looked up over
LDAP, as postfix-ldap does, on slapd and on annuaire.
"""

import argparse
import json
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import make_population
import population_national
from rich.console import Console
from rich.table import Table

from annuaire import config as configuration
from annuaire.cli import local
from annuaire.postfix import policy, socketmap
from annuaire.server import routing as serving

from . import deciding, envelopes, measuring, national, shapes, targets
from .envelopes import Correspondents
from .servers import TABLE_WIDTH, Annuaire, Slapd

PARTS = ("decide", "policy", "socketmap", "ldap")
RATES = {"policy": targets.POLICY, "socketmap": targets.SOCKETMAP}
ENVELOPES = 100_000
CORRESPONDENTS = 200_000  # mailboxes of the trust space that somebody writes to or from
CHECKED = 300  # answers of each protocol that are compared with those of the same code in this process
ACCOUNT, PASSWORD = f"uid=postfix,ou=comptes,{shapes.SUFFIX}", "un-secret-de-banc"
INDEXES = "index mailLocalAddress eq"
ROUND_STEP = 17_573
console = Console(stderr=True)


class Built:
    """Both servers filled, and what is asked of them; kept with the folder."""

    def __init__(self, options: argparse.Namespace, base: Path) -> None:
        self.rows, self.seed = options.size, options.seed
        self.accounts = national.accounts_of(self.rows)
        self.folder = base / f"routing-{self.rows}-{self.seed}"
        self.annuaire = Annuaire(self.folder / "annuaire", workers=1, mail=True)
        self.slapd = Slapd(self.folder / "slapd", INDEXES)
        self.shown = self.folder / "shown.ldif"
        self.liste_blanche = self.folder / "liste-blanche.xml"
        self._done = self.folder / "built"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files = national.files(base, self.rows, self.accounts, self.seed)

    def build(self) -> None:
        if not self._done.exists():
            console.print(f"importing {self.accounts:,} accounts, {self.rows:,} rows, the liste blanche")
            self.annuaire.fill(self.files["accounts"])
            self.annuaire.measured("import", "--into", "mssante", str(self.files["list"]))
            with open(self.liste_blanche, "wb") as output:
                population_national.write_liste_blanche(self.seed, output)
            self.annuaire.measured("liste-blanche", "load", "--unsigned", str(self.liste_blanche))
            self.annuaire.measured(
                "account", "add", "postfix", "--audience", "routage", "--password-stdin", said=PASSWORD
            )
            self.annuaire.export("routage", self.shown)
            self._done.touch()
        self.annuaire.make_ready()
        if self.slapd.available() and not self.slapd.filled():
            console.print(f"slapd: importing {self.shown}")
            self.slapd.fill(self.shown)

    def correspondents(self) -> Correspondents:
        native, interop, opened = envelopes.read_ours(self.shown)
        subscribers = make_population.people(self.accounts, self.seed)
        accounts = population_national.shared(subscribers, national.SHARED, self.seed)
        return Correspondents(
            native,
            interop,
            opened,
            [one.mail for one in accounts if one.state != "actif"],
            envelopes.read_national(self.files["list"], CORRESPONDENTS),
            envelopes.read_certificates(self.liste_blanche),
        )


def run(options: argparse.Namespace, base: Path, generators: Path) -> int:
    chosen = options.only.split(",") if options.only else list(PARTS)
    built = Built(options, base)
    built.build()
    who = built.correspondents()
    drawn = envelopes.draw(who, ENVELOPES, options.seed)
    result: dict[str, Any] = {
        "rows": built.rows,
        "accounts": built.accounts,
        "connections": measuring.CONNECTIONS,
    }
    if "decide" in chosen:
        console.print("deciding")
        configured = Path(built.annuaire.configuration())
        rates = deciding.measure(configured, drawn, options.rounds)
        result["decide"] = {name: rate._asdict() for name, rate in rates.items()}
    asked = [name for name in ("policy", "socketmap") if name in chosen]
    if asked:
        result |= _postfix(options, built, generators / "mailload", asked, drawn, who)
    if "ldap" in chosen:
        result["ldap"] = _ldap(options, built, generators / "loadgen", drawn, who)
    return _show(options, result)


# ---------------------------------------------------------------- both protocols of Postfix


def _requests(name: str, drawn: list[envelopes.Envelope], who: Correspondents) -> list[bytes]:
    if name == "policy":
        return [envelopes.policy_request(one, number) for number, one in enumerate(drawn)]
    reached = who.reached()
    return [
        envelopes.socketmap_request(table, key)
        for one in drawn
        for table, key in envelopes.table_queries(one, reached)
    ]


def _postfix(
    options: argparse.Namespace,
    built: Built,
    generator: Path,
    asked: list[str],
    drawn: list[envelopes.Envelope],
    who: Correspondents,
) -> dict[str, Any]:
    server = built.annuaire
    found: dict[str, Any] = {}
    files = {}
    for name in asked:
        files[name] = built.folder / f"{name}.requests"
        envelopes.write_requests(files[name], _requests(name, drawn, who))
    server.start()
    try:
        ports = {"policy": server.policy_port, "socketmap": server.socketmap_port}
        for name in asked:
            console.print(f"{name}: comparing answers")
            _check(name, ports[name], files[name], server, options.seed)
        runs: dict[str, dict[str, list[dict[str, Any]]]] = {name: {"full": [], "half": []} for name in asked}
        for turn in range(options.rounds + 1):
            for name in asked:
                console.print(f"round {turn}: {name}" if turn else f"warming up: {name}", highlight=False)
                for load, rate in (("full", 0.0), ("half", RATES[name] / 2)):
                    one = _generate(generator, name, ports[name], files[name], options, rate, turn)
                    if turn:
                        runs[name][load].append(one)
        for name in asked:
            found[name] = {load: _medians(given) for load, given in runs[name].items()}
    finally:
        server.stop()
    return found


def _generate(
    generator: Path, name: str, port: int, requests: Path, options: argparse.Namespace, rate: float, turn: int
) -> dict[str, Any]:
    command = [str(generator), "127.0.0.1", str(port), name, str(requests), str(measuring.CONNECTIONS)]
    command += [str(options.seconds), str(rate), str(turn * ROUND_STEP)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise measuring.BrokenRunError(f"{name}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["unanswered"]:
        raise measuring.BrokenRunError(f"{name}: {found['unanswered']} requests were never answered")
    return found


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    answers: dict[str, int] = {}
    for one in runs:
        for word, count in one["answers"].items():
            answers[word] = answers.get(word, 0) + count
    found: dict[str, Any] = {name: median(one[name] for one in runs) for name in ("p50", "p95", "p99")}
    found["rates"] = median(one["requests"] / one["seconds"] for one in runs)
    found["load"] = median(one["cpu"] / one["seconds"] for one in runs)
    return found | {"answers": answers}


def _check(name: str, port: int, requests: Path, server: Annuaire, seed: int) -> None:
    """The server says what its own code says here, of a sample; every kind of answer is among it."""
    config = configuration.load(Path(server.folder / "annuaire.toml"), {})
    answers = serving.answers(config, local.facts(config))
    expected: Callable[[bytes], bytes]
    if name == "policy":

        def expected(request: bytes) -> bytes:
            return policy.encode(answers.action(policy.Decoder().feed(request)[0]))
    else:

        def expected(request: bytes) -> bytes:
            return answers.result(socketmap.Decoder().feed(request)[0])

    sample = random.Random(seed).sample(list(envelopes.read_requests(requests)), CHECKED)
    kinds = set()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for request in sample:
            connection.sendall(request)
            wanted, got = expected(request), b""
            while len(got) < len(wanted):
                received = connection.recv(65_536)
                if not received:
                    raise measuring.BrokenRunError(f"{name}: closed instead of an answer to {request!r}")
                got += received
            if got != wanted:
                raise measuring.BrokenRunError(f"{name}: {got!r} instead of {wanted!r} to {request!r}")
            kinds.add(got.split(b" ")[0])
    if len(kinds) < 2:
        raise measuring.BrokenRunError(f"{name}: everything is answered {kinds.pop()!r}")


# ---------------------------------------------------------------- the comparison


def _ldap(
    options: argparse.Namespace,
    built: Built,
    generator: Path,
    drawn: list[envelopes.Envelope],
    who: Correspondents,
) -> dict[str, Any]:
    """Look-ups of recipients, two workers beside slapd; what they answer is compared."""
    ours = Annuaire(built.annuaire.folder, workers=2)
    ours.greeting = (shapes.bind(ACCOUNT, PASSWORD),)
    servers = [ours, built.slapd] if built.slapd.available() else [ours]
    reached = who.reached()
    visits = built.folder / "ldap.visits"
    keys = [key for one in drawn for key in envelopes.ldap_keys(one, reached)]
    visits.write_bytes(b"".join(shapes.visit(envelopes.ldap_request(key)) for key in keys))
    figures = {server.name: measuring.Figures() for server in servers}
    try:
        for server in servers:
            server.start()
        if len(servers) == 2:
            console.print("ldap: comparing answers")
            differences = measuring.check_answers("ldap", visits, *servers, options.seed)
            if differences:
                raise measuring.BrokenRunError(f"answers differ: {differences[0]}")
        for turn in range(options.rounds + 1):
            console.print(f"round {turn}: ldap" if turn else "warming up: ldap", highlight=False)
            for server in servers if turn % 2 else servers[::-1]:
                start = turn * ROUND_STEP
                one = measuring.run_generator(generator, server, visits, options.seconds, start)
                if one["failures"] or set(one["codes"]) != {"0"}:
                    raise measuring.BrokenRunError(f"{server.name}, ldap: {one}")
                if turn:
                    figures[server.name].add(one)
    finally:
        for server in servers:
            server.stop()
    return {name: found.medians() for name, found in figures.items()}


# ---------------------------------------------------------------- what is told


def verdicts(result: dict[str, Any]) -> list[targets.Verdict]:
    found = []
    if "decide" in result:
        rates = result["decide"]
        found.append(
            targets.at_least(
                f"{deciding.PLAIN}, a second", rates[deciding.PLAIN]["a_second"], targets.DECISIONS
            )
        )
        for name in (deciding.JOURNALLED, deciding.EXPLAINED):
            found.append(
                targets.at_least(f"{name}, a second", rates[name]["a_second"], targets.DECISIONS_JOURNALLED)
            )
    for name, rate in RATES.items():
        if name in result:
            found.append(
                targets.at_least(f"{name}, answers/s of a worker", result[name]["full"]["rates"], rate)
            )
            # A server that cannot keep up has a queue that grows, and fails here as well.
            waits = result[name]["half"]["p99"]
            found.append(targets.at_most(f"{name}, p99 ms at {rate / 2:,.0f}/s", waits, targets.ROUTING_P99))
    return found


def _show(options: argparse.Namespace, result: dict[str, Any]) -> int:
    judged = verdicts(result)
    result["verdicts"] = [one.as_dict() for one in judged]
    if options.json:
        print(json.dumps(result, indent=1))
        return targets.status(judged, options.target_check)
    output = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    about = f"{result['rows']:,} rows and {result['accounts']:,} accounts"
    if "decide" in result:
        shown = Table(title=f"in one process, {about}")
        shown.add_column("")
        shown.add_column("a second", justify="right")
        shown.add_column("µs of processor each", justify="right")
        for name, rate in result["decide"].items():
            shown.add_row(name, f"{rate['a_second']:,.0f}", f"{rate['processor']:.1f}")
        output.print(shown)
    rows = []
    for name, rate in RATES.items():
        if name in result:
            rows.append((f"{name}, one worker", result[name]["full"]))
            rows.append((f"{name}, one worker, {rate / 2:,.0f}/s", result[name]["half"]))
    named = {"annuaire": "annuaire, two workers", "slapd": "slapd"}
    rows += [(f"LDAP look-ups, {named[name]}", found) for name, found in result.get("ldap", {}).items()]
    if rows:
        output.print(_table(f"{result['connections']} connections, {about}", rows))
    for name in RATES:
        if name in result:
            counts = result[name]["full"]["answers"]
            total = sum(counts.values())
            shares = ", ".join(f"{word} {count / total:.0%}" for word, count in sorted(counts.items()))
            output.print(f"{name} was answered: {shares}", highlight=False)
    targets.tell(output, judged)
    return targets.status(judged, options.target_check)


def _table(title: str, rows: list[tuple[str, dict[str, Any]]]) -> Table:
    shown = Table(title=title)
    shown.add_column("")
    for column in ("answers/s", "p50 ms", "p95", "p99", "load"):
        shown.add_column(column, justify="right")
    for name, found in rows:
        waits = [f"{found[share]:.2f}" for share in ("p50", "p95", "p99")]
        shown.add_row(name, f"{found['rates']:,.0f}", *waits, f"{found['load']:.0%}")
    return shown
