"""Charts as SVG text, from numbers; `content` has what is charted, `page` the page."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 86, 12, 12, 30
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LINE_LEFT = 150
_WIDEST_BAR = 56.0
_SMALLEST_BLOCK = 0.3
_LABEL_WIDTH = 64.0
_ROW_HEIGHT = 26


@dataclass(frozen=True)
class Series:
    """Numbers of one colour, one for each label of a chart's horizontal axis."""

    name: str
    colour: str
    values: Sequence[float]


@dataclass(frozen=True)
class Dot:
    """A point in time on the line of a label."""

    label: str
    at: dt.datetime
    colour: str
    title: str


def stacked_bars(title: str, labels: Sequence[str], series: Sequence[Series]) -> str:
    """Draw bars of stacked blocks, one bar for each label; negative numbers are stacked below the zero line.

    A number that is not finite has no height: the page's tables show it.
    """
    series = [replace(one, values=[value if math.isfinite(value) else 0.0 for value in one.values]) for one in series]
    highs = [sum(max(0.0, one.values[place]) for one in series) for place in range(len(labels))]
    lows = [sum(min(0.0, one.values[place]) for one in series) for place in range(len(labels))]
    ticks = _ticks(min(lows, default=0.0), max(highs, default=0.0))
    scale = _PLOT_HEIGHT / (ticks[-1] - ticks[0])
    zero = _TOP + ticks[-1] * scale
    parts = [_grid_line(zero - tick * scale, _short(tick)) for tick in ticks]
    step = _PLOT_WIDTH / max(1, len(labels))
    width = min(_WIDEST_BAR, step * 0.66)
    every = math.ceil(_LABEL_WIDTH / step)
    for place, label in enumerate(labels):
        middle = _LEFT + step * (place + 0.5)
        if place % every == 0:
            parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 10}" class="label">{escape(label)}</text>')
        heights = [
            (one, one.values[place] * scale, f"{label} · {one.name}: {one.values[place]:,.2f}") for one in series
        ]
        parts += _blocks(middle - width / 2, width, zero, heights)
    parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}" class="zero"/>')
    return _svg(title, _HEIGHT, parts)


def timeline(title: str, labels: Sequence[str], dots: Sequence[Dot]) -> str:
    """Draw a line for each label, with a dot for each event on it; the horizontal axis is time in UTC."""
    height = _TOP + _ROW_HEIGHT * len(labels) + _BOTTOM
    instants = [dot.at.timestamp() for dot in dots]
    first, last = min(instants), max(instants)
    margin = max(3600.0, (last - first) * 0.03)
    first, last = first - margin, last + margin
    width = _WIDTH - _LINE_LEFT - _RIGHT
    scale = width / (last - first)
    rows = {label: _TOP + _ROW_HEIGHT * (place + 0.5) for place, label in enumerate(labels)}
    parts = [_grid_line(middle, label, _LINE_LEFT) for label, middle in rows.items()]
    for part in range(5):
        at = first + (last - first) * (part + 0.5) / 5
        x = _LINE_LEFT + (at - first) * scale
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        parts.append(f'<text x="{x:.1f}" y="{height - 10}" class="label">{when:%d %b %Y %H:%M}</text>')
    for dot in dots:
        x = _LINE_LEFT + (dot.at.timestamp() - first) * scale
        parts.append(
            f'<circle cx="{x:.1f}" cy="{rows[dot.label]:.1f}" r="6" fill="{dot.colour}" class="dot">'
            f"<title>{escape(dot.title)}</title></circle>"
        )
    return _svg(title, height, parts)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return name and colour of what a chart shows, as an HTML list."""
    items = "".join(f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for name, colour in entries)
    return f'<ul class="legend">{items}</ul>'


def _blocks(x: float, width: float, zero: float, heights: Sequence[tuple[Series, float, str]]) -> Iterator[str]:
    above = below = zero
    for series, height, title in heights:
        if abs(height) < _SMALLEST_BLOCK:
            continue
        if height > 0:
            above -= height
        top = above if height > 0 else below
        if height < 0:
            below -= height
        place = f'x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{abs(height):.1f}"'
        yield f'<rect {place} fill="{series.colour}"><title>{escape(title)}</title></rect>'


def _grid_line(y: float, text: str, left: float = _LEFT) -> str:
    return (
        f'<line x1="{left}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
        f'<text x="{left - 8}" y="{y + 4:.1f}" class="tick">{escape(text)}</text>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return four to nine round numbers from below `low` to above `high`, zero among them."""
    reach = (high - low) or 1.0
    rough = reach / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    bottom = math.floor(low / step)
    top = max(math.ceil(high / step), bottom + 1)
    return [step * place for place in range(bottom, top + 1)]


def _short(number: float) -> str:
    for size, sign in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= size:
            return f"{number / size:,.4g}{sign}"
    return f"{number:,.4g}"


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    about = f'role="img" aria-label="{escape(title)}"'
    return f'<svg viewBox="0 0 {_WIDTH} {height}" {about}>{"".join(parts)}</svg>'
