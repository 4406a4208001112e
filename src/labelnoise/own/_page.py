"""A report as one HTML page that needs nothing beside itself, and the folder that it is written to."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from labelnoise.own._outputs import MARK, write_folder
from labelnoise.own.images import OwnSet
from labelnoise.own.report import ARRAYS, WRITTEN, Report, advice, as_arrays, as_json, headline, shown
from labelnoise.own.suggestions import few, files, others, rule
from labelnoise.transitions import Matrix

PRINTED = 30  # classes up to which a heatmap has its numbers in it
LISTED_ROWS = 1000  # of a table
PICTURES = 48
RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # from 0 to the largest entry


def write(
    path: Path,
    report: Report,
    facts: pd.DataFrame | None = None,
    pictures: Sequence[tuple[str, str]] = (),
    about: Mapping[str, object] | None = None,
    **more: bytes,
) -> str:
    """Write all that a command found to a folder, and say which files these are.

    Args:
        path: a folder, as `check_folder` allows it.
        report: goes to the page, to tables and to JSON.
        facts, pictures: as `page` takes them.
        about: what the JSON has besides.
        more: further files, content by name.

    Raises:
        InputError: as `write_folder`.
    """
    tables = files(report.suggestions, report.threshold)
    contents = {"report.html": page(report, facts, pictures), **tables, **more, **as_arrays(report)}
    write_folder(path, as_json(report) | dict(about or {}), contents)
    return f"Written to {path}: {MARK}, {', '.join(contents)}."


def page(report: Report, facts: pd.DataFrame | None = None, pictures: Sequence[tuple[str, str]] = ()) -> bytes:
    """The page, light or dark as the reader's system is.

    Args:
        report: what it says.
        facts: of training, if there was any; as `train.as_table` gives them.
        pictures: as `pictures_of` gives them.
    """
    return _template("page").render(title=report.title, content=part(report, facts, pictures)).encode()


def part(report: Report, facts: pd.DataFrame | None = None, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """What `page` has in it, as a part of another page, such as a notebook; it touches nothing else there."""
    bounds, names = report.bounds, report.class_names
    whole = len(names) <= WRITTEN
    flips = np.where(np.eye(len(names), dtype=bool), 0, bounds.estimate) if whole else bounds.estimate
    classes = report.classes()
    return _template("report").render(
        report=report,
        headline=headline(report),
        advice=advice(report),
        suggestions=few(report.suggestions),
        rule=rule(report.suggestions, report.threshold),
        whole=_heatmap(bounds.estimate, names, bounds.low, bounds.high) if whole else None,
        flips=_heatmap(flips, names) if whole else None,
        arrays=ARRAYS,
        classes=shown(classes if whole else classes.sort_values("noise_rate", ascending=False), "noise_rate"),
        confusions=shown(report.confusions(), "share"),
        facts=facts,
        pictures=pictures,
        listed=LISTED_ROWS,
    )


def _template(name: str) -> jinja2.Template:
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(f"{name}.html.jinja")


def _heatmap(matrix: Matrix, names: tuple[str, ...], low: Matrix | None = None, high: Matrix | None = None) -> Any:
    """What the template draws: T on a scale from 0 to its largest entry, or of many classes an image of it."""
    largest = matrix.max()
    scaled = matrix / max(largest, 1e-12)
    if len(names) > PRINTED:
        at = np.linspace(0, 1, len(RAMP))
        colours = [np.interp(scaled**0.5, at, channel) for channel in zip(*RAMP, strict=True)]
        return {"image": _png(np.stack(colours, axis=2).round().astype(np.uint8)), "n": len(names), "largest": largest}
    ends = np.full(matrix.shape, "", dtype=object)
    if low is not None and high is not None:
        ends = np.vectorize("{:.1f} to {:.1f}".format)(100 * low, 100 * high)
    return {"names": names, "rows": [zip(*row, strict=True) for row in zip(matrix, scaled, ends, strict=True)]}


def pictures_of(own: OwnSet, ranked: pd.DataFrame) -> list[tuple[str, str]]:
    """A caption and an address for each of the first images of `ranked`."""
    return [
        (f"{own.image_names[row]}: {label}, rather {suggestion}", _png(own.images[row].transpose(1, 2, 0)))
        for row, label, suggestion in others(ranked).head(PICTURES)[["row", "label", "suggestion"]].to_numpy()
    ]


def _png(pixels: np.ndarray) -> str:
    """Pixels of shape (height, width, 1 or 3) as the address of an image that is in the page itself."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
