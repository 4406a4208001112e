"""Bad input is answered in one sentence that names it, before anything is written, and by nothing else."""

import collections
import re
import shutil
import sys
from pathlib import Path

import door_arguments
import door_commands
import door_files
import pytest

import labelnoise
from labelnoise import cli
from labelnoise.book import chapters, project
from labelnoise.book.commands import reproduce
from labelnoise.errors import InputError
from labelnoise.own import _training, estimate

ARGUMENTS = list(door_arguments.cases())
FILES = list(door_files.readers())
SETS = list(door_files.sets())
ARCHIVES = door_files.archives(
    door_arguments.but(door_files.IMAGE_ARRAYS, "oblong", "small"),  # these only training refuses
    door_arguments.but(door_files.LABEL_ARRAYS, "one class"),
)
NETWORKS = door_files.networks()
OPTIONS = list(door_commands.options())
CHAPTERS = list(door_commands.chapters())
TRAIN = _training.train
OWN = list(door_commands.own_code())


def counts():
    """How many bad inputs are tried, by kind."""
    kinds = {
        "arguments of functions": ARGUMENTS,
        "files that commands read": FILES,
        "archives that read_npz reads": ARCHIVES,
        "files of trained networks": NETWORKS,
        "sets to be written": SETS,
        "options of commands": OPTIONS,
        "parameters of chapters": CHAPTERS,
        "code of a user's own": [*OWN, *door_commands.IN_TRAINING],
    }
    return collections.Counter({kind: len(cases) for kind, cases in kinds.items()})


def test_there_are_enough_of_them():
    assert counts().total() >= 1500


def test_the_page_on_what_was_tried_has_their_numbers():
    page = (Path(__file__).parents[2] / "book/tried.md").read_text()
    told = {kind: int(number.replace(",", "")) for kind, number in re.findall(r"^\| (.+) \| ([\d,]+) \|$", page, re.M)}
    assert told == counts()


def check_sentence(text):
    assert re.fullmatch(r"[^\n]{10,1200}[.]", text), text
    assert " object at 0x" not in text


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to be in, where nothing may be trained or estimated."""

    def stop(*args, **kwargs):
        pytest.fail("it went on")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module, name in ((_training, "train"), (estimate, "estimate"), (chapters, "train"), (reproduce, "sweep")):
        monkeypatch.setattr(module, name, stop)
    return tmp_path


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """The notebooks, with nothing on record."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(project.root() / "notebooks", root / "notebooks")
    (root / "_toc.yml").touch()
    return root


def refused(function, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        function(*args, **kwargs)
    check_sentence(str(caught.value))
    return str(caught.value)


def answered(capsys, here, arguments):
    """What the command says of its arguments, which it refuses with status 2 before it writes anything."""
    before = sorted(here.rglob("*"))
    try:
        status = cli.main(arguments)
    except SystemExit as error:  # by which argparse refuses
        status = error.code
    shown = capsys.readouterr()
    assert (status, shown.out) == (2, "")
    assert sorted(here.rglob("*")) == before
    *usage, sentence = shown.err.rstrip("\n").split("\n")
    assert not usage or usage[0].startswith("usage: ")
    assert re.match("labelnoise( [a-z]+)?: ", sentence)
    check_sentence(sentence + "." * bool(usage))
    return sentence


def ids(cases):
    return ["-".join(map(str, each[:2])) for each in cases]


# Where either of two may be meant, or a thing has a name in words.
ALSO = {
    "start": ["transition matrix"],
    "truth": ["true matrix"],
    "transition_matrix": ["T's diagonal"],
    "path": ["nowhere.npz", "aaa", " is a folder"],
    "network": ["model"],
}


@pytest.mark.parametrize(
    ("name", "argument", "given"),
    [(*each[:2], each[3]) for each in ARGUMENTS],
    ids=["-".join(a[:3]) for a in ARGUMENTS],
)
def test_a_bad_argument_is_refused_by_name(name, argument, given, here):
    said = refused(door_arguments.public(name), **given)
    known = [argument, argument.replace("_", " "), *ALSO.get(argument, [])]
    assert any(each in said or each in said.lower() for each in known), said
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("kind", "text", "makes"), [each[:3] for each in FILES], ids=[f"{each[0]}-{each[3]}" for each in FILES]
)
def test_a_bad_file_is_refused_by_name(kind, text, makes, here, capsys):
    for make in makes:
        make()
    said = answered(capsys, here, [*text.split(), "--out", "report"])
    words = ["bad", *door_files.KEYS, "images are 9 pixels wide", "60 images of 1 classes"]
    assert any(word in said for word in words), said


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_a_bad_archive_is_refused_by_name(make):
    make()
    assert any(word in refused(labelnoise.read_npz, "bad.npz") for word in ("bad.npz", *door_files.KEYS))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_bad_file_of_a_network_is_refused_by_name(make):
    make()
    said = refused(labelnoise.load_network, "bad.safetensors")
    assert any(words in said for words in ("bad.safetensors", "Unknown model 'x'", "images of 100,000 pixels"))


@pytest.mark.parametrize("given", [given for _, given in SETS], ids=[wrong for wrong, _ in SETS])
def test_no_set_is_written_that_would_not_be_read(given, here):
    said = refused(labelnoise.write_npz, "set.npz", labelnoise.NoisySet(**given))
    assert any(key in said for key in door_files.KEYS)
    assert not list(here.iterdir())


@pytest.mark.parametrize(("arguments", "makes"), [each[1:] for each in OPTIONS], ids=[each[0] for each in OPTIONS])
def test_a_bad_option_is_refused(arguments, makes, here, checkout, capsys, monkeypatch):
    monkeypatch.setattr(project, "root", lambda: checkout)
    for make in (*door_commands.FILES, *makes):
        make()
    answered(capsys, here, arguments)


@pytest.mark.parametrize(("name", "key", "value"), CHAPTERS, ids=["-".join(each) for each in CHAPTERS])
def test_a_bad_parameter_is_refused(name, key, value, here, checkout, capsys, monkeypatch):
    monkeypatch.setattr(project, "root", lambda: checkout)
    said = answered(capsys, here, ["chapter", name, "-p", key, value, "--dry-run"])
    words = [key, key.removesuffix("s"), key.replace("_", " ").removesuffix("s"), *re.findall(r"[a-z]+|\d+", value)]
    words += ["''", "'true, '"]  # an empty name, as it is or as the source of T
    assert any(word in said for word in words), said


def written(modules):
    for file, text in modules.items():
        Path(file).write_bytes(text.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(("name", "modules"), [each[1:] for each in OWN], ids=[each[0] for each in OWN])
def test_own_code_that_fails_is_named(name, modules, here, capsys):
    door_files.GOOD_SET()
    written(modules)
    assert name.partition("@")[0] in answered(capsys, here, ["train", "bad.npz", "--network", name])


@pytest.mark.parametrize("text", door_commands.IN_TRAINING.values(), ids=door_commands.IN_TRAINING)
def test_own_code_that_fails_in_training_is_named_and_its_traceback_shown_if_asked_for(text, here, capsys, monkeypatch):
    monkeypatch.setattr(_training, "train", TRAIN)
    module = f"bad_in_training_{list(door_commands.IN_TRAINING.values()).index(text)}"
    door_files.GOOD_SET()
    written({f"{module}.py": door_commands.FAILING.replace("WHAT", text)})
    arguments = ["train", "bad.npz", "--network", f"{module}:make", "--workers", "1", "--method", "cross-entropy"]
    for debug in ([], ["--debug"]):
        assert cli.main([*arguments, *debug]) == 2
        *lines, last = capsys.readouterr().err.rstrip("\n").split("\n")
        assert last.startswith(f"labelnoise: The network {module}:make fails in training: ")
        assert any(f'{module}.py"' in line for line in lines) == (bool(debug) and "return" not in text)
    assert not Path("report").exists()
