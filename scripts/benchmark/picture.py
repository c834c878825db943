"""The result at a glance: a table for the terminal, and bars of ratios as a picture."""

from pathlib import Path
from typing import Any

from rich.table import Table

from . import targets

OURS, THEIRS, MARK, INK, QUIET = "#1f6f5c", "#b9b4a7", "#c8452f", "#222222", "#77736a"


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
    for title in ("", "seconds", "processor s", "peak RssAnon MiB", "of each process then"):
        shown.add_column(title, justify="right" if title else "left")
    for name, filling in result["import"].items():
        if filling:
            shown.add_row(
                {"slapd": "slapadd -q", "annuaire": "annuaire import"}[name],
                f"{filling['seconds']:.1f}",
                f"{filling['cpu']:.1f}",
                f"{filling['peak']:.0f}",
                " + ".join(f"{part:.0f}" for part in filling["parts"]),
            )
    return shown


def draw(result: dict[str, Any], path: Path) -> None:
    """Ratios to slapd as bars on a logarithmic scale, the targets as marks, the figures beside them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.axes import Axes

    rows = [row for row in result["shapes"] if row["ratio"]]
    fillings = result["import"]
    compared = fillings["annuaire"] and fillings["slapd"]
    pyplot.rcParams.update({"font.size": 10, "font.family": "DejaVu Sans", "text.color": INK})
    height = 1.9 + 0.42 * (len(rows) + (2 if compared else 0))
    figure, (speed, wait) = pyplot.subplots(
        1, 2, figsize=(13, height), sharey=True, gridspec_kw={"width_ratios": [3, 2], "wspace": 0.05}
    )

    def bars(axes: Axes, place: int, ratio: float, target: float | None, good: bool, text: str) -> None:
        axes.barh(place, ratio - 1, left=1, color=OURS if good else MARK, height=0.62, zorder=2)
        axes.annotate(
            text,
            (ratio, place),
            xytext=(5 if ratio >= 1 else -5, 0),
            textcoords="offset points",
            va="center",
            ha="left" if ratio >= 1 else "right",
            fontsize=9,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8},
        )
        if target:
            axes.plot([target, target], [place - 0.42, place + 0.42], color=INK, lw=1.6, zorder=3)

    labels = []
    for place, row in enumerate(rows):
        ours, theirs, name = row["annuaire"], row["slapd"], row["name"]
        labels.append(f"{name}   {row['about']}")
        target = targets.RATES.get(name)
        ratio = row["ratio"]
        bars(speed, place, ratio, target, ratio >= (target or 1),
             f"{ratio:.1f} ×   {ours['rates']:,.0f} / {theirs['rates']:,.0f}")  # fmt: skip
        slower = ours["p99"] / theirs["p99"]
        limit = targets.P99.get(name)
        bars(wait, place, slower, limit, slower <= (limit or 1),
             f"{slower:.2f} ×   {ours['p99']:.3g} / {theirs['p99']:.3g}")  # fmt: skip
    if compared:
        place = len(rows) + 0.5
        labels_at = [*range(len(rows)), place]
        labels.append("import   LDIF into an empty state")
        ours, theirs = fillings["annuaire"], fillings["slapd"]
        ratio = ours["seconds"] / theirs["seconds"]
        bars(wait, place, ratio, targets.IMPORT_TIME, ratio <= targets.IMPORT_TIME,
             f"{ratio:.2f} ×   {ours['seconds']:.0f} s / {theirs['seconds']:.0f} s")  # fmt: skip
        faster = 1 / ratio
        bars(speed, place, faster, 1 / targets.IMPORT_TIME, ratio <= targets.IMPORT_TIME,
             f"{faster:.1f} ×   {result['people'] / ours['seconds']:,.0f}"
             f" / {result['people'] / theirs['seconds']:,.0f} people/s")  # fmt: skip
    else:
        labels_at = list(range(len(rows)))
    for axes, title in (
        (speed, "requests per second, as a multiple of slapd's (annuaire / slapd)"),
        (wait, "p99 in ms, as a multiple of slapd's: shorter is better"),
    ):
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        # Room for the figures on both sides of the bars: a logarithmic axis gives it by factors.
        axes.set_xlim(min(low, 0.5) / 5, max(high, 2) * 6)
        axes.axvline(1, color=INK, lw=1, zorder=3)
        axes.set_title(title, fontsize=10, loc="left", pad=10)
        axes.grid(axis="x", color="#e6e2d8", zorder=0)
        axes.set_axisbelow(True)
        axes.tick_params(left=False, colors=QUIET)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    speed.set_yticks(labels_at, labels, color=INK)
    speed.invert_yaxis()
    memory = ", ".join(f"{value:.0f}" for value in result["workers"][1:]) or "?"
    figure.suptitle(
        f"annuaire and slapd {result['slapd_version']}: {result['people']:,} people, "
        f"{result['connections']} connections, medians of {result['rounds']} rounds",
        x=0.01, ha="left", fontsize=13, fontweight="bold",
    )  # fmt: skip
    figure.text(
        0.01, 0.005,
        "green: target met (black mark) or quicker than slapd; red: not.   "
        f"Workers hold {memory} MiB beyond the shared map.   {result['note']}",
        fontsize=9, color=QUIET,
    )  # fmt: skip
    figure.savefig(path, dpi=130, bbox_inches="tight", facecolor="white")
