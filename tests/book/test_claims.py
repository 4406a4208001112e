import dataclasses
import re

import nbformat
import numpy as np
import pytest
from nbformat import v4

from labelnoise.book import chapters, claims, project
from labelnoise.errors import InputError

SOURCES = project.notebook_names()
every_source = pytest.mark.parametrize("name", SOURCES)


def source_of(name, kind):
    cells = nbformat.read(SOURCES[name], as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == kind)


@pytest.fixture
def glued(monkeypatch):
    """What is handed to the page: name to text, and the claims."""
    found = {}

    def display(data, raw, metadata):
        assert raw
        found[metadata["scrapbook"]["name"]] = (eval(data["application/papermill.record/text/plain"]), metadata)

    monkeypatch.setattr(claims, "display", display)
    return found


def test_a_value_is_a_short_text_and_a_missing_one_a_dash(glued):
    claims.values(half=93.2168, missing=np.nan, count=3963.0, named="LeNet")
    claims.values(3, error=0.0142)
    claims.differences(up=0.74, none=0.04, down=-1.26, missing_gain=np.nan)
    shown = {name: text for name, (text, _) in glued.items()}
    assert shown == {
        "half": "93.2", "missing": "–", "count": "3,963.0", "named": "LeNet", "error": "0.014",
        "up": "+0.7", "none": "0.0", "down": "-1.3", "missing_gain": "–",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("holds", "borne_out"),
    [(True, True), (False, False), ([True, True], True), ([True, False], False), ([], False), (np.nan > 0, False)],
)
def test_a_claim_shows_nothing_while_it_holds_and_says_where_it_does_not(glued, holds, borne_out):
    claims.claim("helps", "Correcting helps.", holds, "fig-a")
    text, metadata = glued["helps-claim"]
    assert text == ("" if borne_out else claims.DENIED)
    assert metadata["claim"] == {
        "name": "helps", "sentence": "Correcting helps.", "holds": borne_out, "figure": "fig-a"
    }  # fmt: skip


def page_with(*made):
    outputs = [v4.new_output("display_data", metadata={"claim": dataclasses.asdict(claim)}) for claim in made]
    return v4.new_notebook(cells=[v4.new_code_cell("", outputs=outputs)])


def test_a_page_whose_records_deny_a_claim_is_not_published():
    right, wrong = claims.Claim("one", "One holds.", True), claims.Claim("two", "Two holds.", False)
    claims.refuse_denied(page_with(right), "03_correction")
    with pytest.raises(InputError, match=r"03_correction can't be published: .* 'two', 'Two holds\.'"):
        claims.refuse_denied(page_with(right, wrong), "03_correction")


def test_a_denied_claim_stops_the_publishing_before_anything_is_written(monkeypatch):
    notebook = page_with(claims.Claim("two", "Two holds.", False))
    monkeypatch.setattr(chapters, "execute", lambda *args: notebook)
    monkeypatch.setattr(chapters, "write", lambda *args: pytest.fail("it was written"))
    with pytest.raises(InputError, match="'two'"):
        list(chapters.draw(["03_correction"], {}, publish=True))


def test_claims_fall_with_the_records_that_bear_them(glued, monkeypatch):
    """Chapter 3 with the measurements of cross-entropy and of forward correction exchanged."""

    def exchanged(plan):
        records = project.recorded(plan.groups["correction"])
        found = {(r.trial.noise, r.trial.seed, r.trial.transition): r for r in records}

        def turned(record):
            noise, seed, source = record.trial.noise, record.trial.seed, record.trial.transition
            other = found[noise, seed, None if source else "true"] if noise != "clean" else record
            return dataclasses.replace(record, history=other.history, best_epoch=other.best_epoch)

        return {"correction": [turned(record) for record in records]}

    for change, borne_out in ((project.obtain, True), (exchanged, False)):
        with monkeypatch.context() as patched:
            patched.setattr(project, "obtain", change)
            exec(source_of("03_correction", "code"), {"display": lambda shown: None})
        made = {name: about["claim"]["holds"] for name, (_, about) in glued.items() if "claim" in about}
        assert (made["gains-claim"], made["memorised-claim"]) == (borne_out, borne_out)


@every_source
def test_every_verdict_that_the_text_marks_has_its_claim_and_every_claim_its_verdict(name):
    marked = re.findall(r"\{glue:text\}`([\w-]+)-claim`", source_of(name, "markdown"))
    stated = [claim.name for claim in claims.made_in(nbformat.read(project.published_path(name), as_version=4))]
    assert set(marked) == set(stated)


@every_source
def test_every_claim_of_a_published_page_holds_and_names_a_figure_that_there_is(name):
    made = list(claims.made_in(nbformat.read(project.published_path(name), as_version=4)))
    assert [claim.name for claim in made if not claim.holds] == []
    figures = (project.root() / "book" / "figures.md").read_text()
    assert [claim.figure for claim in made if claim.figure and f"<{claim.figure}>" not in figures] == []


def test_the_page_of_claims_is_of_the_published_chapters():
    text = (project.root() / "book" / "claims.md").read_text()
    assert text == claims.page()
    assert (
        "- Forward correction with the true T raises LeNet's accuracy on both sets. ({numref}`fig-gains-last`)" in text
    )
