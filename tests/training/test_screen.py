from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.drawn import write_png
from tests.training.stub import BrightEngine
from training import screen as screening
from training.data.tables import Condition
from training.screen import main, read_labels, screen


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two patients; in 64 × 64 pixels of lung a bright square of 0 to 3 times 4 pixels' side."""
    lines = ["image,patient,infection"]
    for number, (patient, side, ill) in enumerate(
        [("p1", 0, 0), ("p1", 8, 1), ("p1", 4, 0), ("p1", 12, 1), ("p2", 0, 1)]
    ):
        image = np.full((64, 64), 90, np.uint8)
        image[20 : 20 + side, 20 : 20 + side] = 250
        write_png(tmp_path / f"{number}.png", image)
        lines.append(f"{number}.png,{patient},{ill}")
    file = tmp_path / "index.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_slices_are_told_apart_by_their_scores(manifest: Path) -> None:
    pictures, present = read_labels(manifest, [Condition("patient", "p1")], Condition("infection", "1"))
    found = screen(BrightEngine(), pictures, present)
    assert (found["slices_with_lesion"], found["slices_without_lesion"]) == (2, 2)
    # By area 8 and 12 lie above 0 and 4; by the peak 4, 8 and 12 are alike: two pairs in order, two ties.
    assert found["auc"]["called_area"] == 1.0
    assert found["auc"]["smoothed_peak"] == 0.75


def test_the_command_writes_what_was_measured_on_what(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "load_any", lambda weights: BrightEngine())
    out = tmp_path / "found.json"
    main(["--manifest", str(manifest), "--present", "infection=1", "--only", "patient=p1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert (written["model_id"], written["sha256"], written["only"]) == ("bright", "abc", ["patient=p1"])
    assert written["auc"]["called_area"] == 1.0


@pytest.mark.parametrize(
    ("more", "sentence"),
    [(["--only", "patient=p9"], "no line with patient=p9"), (["--only", "age=3"], "lacks the columns age")],
)
def test_what_is_wrong_is_said_in_a_sentence(
    more: list[str], sentence: str, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--manifest", str(manifest), "--present", "infection=1", "--out", str(tmp_path / "o.json"), *more])
    assert stopped.value.code == 1
    assert sentence in capsys.readouterr().err


def test_slices_of_one_kind_cannot_be_told_apart(manifest: Path) -> None:
    with pytest.raises(ValueError, match="of 0 pictures 0 show a lesion: both kinds are needed"):
        screen(BrightEngine(), [], [])
    with pytest.raises(ValueError, match="of 1 pictures 1 show a lesion: both kinds are needed"):
        screen(BrightEngine(), [manifest.parent / "0.png"], [True])
    with pytest.raises(ValueError, match="got 1 pictures and 2"):
        screen(BrightEngine(), [manifest.parent / "0.png"], [True, False])


def test_the_folder_of_the_answer_is_made(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "load_any", lambda weights: BrightEngine())
    out = tmp_path / "new" / "found.json"
    main(["--manifest", str(manifest), "--present", "infection=1", "--out", str(out)])
    assert json.loads(out.read_text())["slices_with_lesion"] == 3
