"""Figures can be read: their text stands out from white, and none is wider than a page shows it."""

import subprocess
import sys

import pandas as pd
import pytest
import seaborn as sns
from matplotlib.colors import to_rgb

from labelnoise.book import style


def contrast(colour):
    """To white, from the definition of WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


@pytest.mark.parametrize("colour", [*style.PALETTE, style.GREY])
def test_text_in_the_colour_of_a_curve_can_be_read_on_white(colour):
    assert contrast(style.legible(colour)) >= 4.499  # the definition's power is taken in another order of rounding


def test_a_colour_that_stands_out_is_left_as_it_is():
    assert contrast("0.2") > 4.5
    assert style.legible("0.2") == to_rgb("0.2")


def test_an_axis_is_not_cut_to_rows_that_are_all_zero():
    gains = {"gain": [-30.0, 0.0], "low": [-60.0, 0.0], "high": [0.0, 0.0]}
    cell = pd.DataFrame({"method": ["forward", "mixup"], "transition": ["true", None], **gains})
    _, axes = style.new_axes(cell, 1, 1, 4, 3)
    before = axes[0, 0].get_xlim()
    style.cut_wide(axes[0, 0], cell, [("forward", "true"), ("mixup", None)])  # a warning would fail
    assert axes[0, 0].get_xlim() == before


def test_many_panels_make_no_figure_wider_than_the_page():
    figure, _ = style.new_axes(pd.DataFrame(), 1, 5, 20, 3)
    assert figure.get_figwidth() == style.WIDEST


def test_names_of_curves_stand_as_near_to_their_ends_as_they_can_be_read():
    _, axes = style.new_axes(pd.DataFrame(), 1, 1, 4, 3)
    axes[0, 0].set_ylim(0, 10)
    style.name_ends(axes[0, 0], [(9, "far", "0.2"), (2, "b", "0.2"), (2, "c", "0.2"), (2, "a", "0.2")])
    heights = {text.get_text(): text.xy[1] for text in axes[0, 0].texts}
    assert [heights[name] for name in "bca"] == pytest.approx([1.25, 2, 2.75])
    assert heights["far"] == 9


def test_the_colours_are_seaborns():
    assert list(sns.color_palette("colorblind")) == style.PALETTE


def test_a_page_without_heatmaps_loads_neither_seaborn_nor_torch_nor_all_of_scipy():
    code = (
        "import sys\n"
        "from labelnoise.book import claims, figures, project, results, tables\n"
        "from labelnoise.statistics import interval, median_interval\n"
        "figures.gains, tables.gains, results.compared, interval([1, 2]).p_value, median_interval(range(9))\n"
        "print({'seaborn', 'torch', 'scipy.stats'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
