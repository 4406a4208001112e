"""Names of noises are taken apart in one place."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from labelnoise import names

ROOT = Path(__file__).parents[1]
SPLITTING = {
    "startswith",
    "removeprefix",
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "match",
    "fullmatch",
    "findall",
}
KIND = re.compile(r"(paper|symmetric|pair|random|instance)(-|$)")


def taken_apart(code):
    """The calls that take text apart and say that it is the name of a noise, by what they call it or look for in it."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in SPLITTING]

    def of_noise(call):
        texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        return "noise" in ast.unparse(call) or any(KIND.match(text) for text in texts)

    return [ast.unparse(call) for call in calls if of_noise(call)]


def sources():
    for path in sorted(ROOT.glob("src/labelnoise/**/*.py")):
        yield path.relative_to(ROOT), path.read_text()
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                yield path.relative_to(ROOT), cell.source


def test_no_other_module_and_no_chapter_takes_the_name_of_a_noise_apart():
    found = {(path, call) for path, code in sources() for call in taken_apart(code)}
    assert {path.name for path, _ in found} == {"names.py"}, found


@pytest.mark.parametrize(
    "code",
    [
        'kind, rate = re.split("-", noise)',
        'noise.rpartition("-")[0]',
        'table["noise"].str.startswith("pair")',
        '[name for name in listed if name.startswith("instance-0")]',
        'title.removeprefix("paper-")',
    ],
)
def test_what_would_be_a_second_reader_is_noticed(code):
    assert len(taken_apart(code)) == 1


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("paper-0.5", ("paper", "0.5", "")),
        ("symmetric-1e-05", ("symmetric", "1e-05", "")),
        ("pair-flip-0.45", ("pair-flip", "0.45", "")),
        ("random-0.3-7", ("random", "0.3", "7")),
        ("random-1e-05-7", ("random", "1e-05", "7")),
        ("instance-0.3", ("instance", "0.3", "")),
        ("instance-raw-0.3", ("instance-raw", "0.3", "")),
        ("clean", ("clean", "", "")),
        ("human", ("human", "", "")),
        ("[[1e-05, 0.99999], [0, 1]]", ("[[1e-05, 0.99999], [0, 1]]", "", "")),
    ],
)
def test_a_name_has_a_kind_a_rate_and_the_number_of_a_draw(name, parts):
    assert names.in_parts(name) == parts
