"""The page of a simulation: a chart for each figure, a curve for each model, and what it all rests on. No script, no outside resource."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..files import atomic_path
from ..simulation.loop import Simulation
from ..simulation.measures import FIGURES

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 520, 260, 52, 12, 14, 34
_COLORS = ("#0b62a3", "#b5470a", "#2d7a3e", "#8a2f8a", "#6b6b00", "#a3123c", "#3d5a80", "#7a4e2d")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
_STYLE = """
:root { --paper: #fff; --ink: #1c1c1c; --muted: #5c5c5c; --line: #d8d8d8; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17191c; --ink: #ececec; --muted: #b0b0b0; --line: #3c4046; } svg { filter: brightness(1.35); }
}
body { margin: 0 auto; max-width: 1120px; padding: 16px; background: var(--paper); color: var(--ink); }
body { font: 16px/1.5 system-ui, sans-serif; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 20px; }
figure { margin: 0; break-inside: avoid; } figcaption { color: var(--muted); font-size: 14px; } svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 14px; } th, td { border-bottom: 1px solid var(--line); padding: 4px 8px; text-align: right; }
th:first-child { text-align: left; } .scroll { overflow-x: auto; } h1 { font-size: 24px; } h2 { font-size: 18px; margin: 0 0 4px; }
"""


def render_simulation(found: Simulation) -> str:
    """The page as HTML."""
    names = list(found.values)
    charts = "\n".join(_figure(found, figure, names) for figure in FIGURES if _there(found, figure))
    rests = "".join(f"<li>{escape(text)}</li>" for text in found.assumptions)
    settings = ", ".join(f"{escape(str(name))} {escape(str(value))}" for name, value in found.settings.items())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, '
        f'initial-scale=1">\n<title>What recommending does over time</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"<h1>What recommending does over time</h1>\n<p>{escape(_verdict(found))}</p>\n{_legend(names)}\n<main>\n{charts}\n</main>\n"
        f"<h2>First and last round</h2>\n<div class='scroll'>{_table(found)}</div>\n<h2>What this rests on</h2>\n<ul>{rests}</ul>\n"
        f"<p>Settings: {settings}. Bands are 95 % intervals over the seeds.</p>\n</body>\n</html>\n"
    )


def write_simulation(found: Simulation, folder: str | Path) -> tuple[Path, Path]:
    """Write simulation.json and simulation.html to a folder; returns both paths."""
    paths = Path(folder) / "simulation.json", Path(folder) / "simulation.html"
    plain = json.dumps(_finite(found.to_dict()), indent=1, allow_nan=False) + "\n"
    for path, text in zip(paths, (plain, render_simulation(found)), strict=True):
        with atomic_path(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return paths


def _there(found: Simulation, figure: str) -> bool:
    """Whether there is anything to show: nothing survives where nothing new comes."""
    return any(np.isfinite(of[figure]).any() for of in found.values.values())


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _verdict(found: Simulation) -> str:
    moves = {name: found.curve(name, "tail_share").mean for name in found.values if name not in ("oracle", "random")} or {
        name: found.curve(name, "tail_share").mean for name in found.values
    }
    best = max(moves, key=lambda name: float(np.nan_to_num(moves[name][-1])))
    last = f"{100 * float(np.nan_to_num(moves[best][-1])):.1f} %"
    return (
        f"After {found.settings['rounds']} rounds {best} gives the tail most of its places, {last} (in the first round "
        f"{100 * float(np.nan_to_num(moves[best][0])):.1f} %)."
    )


def _line(at: int) -> str:
    dash = _DASHES[at // len(_COLORS) % len(_DASHES)]
    return f'stroke="{_COLORS[at % len(_COLORS)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _legend(names: list[str]) -> str:
    items = "".join(
        f'<span style="white-space:nowrap;margin-right:16px"><svg viewBox="0 0 28 10" style="width:28px;height:10px" aria-hidden="true">'
        f'<line x1="0" x2="28" y1="5" y2="5" stroke-width="3" {_line(at)}/></svg> {escape(name)}</span>'
        for at, name in enumerate(names)
    )
    return f"<p>{items}</p>"


def _figure(found: Simulation, figure: str, names: list[str]) -> str:
    curves = [found.curve(name, figure) for name in names]
    stacked = np.concatenate([np.concatenate((curve.mean, curve.low, curve.high)) for curve in curves])
    known = stacked[np.isfinite(stacked)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    high = high if high > low else low + 1e-9
    rounds = len(curves[0].mean)
    xs = _LEFT + np.arange(rounds) / max(rounds - 1, 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(values: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = _HEIGHT - _BOTTOM - (values - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return scaled

    parts = []
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        at = float(y(np.array([value]))[0])
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="currentColor" opacity=".2"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" font-size="12" text-anchor="end" fill="currentColor">{value:.3g}</text>')
    for at, (name, curve) in enumerate(zip(names, curves, strict=True)):
        if np.isfinite(curve.low).all():
            edge = [*zip(xs, y(curve.high), strict=True), *list(zip(xs, y(curve.low), strict=True))[::-1]]
            area = " ".join(f"{a:.1f},{b:.1f}" for a, b in edge)
            parts.append(f'<polygon points="{area}" fill="{_COLORS[at % len(_COLORS)]}" opacity=".15"/>')
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(xs, y(curve.mean), strict=True) if np.isfinite(b))
        parts.append(f'<polyline points="{points}" fill="none" stroke-width="2" {_line(at)}><title>{escape(name)}</title></polyline>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 10}" font-size="12" fill="currentColor">round 1</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 10}" font-size="12" text-anchor="end" fill="currentColor">{rounds}</text>')
    title = figure.replace("_", " ")
    return (
        f'<figure><h2>{escape(title)}</h2><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)} by round">'
        f"{''.join(parts)}</svg><figcaption>{escape(FIGURES[figure])}</figcaption></figure>"
    )


def _table(found: Simulation) -> str:
    head = "".join(f'<th scope="col">{escape(figure.replace("_", " "))}</th>' for figure in FIGURES)
    rows = []
    for name in found.values:
        cells = "".join(f"<td>{_cell(found.curve(name, figure).mean)}</td>" for figure in FIGURES)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return f'<table><thead><tr><th scope="col">model</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _cell(values: NDArray[np.float64]) -> str:
    return " → ".join("-" if not np.isfinite(value) else f"{value:.3f}" for value in (values[0], values[-1]))
