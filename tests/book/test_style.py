"""Figures can be read: their colours stand out from white, and none is wider than a page shows it."""

import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from labelnoise.book import style


def contrast(colour):
    """To white, from the definition of WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


@pytest.mark.parametrize("colour", [*style.PALETTE, style.GREY])
def test_what_is_drawn_stands_out_from_white_and_text_more_so(colour):
    assert contrast(colour) >= 2.99
    assert contrast(style.legible(colour)) >= 4.49


def test_a_colour_that_stands_out_is_left_as_it_is():
    assert style.legible("black") == (0, 0, 0)


def test_many_panels_make_no_figure_wider_than_the_page():
    figure, _ = style.new_axes(pd.DataFrame(), 1, 5, 20, 3)
    assert figure.get_figwidth() == style.WIDEST
