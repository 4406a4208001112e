"""The optimizers by the names of settings."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from labelnoise.training._settings import Settings


def _uncompiled(kind: type[Optimizer]) -> Any:
    """An optimizer without the guard that keeps `torch.compile` out: it imports the compiler, which takes seconds."""
    bare = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad")}
    return type(kind.__name__, (kind,), bare | {"step": torch.no_grad()(inspect.unwrap(kind.step))})


AdamW, SGD = _uncompiled(torch.optim.AdamW), _uncompiled(torch.optim.SGD)


def optimizer(model: nn.Module, loss: nn.Module, settings: Settings) -> Optimizer:
    """The optimizer of a network and its loss, whose parameters, if any, learn at `relative_rate` times the rate."""
    rate, decay = settings.learning_rate, settings.weight_decay
    groups: list[dict[str, Any]] = [{"params": list(model.parameters()), "lr": rate, "weight_decay": decay}]
    learned = list(loss.parameters())
    if learned:
        # Decay would pull a learned T to where its parameters are 0, which means nothing.
        groups.append({"params": learned, "lr": getattr(loss, "relative_rate", 1.0) * rate, "weight_decay": 0.0})
    if settings.optimizer == "sgd":
        return SGD(groups, lr=rate, momentum=0.9)
    return AdamW(groups, lr=rate, fused=True)
