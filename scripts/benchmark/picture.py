"""The result at a glance: a table for the terminal, and bars of ratios as a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from . import targets

OURS, THEIRS, MARK, INK, QUIET = "#1f6f5c", "#b9b4a7", "#c8452f", "#222222", "#77736a"


# Bars beyond these end in an arrow: one outlier must not press all others together.
RATE_SCALE = (0.3, 30.0)
WAIT_SCALE = (0.03, 3.0)
# Where the figures end, right of a panel, in its widths.
COLUMNS = (1.18, 1.37, 1.56)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One bar: ours as a multiple of theirs, whether that is good, and both figures as text."""

    ratio: float
    target: float | None
    met: bool
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    rate: Comparison
    wait: Comparison


def comparisons(result: dict[str, Any]) -> list[Row]:
    """One row a shape that both servers answered, and one for the import."""
    rows = []
    for row in result["shapes"]:
        if not row["ratio"]:
            continue
        ours, theirs, name = row["annuaire"], row["slapd"], row["name"]
        rate, wait = targets.RATES.get(name), targets.P99.get(name)
        slower = ours["p99"] / theirs["p99"]
        rates = Comparison(
            row["ratio"],
            rate,
            row["ratio"] >= (rate or 1),
            f"{ours['rates']:,.0f}",
            f"{theirs['rates']:,.0f}",
        )
        waits = Comparison(slower, wait, slower <= (wait or 1), milliseconds(ours), milliseconds(theirs))
        rows.append(Row(f"{name}   {row['about']}", rates, waits))
    ours, theirs = result["import"]["annuaire"], result["import"]["slapd"]
    if ours and theirs:
        slower = ours["seconds"] / theirs["seconds"]
        met = slower <= targets.IMPORT_TIME
        each = [f"{result['people'] / filling['seconds']:,.0f}/s" for filling in (ours, theirs)]
        took = [f"{filling['seconds']:.0f} s" for filling in (ours, theirs)]
        rate = Comparison(1 / slower, 1 / targets.IMPORT_TIME, met, *each)
        rows.append(
            Row("import   people of an LDIF", rate, Comparison(slower, targets.IMPORT_TIME, met, *took))
        )
    return rows


def times(ratio: float) -> str:
    return f"{ratio:.{0 if ratio >= 100 else 1 if ratio >= 10 else 2}f} ×"


def milliseconds(figures: dict[str, Any]) -> str:
    value = figures["p99"]
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms"


def table(result: dict[str, Any]) -> Table:
    """One row a shape: rates of both, their ratio, latencies."""
    shown = Table(title=f"{result['people']:,} people, {result['connections']} connections")
    shown.add_column("shape")
    for title in (
        "req/s",
        "slapd",
        "ratio",
        "entries/s",
        "per req.",
        "p50 ms",
        "p95",
        "p99",
        "slapd p99",
        "load",
    ):
        shown.add_column(title, justify="right")
    for row in result["shapes"]:
        ours, theirs = row["annuaire"], row["slapd"]
        main = ours or theirs
        shown.add_row(
            row["name"],
            f"{ours['rates']:,.0f}" if ours else "",
            f"{theirs['rates']:,.0f}" if theirs else "",
            f"{row['ratio']:.2f}" if row["ratio"] else "",
            f"{main['entries']:,.0f}",
            f"{main['per_request']:.1f}",
            f"{main['p50']:.2f}",
            f"{main['p95']:.2f}",
            f"{main['p99']:.2f}",
            f"{theirs['p99']:.2f}" if theirs else "",
            f"{main['load']:.0%}",
        )
    return shown


def filling_table(result: dict[str, Any]) -> Table:
    shown = Table(title="import into an empty state")
    for title in ("", "entries", "seconds", "processor s", "peak RssAnon MiB", "of each process then"):
        shown.add_column(title, justify="right" if title else "left")
    commands = {"annuaire": "annuaire import", "export": "annuaire export", "slapd": "slapadd -q"}
    for name, filling in result["import"].items():
        if filling:
            shown.add_row(
                commands[name],
                f"{filling.get('entries', 0):,}",
                f"{filling['seconds']:.1f}",
                f"{filling['cpu']:.1f}",
                f"{filling['peak']:.0f}",
                " + ".join(f"{part:.0f}" for part in filling.get("parts", [])),
            )
    return shown


def draw(result: dict[str, Any], path: Path) -> None:
    """Ratios to slapd as bars on a logarithmic scale, the targets as marks, the figures in columns beside them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.axes import Axes

    pyplot.rcParams.update({"font.size": 10, "font.family": "DejaVu Sans", "text.color": INK})
    rows = comparisons(result)
    height = 2.2 + 0.42 * len(rows)
    figure, panels = pyplot.subplots(
        1, 2, figsize=(14, height), sharey=True, gridspec_kw={"width_ratios": [1, 1], "wspace": 0.72}
    )
    figure.subplots_adjust(left=0.165, right=0.845, top=1 - 1.15 / height, bottom=0.75 / height)

    def bar(axes: Axes, place: float, shown: Comparison, least: float, most: float) -> None:
        good = shown.met
        end = min(max(shown.ratio, least), most)
        axes.barh(place, end - 1, left=1, color=OURS if good else MARK, height=0.62, zorder=2)
        if end != shown.ratio:  # beyond the scale: an arrow says that the bar goes on
            axes.plot(end, place, ">" if end == most else "<", color="white", ms=6, zorder=5)
        if shown.target:
            axes.plot([shown.target] * 2, [place - 0.42, place + 0.42], color=INK, lw=1.6, zorder=3)
        where = axes.get_yaxis_transform()  # x as a share of the panel, y as the row
        figures = (
            (COLUMNS[0], times(shown.ratio), "bold"),
            (COLUMNS[1], shown.ours, None),
            (COLUMNS[2], shown.theirs, None),
        )
        for x, text, weight in figures:
            axes.text(x, place, text, transform=where, ha="right", va="center", fontsize=9, fontweight=weight)

    titles = (
        "requests per second, as a multiple of slapd's",
        "p99, as a multiple of slapd's: shorter is better",
    )
    for axes, title, (least, most), side in zip(
        panels, titles, (RATE_SCALE, WAIT_SCALE), ("rate", "wait"), strict=True
    ):
        for place, row in enumerate(rows):
            bar(axes, place, getattr(row, side), least, most)
        axes.set_xscale("log")
        axes.set_xlim(least, most)
        axes.axvline(1, color=INK, lw=1, zorder=3)
        axes.set_title(title, fontsize=10, loc="left", pad=12)
        for x, text in ((COLUMNS[1], "annuaire"), (COLUMNS[2], "slapd")):
            axes.text(
                x, -0.85, text, transform=axes.get_yaxis_transform(), ha="right", fontsize=9, color=QUIET
            )
        axes.grid(axis="x", color="#e6e2d8", zorder=0)
        axes.set_axisbelow(True)
        axes.tick_params(left=False, colors=QUIET)
        axes.set_xticks([tick for tick in (0.03, 0.1, 0.3, 1, 3, 10, 30) if least <= tick <= most])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
        axes.minorticks_off()
        for spine in ("top", "right", "left"):
            axes.spines[spine].set_visible(False)
    panels[0].set_yticks(range(len(rows)), [row.label for row in rows], color=INK)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    memory = " and ".join(f"{value:.0f}" for value in result["workers"][1:]) or "?"
    figure.suptitle(
        f"annuaire beside slapd {result['slapd_version']}: {result['people']:,} people, "
        f"{result['connections']} connections, medians of {result['rounds']} rounds",
        x=0.01, y=1 - 0.18 / height, ha="left", va="top", fontsize=13, fontweight="bold",
    )  # fmt: skip
    figure.text(
        0.01, 0.12 / height,
        "green: the target (black mark) is met, or, without one, quicker than slapd; red: not.   "
        f"Workers hold {memory} MiB beyond the shared map.   {result['note']}",
        fontsize=9, color=QUIET,
    )  # fmt: skip
    figure.savefig(path, dpi=130, facecolor="white")
