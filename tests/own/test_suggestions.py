"""Suggestions and cleaned labels: what is written, by which rule, and the same from files and from arrays."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labelnoise
from labelnoise import cli, noise
from labelnoise._checks import as_array
from labelnoise.errors import InputError
from labelnoise.own import suggestions
from labelnoise.transitions import symmetric

NAMES = np.array(["cat", "dog", "owl"])
N = 600


def drawn(seed=0):
    """P(noisy | x) by a model that is nearly sure, clean and noisy labels, of which 0.3 are wrong."""
    generator = np.random.default_rng(seed)
    clean = generator.integers(3, size=N)
    matrix = symmetric(3, 0.3)
    sure = generator.uniform(0.6, 1, size=(N, 1))
    probs = (sure * np.eye(3)[clean] + (1 - sure) / 3) @ matrix
    return probs, clean, noise.corrupt(clean, matrix, generator)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    probs, clean, noisy = drawn()
    pd.DataFrame(probs, columns=NAMES).to_csv("probs.csv", index=False)
    pd.DataFrame({"id": np.arange(N) + 7, "label": NAMES[noisy]}).to_csv("labels.csv", index=False)
    return probs, clean, noisy


def command(*options):
    return cli.main(["estimate", "--labels", "labels.csv", "--probs", "probs.csv", "--out", "out", *options])


def test_every_label_stands_in_the_suggestions_the_clearest_first(data):
    _, clean, noisy = data
    assert command() == 0
    found = pd.read_csv("out/suggestions.csv")
    assert list(found.columns) == ["row", "label", "suggestion", "p_wrong", "times"]
    assert sorted(found["row"]) == list(range(N))
    np.testing.assert_array_equal(found["label"], NAMES[noisy][found["row"]])
    assert found["times"].is_monotonic_decreasing
    assert found["p_wrong"].between(0, 1).all()
    wrong = noisy != clean
    assert wrong[found["row"][: wrong.sum()]].all()
    assert (found["suggestion"] == NAMES[clean][found["row"]]).mean() > 0.9


@pytest.mark.parametrize("threshold", [0, 0.5, 0.7, 1])
def test_labels_change_by_the_rule_alone_and_the_report_says_how_many(data, capsys, threshold):
    _, _, noisy = data
    assert command("--threshold", str(threshold)) == 0
    found, cleaned = (pd.read_csv(f"out/{name}.csv") for name in ("suggestions", "labels_cleaned"))
    found = found.set_index("row").sort_index()
    by_rule = np.where(found["p_wrong"] > threshold, found["suggestion"], found["label"])
    np.testing.assert_array_equal(cleaned["label"], by_rule)
    np.testing.assert_array_equal(cleaned["given"], NAMES[noisy])
    changed = int((cleaned["label"] != cleaned["given"]).sum())
    assert json.loads(Path("out/report.json").read_text())["cleaned"] == {"threshold": threshold, "changed": changed}
    said = f"a probability above {threshold:g} is changed to its suggestion, if that is another class: {changed} of {N}"
    assert said in " ".join(capsys.readouterr().out.split())
    assert said in Path("out/report.html").read_text()
    assert changed == 0 if threshold == 1 else changed > 0


def test_the_report_shows_the_clearest_rows(data, capsys):
    assert command() == 0
    out, page = capsys.readouterr().out, Path("out/report.html").read_text()
    found = pd.read_csv("out/suggestions.csv")
    clearest = found[found["suggestion"] != found["label"]].head(suggestions.FEW)
    for row in clearest.itertuples():
        shown = [str(row.row), row.label, row.suggestion, f"{100 * row.p_wrong:.1f} %", f"{row.times:.1f} times"]
        assert re.search(r"\b" + " +".join(map(re.escape, shown)), out)
        assert "".join(f"<td>{cell}</td>" for cell in shown) in page


def test_cleaned_labels_are_read_as_labels_and_have_fewer_wrong_ones(data):
    _, clean, noisy = data
    assert command() == 0
    cleaned = pd.read_csv("out/labels_cleaned.csv")["label"].to_numpy()
    assert (cleaned != NAMES[clean]).sum() < (noisy != clean).sum() / 2
    again = ["estimate", "--labels", "out/labels_cleaned.csv", "--probs", "probs.csv", "--out", "again"]
    assert cli.main(again) == 0
    np.testing.assert_array_equal(pd.read_csv("again/labels_cleaned.csv")["given"], cleaned)


@pytest.mark.parametrize("read", ["labels", "probs"])
def test_what_is_read_is_never_replaced(data, capsys, read):
    assert command() == 0
    (Path("out") / "labels_cleaned.csv").write_bytes(Path(f"{read}.csv").read_bytes())  # under a name of a report's
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    assert command(f"--{read}", "out/labels_cleaned.csv") == 2
    assert "out/labels_cleaned.csv is read and would be replaced with the report in out" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before
    assert cli.main(["train", "out", "--out", "out"]) == 2


@pytest.mark.parametrize("threshold", ["-0.1", "1.5", "nan"])
@pytest.mark.usefixtures("data")
def test_a_threshold_that_is_no_probability_gives_one_sentence(capsys, threshold):
    for name in ("estimate --labels labels.csv --probs probs.csv", "train labels.csv"):
        assert cli.main([*name.split(), "--threshold", threshold]) == 2
        assert f"--threshold must be a probability from 0 to 1, not {threshold}." in capsys.readouterr().err
    with pytest.raises(InputError, match="threshold must be a probability from 0 to 1"):
        labelnoise.estimate(*drawn()[::2], threshold=float(threshold))


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_a_label_never_changes_to_itself_and_every_change_is_above_the_threshold(seed, threshold):
    generator = np.random.default_rng(seed)
    columns = {"row": generator.permutation(20), "label": generator.choice(NAMES, 20)}
    columns |= {"suggestion": generator.choice(NAMES, 20), "p_wrong": generator.random(20), "times": np.ones(20)}
    table = pd.DataFrame(columns)
    changed = suggestions.changes(table, threshold)
    assert (changed["label"] != changed["suggestion"]).all()
    assert (changed["p_wrong"] > threshold).all()
    cleaned = suggestions.cleaned(table, threshold)
    assert (cleaned["label"] != cleaned["given"]).sum() == len(changed)
    np.testing.assert_array_equal(cleaned["given"][table["row"]], table["label"])


# From Python.


def test_arrays_give_what_files_give(data):
    probs, _, noisy = data
    assert command() == 0
    found = labelnoise.estimate(probs, NAMES[noisy])
    pd.testing.assert_frame_equal(found.suggestions.round(6), pd.read_csv("out/suggestions.csv"), atol=2e-6, rtol=1e-4)
    np.testing.assert_array_equal(found.cleaned, pd.read_csv("out/labels_cleaned.csv")["label"])
    assert repr(found).startswith("T by confident learning from 600 labels of 3 classes")


FORMS = {
    "integers": lambda probs, noisy: (probs, noisy),
    "int8": lambda probs, noisy: (probs.astype(np.float32), noisy.astype(np.int8)),
    "lists": lambda probs, noisy: (probs.tolist(), noisy.tolist()),
    "tensors": lambda probs, noisy: (torch.from_numpy(probs), torch.from_numpy(noisy)),
    "names": lambda probs, noisy: (probs, NAMES[noisy]),
    "series of names": lambda probs, noisy: (probs, pd.Series(NAMES[noisy])),
    "objects": lambda probs, noisy: (probs, NAMES[noisy].astype(object)),
    "a frame": lambda probs, noisy: (pd.DataFrame(probs, columns=NAMES)[["owl", "cat", "dog"]], NAMES[noisy]),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_arrays_gives_the_same_and_labels_of_its_own_kind(form):
    probs, _, noisy = drawn()
    plain = labelnoise.estimate(probs, noisy)
    given_probs, given_labels = form(probs, noisy)
    before = as_array(given_labels, "labels").copy()
    found = labelnoise.estimate(given_probs, given_labels)
    np.testing.assert_array_equal(as_array(given_labels, "labels"), before)
    assert found.cleaned.dtype == before.dtype
    np.testing.assert_array_equal(found.suggestions["row"], plain.suggestions["row"])
    codes = found.cleaned if before.dtype.kind == "i" else pd.Index(NAMES).get_indexer(found.cleaned)
    np.testing.assert_array_equal(codes, plain.cleaned)


@pytest.mark.parametrize(
    ("change", "message"),
    {
        "short": (lambda probs, noisy: (probs[1:], noisy), "labels has 600 labels but pred_probs has 599 rows"),
        "logits": (lambda probs, noisy: (np.log(probs), noisy), "Row 0 of pred_probs sums to"),
        "too large": (lambda probs, noisy: (probs, noisy + 1000), "of labels is '1000', none of the classes"),
        "missing": (lambda probs, noisy: (probs, [None, *NAMES[noisy][1:]]), "Row 0 of labels has no label"),
    }.values(),
)
def test_arrays_that_can_not_be_used_give_one_sentence(change, message):
    with pytest.raises(InputError, match=message):
        labelnoise.estimate(*change(*drawn()[::2]))
    with pytest.raises(InputError, match="Unknown estimator 'guess'"):
        labelnoise.estimate(*drawn()[::2], estimator="guess")


def test_a_notebook_is_given_a_part_of_a_page_that_touches_nothing_else():
    shown = labelnoise.estimate(*drawn()[::2])._repr_html_()
    assert not re.search(r"<(html|head|body|title|meta|script|link)\b", shown)
    (style,) = re.findall(r"<style>(.*?)</style>", shown, flags=re.DOTALL)
    outer = re.sub(r"\{(?:[^{}]|\{[^{}]*\}|\{(?:[^{}]|\{[^{}]*\})*\})*\}", "", style)  # what stands outside of rules
    assert outer.split() == [".labelnoise"]
    assert "Labels that are likely wrong" in shown


def test_arrays_need_no_reader_of_files():
    code = (
        "import sys; sys.modules['pyarrow'] = None\nimport numpy as np, labelnoise\n"
        "labels = np.arange(60) % 3\nfound = labelnoise.estimate(0.7 * np.eye(3)[labels] + 0.1, labels)\n"
        "print(len(found.suggestions), len(found._repr_html_()) > 1000)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "60 True\n"
