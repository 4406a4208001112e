from copy import deepcopy

import nbformat
import pytest
from nbformat import v4

from labelnoise.book import parameters, project, stamps

PER_SEED = "seed,l1\n0,0.1\n1,0.2\n"
SUMMARY = "noise,mean\na,0.15\n"


def figure_cell(name, table):
    output = v4.new_output("display_data", {"image/png": "", stamps.CSV: table})
    cell = v4.new_code_cell("draw()", id=name, metadata={"mystnb": {"figure": {"name": name, "caption": "A."}}})
    cell.outputs = [output]
    return cell


def a_notebook(*cells):
    return v4.new_notebook(cells=[v4.new_markdown_cell("# Title", id="title"), *cells])


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A checkout of a front page and one chapter, whose only parameter is n."""
    monkeypatch.setattr(project, "root", lambda: tmp_path)
    monkeypatch.setattr(parameters, "defaults", lambda name: {"n": 2})
    (tmp_path / "notebooks").mkdir()
    for name in ("01_toy", "index"):
        nbformat.write(a_notebook(), tmp_path / "notebooks" / f"{name}.ipynb")
        project.published_path(name).parent.mkdir(parents=True, exist_ok=True)
    return tmp_path


@pytest.fixture
def records():
    dates = ("2026-01-03", "2026-01-02")
    return [(f"key-{seed}", f"weights-{seed}", 1800.0, date) for seed, date in enumerate(dates)]


def stamped(records, *, name="01_toy", given=(), seconds=3.21, tables=(("fig-a", PER_SEED), ("fig-b", SUMMARY))):
    notebook = a_notebook(*(figure_cell(*pair) for pair in tables))
    stamps.add(notebook, stamps.stamp(name, dict(given), seconds, records))
    nbformat.validate(notebook)
    return notebook


def test_below_each_figure_stands_what_it_is_made_from(book, records):
    notebook = stamped(records)
    assert [cell.id for cell in notebook.cells] == [
        "title", "fig-a", "fig-a-made", "fig-b", "fig-b-made", "how-this-page-was-made",
    ]  # fmt: skip
    first, second = (cell.source for cell in notebook.cells[2:5:2])
    assert "[Data, per seed](../_static/data/01_toy/fig-a.csv)" in first
    assert "[Data, as drawn](../_static/data/01_toy/fig-b.csv)" in second
    for line in (first, second):
        assert "<../../notebooks/01_toy.ipynb>" in line
        assert "this page reads 2 records of 1.0 core-hours, the last of 2026-01-03" in line
        assert f"executed {notebook.metadata['labelnoise']['date']} in 3.2 seconds" in line


@pytest.mark.parametrize(("name", "page"), [("01_toy", "explore.html"), ("index", "chapters/explore.html")])
def test_a_figure_leads_to_the_page_to_explore_with_its_choices_set(book, records, name, page):
    notebook = a_notebook(figure_cell("fig-a", PER_SEED))
    notebook.cells[-1].metadata["explore"] = {"rate": "0.6", "method": "forward, true"}
    for given, link in (({}, f'<a href="{page}#rate=0.6&method=forward%2C+true">Explore</a>'), ({"n": 3}, None)):
        copy = deepcopy(notebook)
        stamps.add(copy, stamps.stamp(name, given, 1.0, records))
        line = next(cell.source for cell in copy.cells if cell.id == "fig-a-made")
        assert (link in line) if link else ("Explore" not in line)  # an own run has no such page beside it


def test_a_page_without_trials_claims_none(book):
    assert "records" not in stamped([]).cells[2].source


def test_an_own_run_says_so_and_keeps_its_figures_lines(book, records):
    notebook = stamped(records, given={"n": 3})
    assert [cell.id for cell in notebook.cells][:4] == ["title", "own-run", "fig-a", "fig-a-made"]


@pytest.mark.parametrize("name", ["01_toy", "index"])
def test_the_data_lie_where_the_page_links_to_them(book, records, name):
    notebook = stamped(records, name=name)
    path = project.published_path(name)
    stamps.write_data(notebook, path)
    for cell, table in ((notebook.cells[2], PER_SEED), (notebook.cells[4], SUMMARY)):
        link = cell.source.partition("](")[2].partition(")")[0]
        assert (path.parent / link).read_text() == table
        assert (path.parent / link).resolve().is_relative_to(book / "book" / "_static" / "data" / name)


def test_pages_that_differ_in_seconds_alone_say_the_same_but_not_those_of_other_records_or_data(book, records):
    first = stamps.comparable(stamped(records))
    assert stamps.comparable(stamped(records, seconds=99.0)) == first
    assert stamps.comparable(stamped(records[:1])) != first
    key, _, *rest = records[1]
    assert stamps.comparable(stamped([records[0], (key, "other weights", *rest)])) != first
    assert stamps.comparable(stamped(records, tables=[("fig-a", PER_SEED), ("fig-b", PER_SEED)])) != first


def test_the_page_of_figures_lists_each_with_its_data_those_of_the_front_page_first(book, records):
    assert "fig-" not in stamps.figures_page()  # nothing is published yet
    for name, figure in (("01_toy", "fig-a"), ("index", "fig-front")):
        nbformat.write(stamped(records, name=name, tables=[(figure, PER_SEED)]), project.published_path(name))
    entries = [line for line in stamps.figures_page().splitlines() if line.startswith(("**", "- "))]
    assert entries == [
        "**{doc}`index`**",
        "- {numref}`Figure {number}. {name} <fig-front>` [Data](_static/data/index/fig-front.csv)",
        "**{doc}`chapters/01_toy`**",
        "- {numref}`Figure {number}. {name} <fig-a>` [Data](_static/data/01_toy/fig-a.csv)",
    ]


def test_a_stamp_is_the_same_whatever_the_order_of_the_records():
    # In one order the floats sum to 1, in the other to 0, and so round to another second.
    seconds = [1e16, 1.0, -1e16]
    read = [(f"key {k}", "weights", each, "2026-11-30") for k, each in enumerate(seconds)]
    found = [stamps.stamp("01_noise", {}, 1.0, order) for order in (read, [read[0], read[2], read[1]])]
    assert [stamp["core_seconds"] for stamp in found] == [1, 1]
    assert found[0] == found[1]
