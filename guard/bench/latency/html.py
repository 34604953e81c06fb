"""The findings as one HTML page with a histogram of every stage: inline SVG, nothing is loaded from anywhere."""

from __future__ import annotations

from html import escape

from guard.bench.distribution import Distribution, Histogram
from guard.bench.latency.findings import LatencyRow
from guard.bench.latency.report import LatencyReport, cells, headline, row_name, ways

_WIDTH_PX, _HEIGHT_PX = 240, 48
_STYLE = """
:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 2rem; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
svg { fill: #3b76c4; vertical-align: middle; } svg text { fill: currentColor; font-size: 9px; }
.ratio { font-weight: 600; }
"""


def as_html(report: LatencyReport) -> str:
    """The whole page."""
    rows = "".join(_section(row) for row in report.rows)
    skipped = f"<p>Not measured: {escape(report.skipped)}</p>" if report.skipped is not None else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>guard bench latency</title>'
        f"<style>{_STYLE}</style></head><body><h1>Latency</h1><p>{escape(headline(report))}</p>{rows}{skipped}"
        "<p>Every stage is a distribution of its own; a column of percentiles does not add up. The histograms have a "
        "logarithmic axis from the least to the largest value. Frames without a score are counted, and in no "
        "percentile.</p></body></html>\n"
    )


def _section(row: LatencyRow) -> str:
    ratio = (
        ""
        if row.plain_ratio is None
        else (
            f'<p class="ratio">camera to array at the plain aiortc sink / camera to score here, p50: '
            f"{row.plain_ratio:.2f}</p>"
        )
    )
    clocks = ", ".join(f"{escape(name)} &plusmn;{ms:.2f} ms" for name, ms in row.clock_uncertainty_ms.items())
    return (
        f"<h2>{escape(row_name(row))}</h2>"
        f"<p>{row.sent_frames} frames sent, {row.unscored_frames} without a score, {row.dropped_frames} dropped by the "
        f"guard. Clocks: {clocks}.</p>{ratio}"
        + _table("whole way", {name: found for name, found in ways(row).items() if found is not None})
        + _table("stage", row.stages)
    )


def _table(what: str, found: dict[str, Distribution]) -> str:
    head = "".join(f"<th>{name}</th>" for name in (what, "n", "p50 ms", "p95", "p99", "max", "histogram"))
    body = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{cell}</td>" for cell in cells(summed))
        + f"<td>{histogram_svg(summed.histogram)}</td></tr>"
        for name, summed in found.items()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def histogram_svg(histogram: Histogram) -> str:
    """One bar a bin, the fullest over the whole height, and the ends of the axis."""
    most, step = max(histogram.counts), _WIDTH_PX / len(histogram.counts)
    bars = "".join(
        f'<rect x="{number * step:.1f}" y="{_HEIGHT_PX * (1 - count / most):.1f}" width="{step - 0.5:.1f}" '
        f'height="{_HEIGHT_PX * count / most:.1f}"/>'
        for number, count in enumerate(histogram.counts)
        if count
    )
    low, high = f"{histogram.edges_ms[0]:.3g} ms", f"{histogram.edges_ms[-1]:.3g} ms"
    return (
        f'<svg width="{_WIDTH_PX}" height="{_HEIGHT_PX + 12}" role="img" aria-label="{low} to {high}">{bars}'
        f'<text x="0" y="{_HEIGHT_PX + 10}">{low}</text>'
        f'<text x="{_WIDTH_PX}" y="{_HEIGHT_PX + 10}" text-anchor="end">{high}</text></svg>'
    )
