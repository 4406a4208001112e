"""Training on noisy labels alone, on images that a network of one layer tells apart."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import labelnoise
from labelnoise import noise, transitions
from labelnoise.data import NoisySet
from labelnoise.errors import InputError
from labelnoise.own import _workers
from labelnoise.own._choice import Shown, choose, in_order
from labelnoise.own._methods import AUTO, TRIED, OwnSettings, compared
from labelnoise.own._network import network_maker
from labelnoise.own._training import _checked, epochs_in_all, train
from labelnoise.training import MODELS, Settings, predict_probs, seeded

SETTINGS = Settings(epochs=4, batch_size=32, learning_rate=0.03, weight_decay=1e-4)
BOTH = OwnSettings(SETTINGS, SETTINGS)


@pytest.fixture(scope="module")
def own():
    generator = np.random.default_rng(0)
    clean = np.arange(120) % 2
    images = generator.integers(100, size=(120, 1, 4, 4)) + 100 * clean.reshape(-1, 1, 1, 1)
    noisy = np.where(generator.random(120) < 0.2, 1 - clean, clean)
    return NoisySet(torch.from_numpy(images.astype(np.uint8)), noisy)


@pytest.mark.parametrize("name", ["cross-entropy", "forward", "co-teaching", AUTO])
def test_every_network_has_weights_of_its_own_and_every_epoch_is_told(own, name):
    made, told = [], []

    def make(number):
        made.append(number)
        with seeded(number):
            return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))

    progress = SimpleNamespace(epoch=lambda: told.append(phases[-1]), phase=lambda text: phases.append(text))
    phases = []
    done = train(own, make, name, BOTH, progress=progress)
    names, _ = compared(name, 120, 2)
    # Those of the folds have the numbers 1 to 3; the second of a pair has 4.
    assert set(made) == {0, 1, 2, 3, *([4] if name == "co-teaching" else [])}
    assert len(told) == epochs_in_all(names, BOTH)
    assert phases == ["first networks", "estimating T", "comparing methods" if len(names) > 1 else "training",
                      "on all images"]  # fmt: skip
    assert (done.gain is None) == (name == "cross-entropy")
    assert (done.choice is not None) == (name == AUTO)
    assert len(done.history) == SETTINGS.epochs


@pytest.mark.parametrize("name", MODELS)
def test_each_network_of_the_book_is_trained_on_a_set_without_test_images(name):
    images, labels = torch.randint(256, (36, 1, 28, 28), dtype=torch.uint8), np.arange(36) % 2
    once = replace(SETTINGS, epochs=1)
    done = train(NoisySet(images, labels), network_maker(name, 2, 1, 28, 0), "forward", OwnSettings(once, once))
    assert done.test_accuracy is None


def held_out(hits, n=400):
    """A network that predicts so many of n labels, the first ones; with the labels."""
    labels = np.arange(n) % 2
    predicted = np.where(np.arange(n) < hits, labels, 1 - labels)
    return np.eye(2)[predicted], labels


@pytest.mark.parametrize(
    ("hits", "taken", "clear"),
    [((300, 200, 200), 0, True), ((200, 300, 200), 1, True), ((200, 200, 300), 2, True), ((299, 300, 299), 0, False)],
)
def test_the_network_that_the_labels_prefer_is_taken_and_the_first_where_they_can_not_tell(hits, taken, clear):
    shown = [Shown(name, 0, held_out(each)[0]) for name, each in zip(TRIED, hits, strict=True)]
    choice = choose(shown, held_out(0)[1])
    assert choice.method == TRIED[taken]
    assert choice.clear == clear
    assert choice.scores[0].agreement == hits[taken] / 400
    for score in choice.scores[1:]:
        mean = (hits[taken] - hits[TRIED.index(score.method)]) / 400
        assert score.ahead.mean == pytest.approx(mean)
        assert score.ahead.low <= mean <= score.ahead.high


@pytest.mark.parametrize(("error", "first"), [(0.59, "hog-forward"), (0.61, "cross-entropy")])
def test_a_network_without_t_is_preferred_where_t_is_known_only_roughly(error, first):
    ordered, because = in_order(TRIED, np.full((3, 3), error / 3))
    assert ordered[0] == first
    assert sorted(ordered) == sorted(TRIED)
    shown = [Shown(name, 0, held_out(200 + k)[0]) for k, name in enumerate(ordered)]
    choice = choose(shown, held_out(0)[1], because=because)
    assert choice.method == first
    assert ("T is known only roughly" in str(choice)) == (first == "cross-entropy")


def test_what_a_set_can_not_have_is_left_out_with_a_sentence_or_refused_if_it_was_asked_for():
    for n_images, n_classes in ((100, 2), (80_000, 10), (5000, 50)):
        names, left_out = compared(AUTO, n_images, n_classes)
        assert names == ["forward", "cross-entropy"]
        ((name, reason),) = left_out
        assert name == "hog-forward"
        shown = [Shown(each, 0, held_out(200)[0]) for each in names]
        assert f"(hog-forward) was left out, as {reason}." in str(choose(shown, held_out(0)[1], left_out))
        with pytest.raises(InputError, match="hog-forward can't be had on these images, as it "):
            compared("hog-forward", n_images, n_classes)
    assert compared(AUTO, 5000, 10) == (list(TRIED), ())


@pytest.mark.parametrize(("name", "channels"), [("resnet18", 1), ("shufflenet_v2_x0_5", 3)])
def test_a_classifier_of_torchvision_is_made_by_its_name(name, channels):
    network = network_maker(name, 7, channels, 32, seed=0)(0)
    assert network(torch.zeros(2, channels, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", ["vit_b_16", "inception_v3"])
def test_one_that_takes_other_images_is_refused_with_a_sentence(name):
    with pytest.raises(InputError, match=f"^The network {name} (fails|gives)"):
        network_maker(name, 7, 3, 32, seed=0)


# A user's script without a guard, as most are.
SCRIPT = """
import sys
import numpy as np
import labelnoise
print("run", flush=True)
generator = np.random.default_rng(0)
labels = generator.integers(2, size=150)
images = generator.integers(100, size=(150, 28, 28)) + 100 * labels[:, None, None]
noisy = np.where(generator.random(150) < 0.2, 1 - labels, labels)
asked = {"method": "auto", "network": "script_of_test:small", "workers": int(sys.argv[1])}
trained = labelnoise.train(images, noisy, **asked)
trained.network.save(f"{sys.argv[1]}.safetensors")
print(trained.predict_proba(images).sum(axis=0), trained.found.gain, trained.found.choice)
"""
SMALL = """
from torch import nn
def small(n_classes, in_channels, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, n_classes))
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "script_of_test.py").write_text(SMALL)

    def start(workers):
        return subprocess.Popen(
            [sys.executable, "script.py", str(workers)], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


def test_side_by_side_or_not_the_network_and_what_is_said_of_it_are_the_same_to_the_last_bit(script, tmp_path):
    said = []
    for workers in (1, 2):
        process = script(workers)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        said.append(out)
    assert said[0] == said[1]
    assert said[0].count("run") == 1, "the script itself is run once"
    assert (tmp_path / "1.safetensors").read_bytes() == (tmp_path / "2.safetensors").read_bytes()


def children(pid):
    found = [int(line) for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [each for child in found for each in children(child)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_training_that_is_stopped_leaves_no_process_and_no_file(tmp_path):
    generator = np.random.default_rng(0)
    labels = np.arange(3000) % 2
    np.savez(tmp_path / "own.npz", Xtr=generator.integers(255, size=(3000, 28, 28), dtype=np.uint8), Str=labels)
    command = [sys.executable, "-m", "labelnoise.cli", "train", "own.npz", "--workers", "2", "--out", "report"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    assert "epoch" in process.stderr.readline()  # it trains
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "labelnoise: stopped; nothing was written."
    assert "Traceback" not in err
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{each}") for each in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(os.path.exists(f"/proc/{each}") for each in workers)
    assert [path.name for path in tmp_path.iterdir()] == ["own.npz"]


SHOW_MASK = "print(next(line for line in open('/proc/self/status') if line.startswith('SigBlk')))"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="it reads Linux's table of processes")
def test_ctrl_c_while_a_process_starts_is_answered_when_it_has_and_never_reaches_the_process():
    before, blocked = signal.signal(signal.SIGINT, signal.default_int_handler), []  # a background job ignores it

    def start():
        with _workers._no_script():
            os.kill(os.getpid(), signal.SIGINT)
            started = subprocess.run([sys.executable, "-c", SHOW_MASK], capture_output=True, text=True, check=True)
            blocked.append(int(started.stdout.split()[1], 16) >> signal.SIGINT - 1 & 1)

    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert blocked == [1]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        start()  # who ignores it goes on
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


LOSSES = """
import torch.nn.functional as F
from torch import nn
class Plain(nn.Module):
    def forward(self, logits, labels): return F.cross_entropy(logits, labels)
class Soft(Plain):
    def __init__(self, transition_matrix, soft_labels): super().__init__()
class Broken(Plain):
    def forward(self, logits, labels): raise KeyError("x")
"""


@pytest.fixture
def losses(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELNOISE_FOLDER", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "own_losses_of_test.py").write_text(LOSSES)


def small_network(number):
    with seeded(number):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize("name", ["own_losses_of_test:Plain", "own_losses_of_test:Soft"])
@pytest.mark.parametrize("error", [0.0, 1.0])
def test_a_loss_of_ones_own_is_trained_by_and_told_of_however_rough_t_is(own, losses, monkeypatch, name, error):
    ordered = []
    monkeypatch.setattr(
        "labelnoise.own._training.in_order",
        lambda names, deviation: ordered.append(in_order(names, np.full_like(deviation, error))) or ordered[0],
    )
    done = train(own, small_network, name, BOTH)
    assert len(done.history) == SETTINGS.epochs
    assert sorted(ordered[0][0]) == sorted([name, "cross-entropy"])
    shown = [Shown(each, 0, held_out(300 - k)[0]) for k, each in enumerate(ordered[0][0])]
    assert f"{name} " in str(choose(shown, held_out(0)[1]))


def test_a_loss_of_ones_own_that_fails_is_refused_before_anything_is_trained(own, losses):
    def make(number):
        pytest.fail("it trains")

    with pytest.raises(InputError, match=r"^The method own_losses_of_test:Broken fails: KeyError: 'x'"):
        train(own, make, "own_losses_of_test:Broken", BOTH)
    with pytest.raises(InputError, match="own_losses_of_test:Soft can't be had on these images, as it takes more than"):
        compared("own_losses_of_test:Soft", 60, 2)


def test_arrays_in_any_usual_form_are_trained_on_and_predicted(monkeypatch):
    from labelnoise.own import train as train_command

    monkeypatch.setattr(train_command, "scaled_settings", lambda network, n: BOTH)
    generator = np.random.default_rng(0)
    clean = np.arange(160) % 2
    images = generator.integers(80, size=(160, 28, 28), dtype=np.uint8)
    images[clean == 1, :14] += 150
    names = np.array(["cat", "dog"])[noise.corrupt(clean, transitions.symmetric(2, 0.2), generator)]
    trained = labelnoise.train(images / 255, names, method="cross-entropy", progress=False)
    assert trained.network.class_names == ("cat", "dog")
    probs = trained.predict_proba(images[:, None])
    assert probs.shape == (160, 2)
    # 0.2 of the labels are wrong; a network that learned them by heart would be right in 0.8.
    assert (trained.predict(images) == clean).mean() > 0.95
    assert set(trained.suggestions["label"]) == {"cat", "dog"}
    assert "labels are wrong" in repr(trained)
    with pytest.raises(InputError, match="takes images of"):
        trained.predict_proba(images[:, :20, :20])
    for given in ((images[:10], names), (images, names[:5])):
        with pytest.raises(InputError, match=r"images has \d+ images but labels has \d+ labels"):
            labelnoise.train(*given)
    with pytest.raises(InputError, match="Unknown device 'gpu'"):
        labelnoise.train(images, names, device="gpu")


TIED = """
from torch import nn
class Tied(nn.Module):
    def __init__(self, n_classes, in_channels, image_size):
        super().__init__()
        self.first = nn.Linear(in_channels * image_size**2, n_classes)
        self.second = self.first
        self.part = nn.Parameter(self.first.weight.data[:, :2])
    def forward(self, images): return self.second(images.flatten(1))
"""


def test_a_network_whose_weights_are_tied_is_saved_and_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    Path("tied_of_test.py").write_text(TIED)
    name = "tied_of_test:Tied"
    about = {
        "network": name,
        "in_channels": 1,
        "image_size": 4,
        "mean": 0.5,
        "deviation": 0.2,
        "class_names": ["a", "b"],
    }
    trained = labelnoise.TrainedNetwork(network_maker(name, 2, 1, 4, seed=0)(7), about)
    trained.save("tied.safetensors")
    images = np.random.default_rng(0).integers(256, size=(5, 4, 4), dtype=np.uint8)
    loaded = labelnoise.load_network("tied.safetensors")
    assert np.array_equal(loaded.predict_proba(images), trained.predict_proba(images))


def test_a_file_of_something_else_is_no_network(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "a.safetensors").write_bytes(b"x")
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    for name, message in (("a", "is no safetensors file"), ("b", "holds weights without"), ("c", "There is no file")):
        with pytest.raises(InputError, match=message):
            labelnoise.load_network(tmp_path / f"{name}.safetensors")


def test_a_network_that_all_images_made_worse_is_not_handed_over():
    """The first says the label of every image, the second of half of them; 100 images tell 50 % from 100 %."""
    labels = np.arange(100) % 2
    images = torch.from_numpy(np.stack([labels, np.arange(100) // 2 % 2], axis=1)).float()  # (n, 2)

    class Says(torch.nn.Module):
        """Takes an image's class from one of its two numbers."""

        def __init__(self, place):
            super().__init__()
            self.place = place

        def forward(self, images):
            return torch.nn.functional.one_hot(images[:, self.place].long(), 2) * 10.0

    right, chance = Says(0), Says(1)
    of_right, of_chance = (Shown("forward", 0, predict_probs(network, images)) for network in (right, chance))
    assert _checked(chance, right, of_right, images, labels) is right
    assert _checked(right, chance, of_chance, images, labels) is right
    assert _checked(right, right, of_right, images, labels) is right
