from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model.network import build_network, load_network
from training.soup import cook, main


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders as training leaves them, with random weights of a small network."""
    folder = tmp_path_factory.mktemp("runs")
    files = [folder / name / "best.weights.h5" for name in ("one", "two")]
    for seed, file in enumerate(files):
        file.parent.mkdir()
        build_network(arch="unet-small", size=32).save_weights(file)
        (file.parent / "config.json").write_text(json.dumps({"arch": "unet-small", "seed": seed}))
    return files


def weights_of(file: Path) -> list[np.ndarray]:
    weights: list[np.ndarray] = load_network(file, arch="unet-small", size=32).get_weights()
    return weights


def test_weights_are_averaged_by_their_shares(runs: list[Path], tmp_path: Path) -> None:
    out = cook(runs, [1.0, 3.0], tmp_path / "soup.weights.h5", arch="unet-small")
    for one, two, mixed in zip(*map(weights_of, [*runs, out]), strict=True):
        np.testing.assert_allclose(mixed, 0.25 * one + 0.75 * two, rtol=1e-5, atol=1e-7)
    assert any(not np.array_equal(one, two) for one, two in zip(*map(weights_of, runs), strict=True))


def test_the_folder_says_what_went_in(runs: list[Path], tmp_path: Path) -> None:
    main(["--weights", *map(str, runs), "--out", str(tmp_path / "soup")])
    config = json.loads((tmp_path / "soup" / "config.json").read_text())
    assert config == {"arch": "unet-small", "seed": 1, "soup": {str(file): 1.0 for file in runs}}
    assert len(weights_of(tmp_path / "soup" / "best.weights.h5")) == len(weights_of(runs[0]))


@pytest.mark.parametrize(("shares", "sentence"), [([1.0], "one share"), ([1.0, 0.0], "above 0")])
def test_it_refuses_shares_that_make_no_mean(
    shares: list[float], sentence: str, runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=sentence):
        cook(runs, shares, tmp_path / "soup.weights.h5", arch="unet-small")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_written_over(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = runs[0].read_bytes()
    with pytest.raises(SystemExit) as stopped:
        main(["--weights", *map(str, runs), "--out", str(runs[0].parent)])
    assert stopped.value.code == 1
    assert "is there already" in capsys.readouterr().err
    assert runs[0].read_bytes() == before
