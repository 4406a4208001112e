import os
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor

import pytest

import labelnoise
from labelnoise import cli
from labelnoise.book import chapters, parameters, plans, project
from labelnoise.book.commands import reproduce
from labelnoise.data import sources
from labelnoise.trials import Ledger, provenance
from labelnoise.trials import _sweep as sweep

COMMAND = shutil.which("labelnoise", path=sysconfig.get_path("scripts"))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The real notebooks, with nothing on record and a book and runs/ of its own."""
    root = tmp_path / "checkout"
    shutil.copytree(project.root() / "notebooks", root / "notebooks")
    (root / "_toc.yml").touch()
    monkeypatch.setattr(project, "root", lambda: root)
    monkeypatch.delenv("LABELNOISE_LEDGER", raising=False)
    return root


@pytest.fixture
def two_trials(checkout, tiny, monkeypatch):
    """All chapters together ask for two tiny trials, which are trained in this process."""
    trials = [tiny(images=300), tiny(images=300, method="forward", transition="anchor-97")]
    monkeypatch.setattr(parameters, "planned", lambda name: plans.Plan({"all": trials}))
    monkeypatch.setattr(sweep, "local_pool", lambda workers: ThreadPoolExecutor(workers))
    return trials


# Mistakes.

MISTAKES = {
    "unknown chapter": (["chapter", "04_nothing"], "There is no chapter '04_nothing'; use one of: 01_noise, "),
    "no chapter": (["chapter"], "Name one chapter, or pass --all"),
    "a chapter and all": (["chapter", "01_noise", "--all"], "Name one chapter, or pass --all"),
    "unknown parameter": (["chapter", "03_correction", "-p", "rates", "[0.1]"], "has no parameter 'rates'; use one of"),
    "a parameter of some chapters only": (["chapter", "--all", "-p", "images", "[2000]"], "has no parameter"),
    "text for a list": (
        ["chapter", "03_correction", "-p", "noises", "symmetric-0.1,symmetric-0.3"],
        "must be list[str]",
    ),
    "a number for a list": (["chapter", "03_correction", "-p", "noises", "0.1"], "must be list[str]"),
    "a fraction for a count": (["chapter", "02_estimation", "-p", "seeds", "1.5"], "Parameter seeds must be int"),
    "yes for a count": (["chapter", "02_estimation", "-p", "seeds", "true"], "Parameter seeds must be int"),
    "nothing for a count": (["chapter", "02_estimation", "-p", "seeds", ""], "Parameter seeds must be int"),
    "unreadable value": (["chapter", "03_correction", "-p", "noises", "[clean, human"], "'[clean, human' of parameter"),
    "a date that is none": (["chapter", "02_estimation", "-p", "seeds", "2020-13-45"], "'2020-13-45' of parameter"),
    "unknown noise": (["chapter", "02_estimation", "-p", "noises", "[paper-0.7]"], "Unknown noise 'paper-0.7'"),
    "unknown noise to look at": (["chapter", "01_noise", "-p", "noises", "[paper-0.7]"], "Unknown noise 'paper-0.7'"),
    "no noise": (["chapter", "01_noise", "-p", "noises", "[]"], "noises is empty; pass at least one"),
    "noise of other classes": (["chapter", "02_estimation", "-p", "dataset", "fashion-mnist"], "has 3 classes but"),
    "unknown model": (["chapter", "02_estimation", "-p", "model", "resnet"], "Unknown model 'resnet'"),
    "unknown estimator": (
        ["chapter", "02_estimation", "-p", "estimators", "[magic]"],
        "Unknown estimator 'magic'; use",
    ),
    "no estimator": (["chapter", "02_estimation", "-p", "estimators", "[]"], "estimators is empty; pass at least one"),
    "unknown method": (["chapter", "03_correction", "-p", "methods", "[magic]"], "Unknown method 'magic'"),
    "unknown source of T": (
        ["chapter", "03_correction", "-p", "methods", "['forward, guess']"],
        "from 'guess'; use one of",
    ),
    "unknown data set": (["chapter", "01_noise", "-p", "dataset", "mnist"], "Unknown data set 'mnist'"),
    "unknown profile": (["chapter", "02_estimation", "-p", "profile", "tiny"], "Unknown profile 'tiny'"),
    "a rate above 1": (["chapter", "03_correction", "-p", "noises", "[symmetric-1.5]"], "must lie in [0, 1], not 1.5"),
    "a rate below 0": (
        ["chapter", "03_correction", "-p", "noises", "[symmetric--0.1]"],
        "must lie in [0, 1], not -0.1",
    ),
    "a rate that is none": (
        ["chapter", "03_correction", "-p", "noises", "[symmetric-nan]"],
        "must lie in [0, 1], not nan",
    ),
    "no seed": (["chapter", "02_estimation", "-p", "seeds", "0"], "at least one seed, not 0"),
    "no seed to look at": (["chapter", "01_noise", "-p", "seeds", "0"], "at least one seed, not 0"),
    "less than no seed": (["chapter", "sgd", "-p", "seeds", "-1"], "at least one seed, not -1"),
    "a parameter of another chapter": (
        ["chapter", "03_correction", "-p", "distortions", "[transposed]"],
        "has no parameter 'distortions'; use one of",
    ),
    "its chapter is named": (["chapter", "sgd", "-p", "distortions", "[transposed]"], "It is one of wrong_t."),
    "a parameter with another name": (["chapter", "03_correction", "-p", "sgd_seeds", "2"], "It is now seeds of sgd."),
    "noises and rates": (
        ["chapter", "03_correction", "-p", "noises", "[symmetric-0.2]", "-p", "noise_rates", "[0.1]"],
        "Pass noises or noise_rates, not both",
    ),
    "a noise rate above 1": (["chapter", "03_correction", "-p", "noise_rates", "[1.5]"], "must lie in [0, 1], not 1.5"),
    "unknown kind of noise": (
        ["chapter", "03_correction", "-p", "noise_rates", "[0.1]", "-p", "noise_kind", "pink"],
        "Unknown noise_kind 'pink'; use one of: symmetric, pair-flip, instance",
    ),
    "a smoke run to publish": (
        ["chapter", "02_estimation", "-p", "profile", "smoke", "--publish"],
        "too small to publish",
    ),
    "nothing to replay": (["replay"], "There are no records in "),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_one_sentence_and_status_2_and_changes_nothing(checkout, capsys, arguments, message):
    before = sorted(checkout.rglob("*"))
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.startswith("labelnoise: ")
    assert shown.err.count("\n") == 1
    assert shown.err.endswith("\n")
    assert sorted(checkout.rglob("*")) == before


def test_data_of_another_content_is_a_mistake(tmp_path, monkeypatch, capsys):
    name = next(iter(sources.SHA256))
    (tmp_path / name).write_bytes(b"not images")
    monkeypatch.setenv("LABELNOISE_DATA", str(tmp_path))
    assert cli.main(["data"]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"labelnoise: {tmp_path / name} is not Fashion-MNIST's {name}: its content has sha256 ")
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["publish"], ["chapter", "01_noise", "-p", "seeds"], ["chapter", "01_noise", "--workers", "0"],
        ["chapter", "01_noise", "--unknown"], ["reproduce", "--workers", "two"], ["replay", "-n", "0"],
        ["reproduce", "--workers", "2", "--scheduler", "tcp://host:8786"],
        ["replay", "-n", "-1"], ["replay", "--seed", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_arguments_that_do_not_fit_give_the_usage_and_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: labelnoise")
    assert "error: " in error.splitlines()[-1]


@pytest.mark.parametrize("arguments", [[], ["data"], ["chapter"], ["reproduce"], ["replay"]], ids=" ".join)
def test_help_is_given(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: labelnoise", *arguments]))


def test_the_version_is_given(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"labelnoise {labelnoise.__version__}\n"


def test_the_installed_command_ends_with_a_sentence_and_status_2_wherever_one_stands(tmp_path):
    done = subprocess.run(
        [COMMAND, "chapter", "04_nothing"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("labelnoise: There is no chapter '04_nothing'; use one of: ")
    assert done.stderr.count("\n") == 1


def test_an_interrupt_gives_a_sentence_and_status_130(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(chapters, "train", interrupted)
    assert cli.main(["chapter", "01_noise"]) == 130
    error = capsys.readouterr().err.strip()
    assert error.startswith("labelnoise: stopped; finished trials are on record")
    assert "Traceback" not in error


# What the commands do.


def test_data_says_where_they_are(capsys):
    assert cli.main(["data"]) == 0
    assert str(sources.cache_folder()) in capsys.readouterr().out


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Lists what is to be drawn: chapters, given parameters, whether to publish, workers; and nothing is trained."""
    calls = []
    monkeypatch.setattr(chapters, "train", lambda plans, *, publish, progress, workers, device: calls.append(workers))

    def draw(names, given, *, publish):
        calls.append((names, given, publish, calls.pop()))
        return [(name, tmp_path / f"{name}.html") for name in names]

    monkeypatch.setattr(chapters, "draw", draw)
    monkeypatch.chdir(tmp_path)
    return calls


def test_parameters_are_read_as_values_with_their_type(asked, capsys):
    given = ["-p", "noises", "[symmetric-0.1]", "-p", "seeds", "2", "-p", "profile", "smoke", "-p", "models", "[lenet]"]
    assert cli.main(["chapter", "03_correction", *given, "--workers", "3"]) == 0
    expected = {"noises": ["symmetric-0.1"], "seeds": 2, "profile": "smoke", "models": ["lenet"]}
    assert asked == [(["03_correction"], expected, False, 3)]
    assert capsys.readouterr().out.endswith("\n03_correction: 03_correction.html\n")


def test_the_last_value_of_a_parameter_counts(asked):
    cli.main(["chapter", "03_correction", "-p", "seeds", "2", "-p", "seeds", "3", "--publish"])
    assert asked == [(["03_correction"], {"seeds": 3}, True, None)]


def test_seeds_have_an_argument_of_their_own(asked):
    cli.main(["chapter", "03_correction", "-p", "noise_rates", "[0.1]", "--seeds", "5"])
    assert asked == [(["03_correction"], {"noise_rates": [0.1], "seeds": 5}, False, None)]


def test_a_dry_run_says_what_would_be_trained_and_does_nothing(checkout, capsys):
    before = sorted(checkout.rglob("*"))
    assert cli.main(["chapter", "sgd", "-p", "noise_rates", "[0.1, 0.3]", "--dry-run", "--workers", "2"]) == 0
    said = capsys.readouterr().out
    assert "0 of 12 trials are on record in " in said  # two rates, with and without correction, three seeds
    assert "To train, with what they need: 12, about " in said
    assert said.endswith(" with 2 at once.\n")
    assert sorted(checkout.rglob("*")) == before


def test_a_dry_run_of_reproduce_says_what_would_be_trained_and_does_nothing(tmp_path, capsys):
    assert cli.main(["reproduce", "--headline", "--fresh", str(tmp_path / "new"), "--dry-run", "--workers", "2"]) == 0
    assert "To train, with what they need: 60, about " in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("data", "said"), [("mine.npz", "networks are trained on your images"), ("''", "")])
def test_a_dry_run_says_of_the_chapter_on_own_data_that_it_trains_besides_trials(
    checkout, capsys, tmp_path, data, said
):
    (tmp_path / "mine.npz").touch()
    value = str(tmp_path / data) if said else data
    assert cli.main(["chapter", "09_your_data", "-p", "data", value, "--dry-run"]) == 0
    trials, *besides = capsys.readouterr().out.splitlines()
    assert trials.startswith("0 of 0 trials are on record in ")
    assert len(besides) == bool(said)
    assert said in "".join(besides)


def test_the_headline_has_one_training_of_each_method_and_ten_runs_of_it():
    asked = reproduce.headline()
    trainings = {(trial.noise, trial.method): trial.settings for trial in asked}
    assert [trial.settings for trial in asked] == [trainings[trial.noise, trial.method] for trial in asked]
    assert len(trainings) == 6
    assert len(asked) == 60


def test_the_headline_is_trained_anew_and_held_beside_the_records(checkout, made_up, monkeypatch, capsys):
    for trial in reproduce.headline():
        made = made_up(trial)
        made.history["clean_test_accuracy"][-1] = 0.9 if trial.method == "forward" else 0.8
        project.published_ledger().append(made)

    def sweep(trials, ledger, **options):
        for trial in trials:
            made = made_up(trial)
            made.history["clean_test_accuracy"][-1] = 0.95
            ledger.append(made)

    monkeypatch.setattr(reproduce, "sweep", sweep)
    published = project.published_ledger().path.read_bytes()
    assert cli.main(["reproduce", "--headline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith("paper-0.5")] == [
        ["paper-0.5", "cross-entropy", "80.0", "95.0", "+15.0"],
        ["paper-0.5", "forward", "90.0", "95.0", "+5.0"],
        ["paper-0.5", "hog-forward", "80.0", "95.0", "+15.0"],
    ]
    assert project.published_ledger().path.read_bytes() == published


def test_all_chapters_run_in_order_with_those_that_show_the_others_last(asked):
    assert cli.main(["chapter", "--all", "--publish"]) == 0
    assert asked == [(list(project.notebook_names()), {}, True, None)]
    names = asked[0][0]
    numbered = [name for name in names if name[0].isdigit()]
    assert names[: len(numbered)] == numbered
    assert {project.FRONT_PAGE, "explore"} <= set(names[len(numbered) :])


def trained_lines(folder):
    return (folder / "trials.jsonl").read_bytes().splitlines()


def test_fresh_records_go_to_a_ledger_of_their_own_once(checkout, two_trials, tmp_path, capsys):
    folder = tmp_path / "again"
    assert cli.main(["reproduce", "--fresh", str(folder), "--workers", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"0 of 2 trials are on record in {folder / 'trials.jsonl'}")
    assert "2 of 2 trials done" in shown.err.splitlines()[-1]
    assert [record.trial for record in Ledger(folder / "trials.jsonl")] == two_trials

    lines = trained_lines(folder)
    assert cli.main(["reproduce", "--fresh", str(folder), "--workers", "1"]) == 0
    assert capsys.readouterr().out.startswith("2 of 2 trials are on record")
    assert trained_lines(folder) == lines
    assert not (checkout / "results").exists()


def test_without_a_folder_the_published_records_are_completed(checkout, two_trials, made_up, monkeypatch):
    project.published_ledger().append(made_up(two_trials[0]))
    monkeypatch.setattr("labelnoise.trials._running.run", lambda trial, given=None, device="cpu": made_up(trial))
    assert cli.main(["reproduce", "--workers", "1"]) == 0
    assert [record.trial for record in project.published_ledger()] == two_trials


def test_a_trial_that_fails_gives_a_sentence_and_status_2(checkout, two_trials, tmp_path, monkeypatch, capsys):
    def failing(trial, given=None, device="cpu"):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("labelnoise.trials._running.run", failing)
    assert cli.main(["reproduce", "--fresh", str(tmp_path / "again"), "--workers", "1"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("labelnoise: 2 of 2 trials failed, the first with 'RuntimeError: out of luck'")


@pytest.fixture
def recorded(checkout, tiny, made_up):
    """Five records on this build, which a replay would repeat."""
    for seed in range(5):
        project.published_ledger().append(made_up(tiny(seed=seed), provenance=provenance.here()))
    return project.published_ledger()


def replaying(monkeypatch, made_up, **changes):
    """Training again gives the same record, but for the trials of the seeds named."""

    def run(trial, given=None, device="cpu"):
        fields = changes.get(f"seed_{trial.seed}", {})
        return made_up(trial, provenance=provenance.here(), **fields)

    monkeypatch.setattr("labelnoise.trials._running.run", run)


def test_replayed_trials_that_agree_give_status_0(recorded, made_up, monkeypatch, capsys):
    replaying(monkeypatch, made_up)
    assert cli.main(["replay", "-n", "3"]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first.startswith("3 trials to train again, which took ")
    assert len(lines) == 3
    assert all("agrees bit for bit" in line for line in lines)
    assert last == "3 of 3 replayed trials agree."


def test_a_replayed_trial_that_differs_is_named_and_gives_status_1(recorded, tiny, made_up, monkeypatch, capsys):
    replaying(monkeypatch, made_up, seed_3={"weights_sha256": "f" * 64})
    assert cli.main(["replay", "-n", "9"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    (different,) = (line for line in lines if "DIFFERS" in line)
    assert different.startswith(tiny(seed=3).key)
    assert "seed 3" in different
    assert last == "4 of 5 replayed trials agree."


def test_the_seed_chooses_what_is_replayed(recorded, made_up, monkeypatch, capsys):
    replaying(monkeypatch, made_up)
    chosen = []
    for seed in (0, 0, 1, 2, 3):
        cli.main(["replay", "-n", "2", "--seed", str(seed)])
        chosen.append(capsys.readouterr().out)
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1
