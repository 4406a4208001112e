"""What bfloat16 is done in, on processors with instructions for it and without."""

import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from labelnoise import training
from labelnoise.losses import CrossEntropy
from labelnoise.training import Settings, Split, _precision, effective, features, has_bfloat16

SETTINGS = Settings(epochs=1, batch_size=32, learning_rate=1e-2, weight_decay=0.0, precision="bfloat16")


@pytest.fixture
def asked_anew():
    """The answers of this process are forgotten, before and after."""
    for answer in (features, has_bfloat16):
        answer.cache_clear()
    yield
    for answer in (features, has_bfloat16):
        answer.cache_clear()


@pytest.fixture
def processor(asked_anew, monkeypatch, tmp_path):
    """Makes this a machine whose /proc/cpuinfo has this text, or one that has none."""

    def make(text):
        file = tmp_path / "cpuinfo"
        if text is not None:
            file.write_text(text)
        monkeypatch.setattr(_precision, "CPUINFO", file)

    return make


@pytest.fixture
def forced(monkeypatch):
    """Makes processors have the instructions, or not."""
    return lambda has: monkeypatch.setattr(_precision, "has_bfloat16", lambda device="cpu": has)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16\n\nprocessor : 1\nflags : fpu avx512f avx512_bf16\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("flags : fpu avx2 avx512f avx512bw avx512_vnni avx512_fp16\n", False),
        ("flags : avx512f\nbugs : avx512_bf16\nmodel name : bf16\n", False),
        ("Features : fp asimd sve bf16\n", True),
        ("Features : fp asimd sve2 svebf16\n", True),
        ("Features : fp asimd sve\n", False),
    ],
)
def test_a_processor_that_says_what_it_has_is_believed(processor, monkeypatch, text, expected):
    monkeypatch.setattr(_precision, "_is_faster", lambda: not expected)
    processor(text)
    assert has_bfloat16() == expected
    assert effective("bfloat16") == ("bfloat16" if expected else "float32")


@pytest.mark.parametrize(("said", "expected"), [("1\n", True), ("0\n", False)])
def test_apples_processors_are_asked_by_sysctl(processor, monkeypatch, said, expected):
    processor(None)
    monkeypatch.setattr(_precision.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=said))
    assert has_bfloat16() == expected


@pytest.mark.parametrize("faster", [True, False])
@pytest.mark.parametrize("text", [None, "processor : 0\nisa : rv64imafdc\n"])
def test_in_doubt_it_is_measured_once(processor, monkeypatch, text, faster):
    processor(text)
    asked = []
    monkeypatch.setattr(_precision.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    monkeypatch.setattr(_precision, "_is_faster", lambda: asked.append(1) or faster)
    assert [effective("bfloat16") for _ in range(3)] == ["bfloat16" if faster else "float32"] * 3
    assert len(asked) == 1


def test_a_machine_without_sysctl_is_in_doubt(processor, monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError("sysctl")

    processor(None)
    monkeypatch.setattr(_precision.subprocess, "run", absent)
    assert features() is None


@pytest.mark.parametrize(("ticks", "faster"), [([3, 2], True), ([2, 3], False)])
def test_what_is_measured_is_the_least_time_of_each(monkeypatch, ticks, faster):
    float32, bfloat16 = ticks
    times = iter([0, 9, 0, float32, 0, 9, 0, 9, 0, 9, 0, bfloat16])
    monkeypatch.setattr(_precision.time, "perf_counter", lambda: next(times))
    assert _precision._is_faster() == faster


@pytest.mark.parametrize("has", [True, False])
def test_a_gpu_is_asked_for_its_own_instructions(asked_anew, monkeypatch, has):
    def supported(including_emulation=True):
        return has or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert effective("bfloat16", "cuda") == ("bfloat16" if has else "float32")


@pytest.mark.parametrize("has", [True, False])
def test_float32_is_done_in_float32_everywhere(forced, has):
    forced(has)
    assert effective("float32") == "float32"


def trained(precision):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (64,), generator=generator)
    split = Split(torch.rand(64, 1, 28, 28, generator=generator), labels, labels)
    network = training.build("lenet", 3, seed=0)
    settings = dataclasses.replace(SETTINGS, precision=precision)
    training.fit(network, CrossEntropy(), split, split, split, settings, seed=0)
    weights = torch.cat([parameter.flatten() for parameter in network.parameters()]).detach()
    return weights, training.predict_logits(network, split.images, precision)


def test_without_the_instructions_a_setting_in_bfloat16_gives_the_bits_of_float32(forced):
    forced(False)
    for brain, full in zip(trained("bfloat16"), trained("float32"), strict=True):
        assert torch.equal(brain, full)


def test_with_the_instructions_products_are_in_bfloat16(forced):
    forced(True)
    (brain, brain_logits), (full, full_logits) = trained("bfloat16"), trained("float32")
    assert 0 < (brain - full).abs().max() < 0.1
    assert not torch.equal(brain_logits, full_logits)
    assert torch.equal(brain_logits, brain_logits.bfloat16().float())


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_optimizers_take_the_steps_of_pytorchs(name):
    def after(make):
        torch.manual_seed(0)
        network, loss = torch.nn.Linear(3, 2), CrossEntropy()
        steps = make(network, loss)
        schedule = torch.optim.lr_scheduler.OneCycleLR(steps, 0.1, total_steps=5)
        for _ in range(5):
            steps.zero_grad()
            loss(network(torch.eye(3)), torch.tensor([0, 1, 1])).backward()
            steps.step()
            schedule.step()
        return torch.cat([p.flatten() for p in network.parameters()])

    settings = dataclasses.replace(SETTINGS, optimizer=name, learning_rate=0.1, weight_decay=0.01)
    ours = after(lambda network, loss: training._optimizers.optimizer(network, loss, settings))
    if name == "sgd":
        theirs = after(lambda network, _: torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=0.01))
    else:
        theirs = after(lambda network, _: torch.optim.AdamW(network.parameters(), 0.1, weight_decay=0.01, fused=True))
    assert torch.equal(ours, theirs)


STEP = """
import sys, torch
from labelnoise import training
from labelnoise.losses import CrossEntropy
labels = torch.arange(64) % 3
split = training.Split(torch.rand(64, 1, 28, 28), labels, labels)
settings = training.Settings(epochs=2, batch_size=32, learning_rate=1e-2, weight_decay=0.0, averaging=0.9)
training.fit(training.build("lenet", 3, seed=0), CrossEntropy(), split, split, split, settings, seed=0)
print(sorted({"torch._dynamo", "torchvision", "pandas", "sympy"} & set(sys.modules)))
"""


def test_to_train_the_compiler_is_not_imported():
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
