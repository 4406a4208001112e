"""No result is typed: each number in the book's prose is a setting that the code has, or listed with its reason."""

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from distributed.scheduler import dask

from labelnoise import cli, data, statistics
from labelnoise.book import costs, drawn, figures, parameters, plans, project, tables
from labelnoise.book.matrix_tables import LEVEL
from labelnoise.data import sources
from labelnoise.estimators import rule
from labelnoise.names import PAPER, instance_rate, nominal_rate
from labelnoise.own import _choice as choice
from labelnoise.own import suggestions
from labelnoise.training import METHODS, PROTOCOL, ROUNDS, VALIDATION_SHARE, AlexNet, LeNet
from labelnoise.training import _graph as graph
from labelnoise.training import _optimizers as optimizers
from labelnoise.training._settings import PEAKS
from labelnoise.transitions import l1_error, noise_rate
from labelnoise.trials import tuning

ROOT = Path(__file__).parents[2]
COUNTS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
WORDS: dict[str, float] = {word: k for k, word in enumerate(COUNTS, 1)}
WORDS |= {"twenty": 20, "forty": 40, "hundred": 100, "thousand": 1000, "half": 0.5, "thirds": 1 / 3, "quarter": 0.25}
WORDS |= {"fifth": 0.2, "fifths": 0.2, "tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
COMMON = {"one", "two", "half"}  # as words, they are read as numbers only in a sentence of STATED
NUMBER = re.compile(rf"(?<![\w.-])\d+(?:[.,]\d+)*(?!\w)|\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)


def prose(path):
    """A page's sentences on one line, without code, formulae, roles, addresses and what is named by a number."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        drawn = [cell["metadata"]["mystnb"] for cell in cells if "mystnb" in cell["metadata"]]
        captions = [text for each in drawn for text in (each["figure"]["caption"], each["image"]["alt"])]
        text = "\n\n".join([*("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"), *captions])
    for stripped in (
        r"(?ms)^(`{3,}).*?^\1$",  # blocks of code and directives
        r"(?s)\$\$.*?\$\$|\$[^$]*\$",
        r"(?s)(\{[^}`]+\})?(`+)[^`]+\2",  # roles and code
        r"\]\([^)]*\)|https?://\S+",
        r"(?m)^ *\d+\. ",  # of a list
        r"[“\"]0\.[56][”\"]|CC BY 4\.0|arXiv:\S+",  # names
    ):
        text = re.sub(stripped, " ", text)
    return " ".join(text.split())


def numbers(text):
    found = [word.lower() for word in NUMBER.findall(text)]
    return [WORDS[word] if word in WORDS else float(word.replace(",", "")) for word in found]


SOURCES = [*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "book").glob("*.md"))]
# On the page of claims each number is part of a condition on the records; tests/door has those of what was tried.
PAGES = {path.name: prose(path) for path in SOURCES if path.name not in ("claims.md", "tried.md")}


def written(thing, pattern):
    """The number that a function's source, or a file of the repository, has at the group of the pattern."""
    text = (ROOT / thing).read_text() if isinstance(thing, str) else inspect.getsource(thing)
    return float(re.search(pattern, text)[1].replace("_", ""))


def tried(training):
    """With how many methods, and on how many seeds, AlexNet's setting was chosen."""
    records = [r.trial for r in project.every("rates") if (r.trial.settings.averaging is None) == (training == "plain")]
    return [len({(asked.method, asked.transition) for asked in records}), len({asked.seed for asked in records})]


N_ROUNDS, FOLDS, V = len(ROUNDS), METHODS["alternating"].folds, VALIDATION_SHARE
TRUTH = np.array(PAPER["paper-0.6"])
ESTIMATION = parameters.defaults("02_estimation")
LONG = plans.LONG.epochs / PROTOCOL["lenet"].epochs
LENGTHS = parameters.defaults("long_training")["lengths"]

# Sentences, as regular expressions, and the numbers that the code has for them. A constant that changes finds these.
STATED = {
    r"95 % ((t )?intervals?|margin)|nominal 95 %": [100 * LEVEL],
    r"there are three seeds unless": [parameters.OWN_SEEDS],
    r"at 5 %": [100 * (1 - LEVEL)],
    r"one p-value in twenty falls below 0\.05": [1, 1 / (1 - LEVEL), 1 - LEVEL],
    r"± 1\.96|1\.96 standard": [round(scipy.stats.norm.ppf((1 + LEVEL) / 2), 2)],
    r"three classes of Fashion-MNIST": [len(data.PAPER_CLASSES)],
    r"their labels with two matrices": [len(PAPER)],
    r"the three entries in a row": [len(data.PAPER_CLASSES)],
    r"(?i)(all|on|of|in) ten classes|(^|# )ten classes": [data.entry("fashion-mnist").n_classes],
    r"(?i)(on|with|of|##|network,) three classes(?! (of|and on ten))|three-class set": [len(data.PAPER_CLASSES)],
    r"At 0\.6, which is the source": [noise_rate(TRUTH)],
    r"(?i)at the rate 0\.4": [nominal_rate("symmetric-0.4", 3)],
    r"(?i)at the rate 0\.5": [instance_rate("instance-0.5")],
    r"pair flips at the rate 0\.45": [nominal_rate("pair-flip-0.45", 10)],
    r"sum to more than 0\.6, on average": [choice.ROUGH],
    r"a tenth of held-out": [inspect.signature(rule.gain_resolution).parameters["disagreement"].default],
    r"four in ten labels wrong": [10 * instance_rate("instance-0.4"), 10],
    r"three in ten labels": [10 * written("book/library.md", r"rate=([\d.]+)"), 10],
    r"six significant digits": [written(drawn, r"%\.(\d)g")],
    r"the four files": [len(sources.SHA256)],
    r"trained on 80 %": [100 * (1 - V)],
    r"the other 20 %": [100 * V],
    r"a fifth are kept": [V],
    r"four fifths for training and one fifth": [(1 - V) / V, V, 1, V],
    r"error is 0 for a perfect estimate and at most 2": [0, l1_error(np.eye(3), np.eye(3)[[1, 2, 0]])],
    r"take the likeliest , three times|three rounds": [N_ROUNDS],
    r"[Ee]ach of three networks": [FOLDS],
    r"With 2,000 images": [parameters.defaults("precision_depends")["images"][1]],
    r"two matrices,": [len(ESTIMATION["noises"])],
    r"span the 3 to 97 % quantiles": [100 * statistics.QUANTILES[0], 100 * statistics.QUANTILES[-1]],
    r"[Ss]ix in ten": [10 * noise_rate(TRUTH), 10],
    r"has 40 of forward": [parameters.defaults("03_correction")["seeds"]],
    r"mean of ten runs|from chance in ten runs|ten runs show no|Fewer than ten runs of each": [
        parameters.defaults("methods")["seeds"]
    ],
    r"first ten runs of each": [parameters.defaults("methods")["seeds"]],
    r"less than two points above|the two points in the rule": [100 * tables.FAILED],
    r"by two estimates": [len(parameters.defaults("03_correction")["methods"]) - 1],
    r"a hundredth of the information": [round(1 - scipy.stats.entropy(TRUTH[0], base=3), 2)],
    r"ten nearest neighbours": [graph.NEIGHBOURS],
    r"\b100 principal components": [graph.COMPONENTS],
    r"with four methods on four": tried("plain"),
    r"with three methods on two": tried("modern"),
    r"The four methods share": tried("plain")[:1],
    r"on average over three methods": tried("modern")[:1],
    r"after half of the steps, instead of three tenths": [PEAKS["one-cycle-late"], 10 * PEAKS["one-cycle"]],
    r"half the default rate, and 10 epochs instead of 8": [
        plans.GENTLE.learning_rate / PROTOCOL["alexnet"].learning_rate,
        plans.GENTLE.epochs,
        PROTOCOL["alexnet"].epochs,
    ],
    r"at half (its|the|AlexNet)": [plans.GENTLE.learning_rate / PROTOCOL["alexnet"].learning_rate],
    r"momentum 0\.9": [written(optimizers, r"momentum=([\d.]+)")],
    r"five times (as many|as long|the default epochs|the usual epochs|the epochs)": [LONG],
    r"train for 8 epochs": [PROTOCOL["lenet"].epochs],
    r"loses at two epochs": [LENGTHS[0]],
    r"after five epochs": [LENGTHS[1]],
    r"with ten epochs|and after ten,": [LENGTHS[2]],
    r"After twenty|[Ww]ith twenty": [LENGTHS[3]],
    r"gains at forty|[Aa]fter forty|with forty|up to forty": [plans.LONG.epochs],
    r"at a quarter of the default": [plans.LONG.learning_rate / PROTOCOL["lenet"].learning_rate],
    r"on 256 images": [PROTOCOL["alexnet"].batch_size],
    r"with five convolutions": [sum("Conv" in type(layer).__name__ for layer in AlexNet(n_classes=3).features)],
    r"the six channels": [LeNet(n_classes=3).features[0].out_channels],
    r"two tuning seeds": [len(tuning.SEEDS)],
    r"four at random": [written(tuning.study, r"n_startup_trials=(\d+)") - 1],
    r"a quarter to four times": tuning.RELATIVE_RATE,
    r"weight decay \(0\.001 to 0\.1\)": tuning.WEIGHT_DECAY,
    r"half to one and a half times": [tuning.RELATIVE_EPOCHS[0], 1, tuning.RELATIVE_EPOCHS[1] - 1],
    r"six tries": [tuning.TRIES],
    r"two standard errors": [tuning.STANDARD_ERRORS],
    r"linear up to 0\.1": [written(figures.tries, r"linthresh=([\d.]+)")],
    r"here 20 of them": [20 * any("20 steps" in n for n in costs.measured("estimators")["cases"][0]["estimators"])],
    r"opening one of 100,000 records": [1, written("tests/trials/test_ledger.py", r"range\((\d+_\d+)\)")],
    r"Python 3\.11 or newer": [written("pyproject.toml", r'requires-python = ">=([\d.]+)"')],
    r"After four deaths": [dask.config.get("distributed.scheduler.allowed-failures") + 1],
    r"0\.5 unless you say otherwise": [suggestions.THRESHOLD],
    r"train five of them": [cli.parser(["replay"]).parse_args(["replay"]).n],
}

# What is neither a setting nor a result, and why it may stand.
OTHER = {
    r"sums? to 1|[Bb]etween 0 and 1,?|from 0 to 1|is not 0 at|differs from 0 at": "probabilities and scales",
    r"seed 0": "a name",
    r"further from 0 than|the p-value, 0 where|at the rate 0 stands|integers from 0[,.]": "where a scale starts",
    r"counted from 0;": "where rows start",
    r"(version|after) 1\.0": "names of versions",
    r"a millinat is a thousandth|A thousandth of a nat": "a unit",
    r"(equations?|theorem) \d+( and \d+)?": "of the work that is cited",
    r"starts eight processes|asks for forty jobs": "the command or script beside it says so",
    r"Grey: 0\.90 to 0\.99": "a goal, drawn by the same cell",
    r"3 × 3 kernels|four strided slices|A 6 × 6 kernel of stride 2 that gives all four": "layers",
    r"0 to 255|from 0 to 1, channels|32 by 32|1 are divided by their sum": "forms of files, and an example",
    r"99 % of the labels or more|99\.9 % of the rows or more are a 1|0\.001 among": "bounds of warnings",
    r"\b25 \| \| intervals": "a bound of a warning",
    r"5 points (above|off)|0\.001: labels agree": "bounds of warnings, as well",
    r"After ten runs of each": "told of the seeds that were run before the others",
    r"within fifteen minutes on two cores": "the promise of a command, which took ten",
    r"[Tt]en images": "of a worked example, which the table below lists",
    r"Four lines, one|three of them, and a bar": "what a figure shows, for those who don't see it",
    r"Four settings were tried": "the table below has them",
    r"worked out on three seeds": "told of a study before this protocol, not on record",
}


def unexplained(text):
    """The numbers of a text, each with what follows it, that neither STATED nor OTHER has."""
    spans = [found.span() for phrase in (*STATED, *OTHER) for found in re.finditer(phrase, text)]
    return [
        text[found.start() : found.end() + 40]
        for found in NUMBER.finditer(text)
        if not any(a <= found.start() < b for a, b in spans) and found[0].lower() not in COMMON
    ]


@pytest.mark.parametrize("phrase", [*STATED, *OTHER])
def test_the_prose_has_the_numbers_of_the_code(phrase):
    said = [found[0] for text in PAGES.values() for found in re.finditer(phrase, text)]
    assert said, "no page says this any more"
    for text in said:
        assert phrase in OTHER or numbers(text) == pytest.approx(list(STATED[phrase])), text


@pytest.mark.parametrize("page", PAGES)
def test_no_other_number_is_typed(page):
    assert unexplained(PAGES[page]) == []


def test_a_typed_result_is_found_wherever_it_stands(tmp_path):
    page = tmp_path / "page.md"
    typed = "It is 93.5 % {glue:text}`n-1`, $x_2$, `3`, ResNet-34,\n\n| 4,000 |\n\nand rises by a tenth in two runs."
    page.write_text(f"1. {typed}\n\n```bash\nrun 5\n```\n")
    assert numbers(prose(page)) == [93.5, 4000, 0.1, 2]
    assert [text.split()[0] for text in unexplained(prose(page))] == ["93.5", "4,000", "tenth"]
