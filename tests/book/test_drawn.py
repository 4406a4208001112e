import io
from base64 import b64decode

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelnoise.book import drawn, style


@pytest.fixture
def shown(monkeypatch):
    """What a figure of two points gives a notebook to keep."""
    kept = []
    monkeypatch.setattr(drawn, "display", lambda data, raw, metadata: kept.append(data | {"metadata": metadata}))
    table = pd.DataFrame({"seed": [0, 1], "l1": [1 / 3, 2 / 3]})
    figure, axes = style.new_axes(table, 1, 1, 2, 1)
    axes[0, 0].plot(table["seed"], table["l1"], "o")
    figure._ipython_display_()
    (given,) = kept
    return given


def opened(shown):
    """The image that a notebook keeps."""
    return Image.open(io.BytesIO(b64decode(shown["image/png"])))


def test_a_figure_gives_its_image_and_its_table(shown):
    assert set(shown) - {"metadata"} == {"text/plain", "image/png", "text/csv"}
    assert shown["text/csv"] == "seed,l1\n0,0.333333\n1,0.666667\n"


def test_the_image_is_opaque_and_has_a_palette(shown):
    image = opened(shown)
    assert image.mode == "P"
    assert "transparency" not in image.info
    assert len(image.getcolors()) > 1


def test_a_page_shows_two_pixels_of_the_image_in_one_of_its_own(shown):
    width = shown["metadata"]["image/png"]["width"]
    assert opened(shown).width in (2 * width, 2 * width + 1)


def test_entries_of_nested_matrices_are_rows_under_their_keys_and_classes():
    matrix = np.arange(4.0).reshape(2, 2)
    table = drawn.entries({"a": {"x": matrix}, "b": {"y": -matrix}}, ["one", "two", "i", "j", "T"], ["cat", "dog"])
    assert len(table) == 8
    found = table.set_index(["one", "two", "i", "j"])["T"]
    assert found["a", "x", "dog", "cat"] == matrix[1, 0]
    assert found["b", "y", "cat", "dog"] == -matrix[0, 1]


def test_only_the_first_two_axes_are_classes():
    values = np.arange(8).reshape(2, 2, 2)
    found = drawn.entries({"a": values}, ["key", "i", "j", "k", "value"], ["cat", "dog"]).set_index(["i", "j", "k"])
    assert found["value"]["dog", "cat", 1] == values[1, 0, 1]
