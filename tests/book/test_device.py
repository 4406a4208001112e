"""Where the commands that train are told to."""

import pytest
import torch

from labelnoise import cli


@pytest.mark.parametrize("command", [["replay", "-n", "1"], ["reproduce", "--workers", "1"]])
def test_without_a_gpu_a_command_says_so_and_trains_nothing(command, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("labelnoise.trials._running.run", lambda *_, **__: pytest.fail("a trial was trained"))
    assert cli.main([*command, "--device", "cuda"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "labelnoise: There is no GPU here that torch can use for the device 'cuda'; use cpu.\n"


def test_a_device_of_another_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main(["replay", "--device", "tpu"])
    assert "invalid choice: 'tpu'" in capsys.readouterr().err
