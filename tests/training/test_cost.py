from __future__ import annotations

import pytest

from training.cost import main, measure_cost


def test_parameters_are_counted_and_slices_timed() -> None:
    cost = measure_cost("unet-small", slices=2)
    assert (cost.arch, cost.size) == ("unet-small", 128)
    assert 100_000 < cost.parameters < 10_000_000
    assert cost.milliseconds > 0.0


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--arch", "unet-small", "--slices", "1"])
    header, _, row = capsys.readouterr().out.splitlines()
    assert header == "| Network | Input | Parameters | ms per slice |"
    assert row.startswith("| unet-small | 128 | ")


def test_it_refuses_to_time_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--arch", "unet-small", "--slices", "0"])
    assert stopped.value.code == 1
    assert "slices must be at least 1, got 0" in capsys.readouterr().err
