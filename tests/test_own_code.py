"""Code of a user's own by name: what it is taken from, and when it is taken for another."""

import sys
from pathlib import Path

import pytest

import labelnoise
from labelnoise import _imports, cli
from labelnoise.errors import InputError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes modules into the folder that own code is looked for in."""
    monkeypatch.setenv("LABELNOISE_FOLDER", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def to(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return to


def test_it_comes_from_the_folder_that_is_named_else_from_the_current_one(write, tmp_path, monkeypatch):
    write("of_folder.py", "def idea():\n    return 1\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "of_folder.py").write_text("def idea():\n    return 'here'\n")
    monkeypatch.chdir(tmp_path / "here")
    before = list(sys.path)
    assert _imports.imported("of_folder:idea", "estimator")() == 1
    monkeypatch.delenv("LABELNOISE_FOLDER")
    assert _imports.imported("of_folder:idea", "estimator")() == "here"
    assert sys.path == before


def test_a_changed_source_is_another_idea(write):
    write("changing.py", "def idea():\n    return 1\n")
    first = _imports.pinned("changing:idea", "estimator")
    assert first == _imports.pinned("changing:idea", "estimator") == _imports.pinned(first, "estimator")
    assert _imports.without_hash(first) == "changing:idea"
    write("changing.py", "def idea():\n    return 22\n")
    second = _imports.pinned("changing:idea", "estimator")
    assert second != first
    assert [_imports.imported(name, "estimator")() for name in (first, second, "changing:idea")] == [1, 22, 22]


@pytest.mark.parametrize(
    "text",
    [
        "import helper_of_ideas as h\ndef idea():\n    return h.VALUE\n",
        "def idea():\n    import helper_of_ideas\n",
        "from package_of_ideas import inner\ndef idea():\n    return inner.VALUE\n",
        "from package_of_ideas.inner import VALUE\ndef idea():\n    return VALUE\n",
    ],
)
def test_what_it_imports_from_the_folder_counts_too_and_nothing_else_does(write, text):
    write("with_help.py", text)
    write("helper_of_ideas.py", "VALUE = 1\n")
    write("package_of_ideas/__init__.py", "")
    write("package_of_ideas/inner.py", "from .deep import VALUE\n")
    write("package_of_ideas/deep.py", "VALUE = 1\n")
    first = _imports.pinned("with_help:idea", "estimator")
    write("beside.py", "VALUE = 1\n")
    assert _imports.pinned("with_help:idea", "estimator") == first
    for name in ("helper_of_ideas.py", "package_of_ideas/deep.py"):
        write(name, "VALUE = 333\n")
    assert _imports.pinned("with_help:idea", "estimator") != first
    if "return" in text:
        assert _imports.imported("with_help:idea", "estimator")() == 333


def test_a_name_with_the_hash_of_another_source_is_refused(write):
    write("gone.py", "idea = 1\n")
    with pytest.raises(_imports.SourceGone, match="The source of the method gone:idea has changed meanwhile"):
        _imports.imported("gone:idea@00000000", "method")
    with pytest.raises(_imports.SourceGone, match="The method never_there:idea can't be imported"):
        _imports.imported("never_there:idea@00000000", "method")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere:idea", "No module named 'nowhere'"),
        ("empty:idea", "has no attribute 'idea'"),
        ("failing:idea", "division by zero"),
        ("unreadable:idea", "invalid syntax"),
        ("ending:idea", "no arguments"),
    ],
)
def test_what_can_t_be_imported_is_told_with_the_folder_that_was_looked_in(write, tmp_path, name, reason):
    write("empty.py", "")
    write("failing.py", "1 / 0\n")
    write("ending.py", "raise SystemExit('no arguments')\n")
    write("unreadable.py", "def def\n")
    with pytest.raises(
        InputError, match=f"^The loss {name} can't be imported: .*{reason}.*; it was looked for in .*"
    ) as e:
        _imports.imported(name, "loss")
    assert str(e.value).endswith(f"{tmp_path}.")


@pytest.mark.parametrize("name", [":", "a:", ":b", "a b:c", "a:b:c", "../a:b", "a:b, c", "1a:b"])
def test_a_name_of_another_form_is_refused(name):
    with pytest.raises(InputError, match="An own estimator is named module:name, such as my_module:my_estimator, not"):
        _imports.imported(name, "estimator")


def test_where_own_code_can_be_named_it_is_said_that_it_is_run(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    book = Path(__file__).parents[1] / "book"
    pages = [(book / name).read_text() for name in ("your_files.md", "ideas.md")]
    for text in (capsys.readouterr().out, labelnoise.train.__doc__, *pages):
        assert "so name only code that you trust" in " ".join(text.split())
