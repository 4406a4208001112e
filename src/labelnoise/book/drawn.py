"""Figures that keep the data they draw."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

COLOURS = 256  # of an image: with a palette it weighs a third
SHARPNESS = 2  # pixels of an image for one of the page, as phones and many laptops have them


class DataFigure(Figure):
    """A figure that a notebook keeps as an image and, beside it, as the table that it draws.

    Attributes:
        drawn: one row per thing drawn, or more finely, such as a row per seed where a mean is drawn.
    """

    drawn: pd.DataFrame

    def _ipython_display_(self) -> None:
        image, small = io.BytesIO(), io.BytesIO()
        self.savefig(image, format="png", bbox_inches="tight", dpi=SHARPNESS * self.dpi)
        pixels = Image.open(image).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        pixels.save(small, "png", optimize=True)
        data = {
            "text/plain": repr(self),
            "image/png": b64encode(small.getvalue()).decode(),
            "text/csv": as_csv(self.drawn),
        }
        display(data, raw=True, metadata={"image/png": {"width": pixels.width // SHARPNESS}})


def as_csv(table: pd.DataFrame) -> str:
    """Comma-separated text with a line of names and 6 significant digits, the same on every machine."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def entries(arrays: Mapping[str, Any], names: Sequence[str], classes: Sequence[str] = ()) -> pd.DataFrame:
    """Arrays in mappings, which may be nested, as one row per entry.

    Args:
        arrays: key to array, or to another such mapping.
        names: of the columns: one per level of keys, one per axis of the arrays, then the entry's.
        classes: what stands for an index in the first two axes, if they are of classes.
    """

    def rows(keys: tuple[Any, ...], value: Any) -> Iterator[tuple[Any, ...]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from rows((*keys, key), inner)
        else:
            for index, entry in np.ndenumerate(np.asarray(value)):
                titles = [classes[i] for i in index[:2]] if classes else index[:2]
                yield *keys, *titles, *index[2:], entry

    return pd.DataFrame(rows((), arrays), columns=list(names))
