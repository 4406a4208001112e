"""Labels and probabilities in every form give the same samples; what was decided about them is said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from strategies import answered

from labelnoise import cli
from labelnoise.errors import InputError
from labelnoise.own._samples import read_probs, read_samples
from labelnoise.own._tabular import array_labels, read_labels

NAMES = ("cat", "dog", "owl")
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 0])
WORDS = np.array(NAMES)[LABELS]
PROBS = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2]] * 2)


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def frame(labels=WORDS, probs=PROBS, names=NAMES, **more):
    return pd.DataFrame({**more, "label": labels, **dict(zip(names, probs.T, strict=True))})


def both(name, table, **how):
    table.to_csv(name, index=False, **how)


def two(labels, probs, names=None):
    pd.DataFrame({"label": labels}).to_csv("labels.csv", index=False)
    if names is None:
        np.save("probs.npy", probs)
    else:
        pd.DataFrame(probs, columns=list(names)).to_csv("probs.csv", index=False)


def parquet_with_both():
    frame().assign(file="x.png").to_parquet("both.parquet")


# How files are made, their names, the column of labels if it is named, and what is said.
FORMS = {
    "one CSV": (lambda: both("both.csv", frame()), "both.csv", None, "The labels are column label of both.csv"),
    "the same file twice": (lambda: both("both.csv", frame()), "both.csv both.csv", None, "by name"),
    "one CSV with an index": (lambda: frame().to_csv("both.csv"), "both.csv", None, "by name"),
    "one CSV with an id and a text": (
        lambda: both("both.csv", frame(id=range(100, 108), text="hello")), "both.csv", None, "column id, text",
    ),
    "one Parquet": (parquet_with_both, "both.parquet", None, "left out: column file"),
    "names with a prefix": (
        lambda: both("both.csv", frame(names=[f"prob_{name}" for name in NAMES])), "both.csv", None, "cat, dog, owl",
    ),
    "a column that is named": (
        lambda: both("both.csv", frame().rename(columns={"label": "given"})), "both.csv", "given", "column given",
    ),
    "semicolons": (lambda: both("both.csv", frame(), sep=";"), "both.csv", None, "between semicolons"),
    "semicolons and decimal commas": (
        lambda: both("both.csv", frame(), sep=";", decimal=","), "both.csv", None, "between semicolons",
    ),
    "tabs": (lambda: both("both.tsv", frame(), sep="\t"), "both.tsv", None, "between tabs"),
    "columns in another order": (lambda: two(WORDS, PROBS[:, ::-1], NAMES[::-1]), "csv", None, "by name"),
    "columns without names": (lambda: two(WORDS, PROBS), "npy", None, "sorted order of the labels, as scikit-learn"),
    "labels from 1": (lambda: two(LABELS + 1, PROBS), "npy", None, "count the columns of probs.npy from 1"),
    "percentages": (lambda: two(WORDS, 100 * PROBS, NAMES), "csv", None, "percentages and were divided by 100"),
    "a class without labels": (
        lambda: two(WORDS, np.column_stack([0.9 * PROBS, np.full(8, 0.1)]), (*NAMES, "yak")), "csv", None,
        "left out: yak. The rows of probs.csv gave them 10 % on average",
    ),
}  # fmt: skip


def read(paths, wanted=None):
    given = {"csv": "labels.csv probs.csv", "npy": "labels.csv probs.npy"}.get(paths, paths).split()
    return read_samples(*map(Path, given), wanted=wanted)


@pytest.mark.parametrize(("make", "paths", "wanted", "said"), FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_samples_and_says_how_they_were_matched(make, paths, wanted, said):
    make()
    found = read(paths, wanted)
    order = [found.class_names.index(name) for name in NAMES] if "cat" in found.class_names else [0, 1, 2]
    np.testing.assert_allclose(found.pred_probs[:, order], PROBS, rtol=1e-12)
    assert np.array(found.class_names)[found.noisy_labels].tolist() in (
        WORDS.tolist(),
        (LABELS + 1).astype(str).tolist(),
    )
    assert any(said in each for each in found.decisions), found.decisions


@pytest.mark.parametrize("n_classes", [3, 10, 100])
@pytest.mark.parametrize("digits", [2, 3])
def test_rounded_probabilities_are_divided_by_their_sums_which_is_said(n_classes, digits):
    generator = np.random.default_rng(n_classes)
    probs = generator.dirichlet(np.full(n_classes, 5 / n_classes), size=50 * n_classes).round(digits)
    labels = np.arange(50 * n_classes) % n_classes
    np.save("labels.npy", labels)
    pd.DataFrame(probs).to_csv("probs.csv", index=False, header=False)
    found = read_samples(Path("labels.npy"), Path("probs.csv"))
    np.testing.assert_allclose(found.pred_probs, probs / probs.sum(axis=1, keepdims=True), rtol=1e-12)
    worst = abs(probs.sum(axis=1) - 1).max()
    said = [each for each in found.decisions if "divided by its sum" in each]
    assert len(said) == (worst > 1e-3)
    assert all(f"by up to {worst:.2g}" in each for each in said)


@pytest.mark.parametrize(
    ("probs", "advice"),
    [
        (np.log(PROBS), "apply a softmax to logits first"),
        (5 * PROBS, "apply a softmax to logits first"),
        (PROBS[:, ::-1] ** 0.2 * 0.999, "divide each row by its sum"),
    ],
    ids=["logs", "above one", "sigmoids"],
)
def test_what_is_no_probability_is_refused_with_advice_that_fits(probs, advice):
    two(WORDS, probs)
    with pytest.raises(InputError, match=advice):
        read("npy")


def test_a_row_with_nothing_but_a_class_that_is_left_out_says_nothing_of_the_others():
    probs = np.column_stack([PROBS, np.zeros(8)])
    probs[0] = [0, 0, 0, 1]
    two(LABELS, probs)
    np.testing.assert_allclose(read("npy").pred_probs[0], 1 / 3)


def test_an_index_beside_the_labels_is_left_alone():
    for content in (
        "id,animal\n7,cat\n3,dog\n9,cat\n",
        "number,animal\n1,cat\n2,dog\n3,cat\n",
        "0,cat\n1,dog\n2,cat\n",
    ):
        Path("labels.csv").write_text(content)
        np.save("probs.npy", PROBS[:3, :2] / PROBS[:3, :2].sum(axis=1, keepdims=True))
        assert read("npy").noisy_labels.tolist() == [0, 1, 0]


def test_the_command_says_first_how_files_were_read_and_the_report_keeps_it(capsys):
    both("both.csv", frame())
    assert cli.main(["estimate", "--labels", "both.csv", "--out", "new/folder"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "The labels are column label of both.csv.",
        "Labels are matched by name with the columns of both.csv: cat, dog, owl.",
    ]
    assert "Labels are matched by name with the columns of both.csv" in Path("new/folder/report.html").read_text()
    assert "Labels are matched by name with the columns of both.csv" in Path("new/folder/report.json").read_text()


@pytest.mark.parametrize("content", [b'"a\tb"\t"c\n"1\t0\n', b'"*\n0[0\n'])
def test_a_name_of_a_column_that_goes_over_two_lines_is_told_on_one(content, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    refused = [answered(read, path)[1] for read in (read_labels, read_probs)]
    assert any(refused)
    assert not any("\n" in said for said in refused if said)


def test_names_that_are_bytes_are_read_as_utf_8():
    labels = array_labels(np.array(["Mäntel".encode(), b"Hosen", b"Hosen"]), "labels.npy")
    assert [labels.texts[code] for code in labels.codes] == ["Mäntel", "Hosen", "Hosen"]


def test_texts_of_code_points_that_there_are_not_are_refused():
    with pytest.raises(InputError, match=r"^labels\.npy has texts that are not Unicode; save it again\.$"):
        array_labels(np.frombuffer(b"\xff\xff\xff\x7f" * 3, "<U1"), "labels.npy")
