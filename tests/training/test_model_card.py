from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from model.engine import SHIPPED_WEIGHTS, file_sha256
from tests.training.stub import result
from training.model_card import BEGIN, CARD, END, REPORT, figures_block, main, refresh
from training.report.build import Evaluation, write_report

ROOT = Path(__file__).parents[2]
SHIPPED = json.loads((ROOT / REPORT).read_text(encoding="utf-8"))
LABELS = json.loads((ROOT / "docs" / "report" / "slice-labels.json").read_text(encoding="utf-8"))


def test_the_card_says_what_the_report_says() -> None:
    card = (ROOT / CARD).read_text(encoding="utf-8")
    assert refresh(card, SHIPPED, LABELS) == card, "run make report, or python -m training.model_card"


def test_the_report_is_of_the_shipped_weights() -> None:
    assert SHIPPED["sha256"] == file_sha256(SHIPPED_WEIGHTS.with_suffix(".bin"))
    assert LABELS["sha256"] == SHIPPED["sha256"]
    assert SHIPPED["weights"] == SHIPPED_WEIGHTS.name


def test_the_committed_report_shows_no_scan_and_no_path_of_a_machine() -> None:
    folder = (ROOT / REPORT).parent
    for name in ("report.html", "report.json", "report.md"):
        content = (folder / name).read_text(encoding="utf-8")
        assert "<img" not in content
        assert not re.search(r"[\"'( ]/(home|work|tmp|root|Users)/", content)


def test_figures_stand_between_the_comments(tmp_path: Path) -> None:
    about = {"model_id": "m", "sha256": "s", "weights": "w", "manifest": "i.csv", "split": "val", "threshold": 0.5}
    about |= {"architecture": "unet", "size": 256, "quality": False}
    results = [result(number, patient=f"p{number}", missed_rows=number, disagreement=number / 9) for number in range(4)]
    report = write_report(Evaluation(about, results), tmp_path)
    (tmp_path / "card.md").write_text(f"# Card\n\n{BEGIN}\noutdated\n{END}\n\nEnd\n", encoding="utf-8")
    main(["--report", str(tmp_path / "report.json"), "--card", str(tmp_path / "card.md")])
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert card == f"# Card\n\n{BEGIN}\n{figures_block(report)}\n{END}\n\nEnd\n"
    assert "| Lesion Dice, pooled |" in card
    assert "outdated" not in card


@pytest.mark.parametrize("card", ["# Card\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_it_refuses_a_card_without_the_comments(card: str) -> None:
    with pytest.raises(ValueError, match="the card lacks"):
        refresh(card, SHIPPED)


def test_slices_known_by_label_stand_in_the_card() -> None:
    labels = {
        "model_id": "m",
        "sha256": SHIPPED["sha256"],
        "manifest": "extra.csv",
        "only": ["patient=p1"],
        "present": "infection=1",
        "slices_with_lesion": 3,
        "slices_without_lesion": 4,
        "score": "smoothed_peak",
        "auc": {"called_area": 0.5, "smoothed_peak": 0.9167},
    }
    block = figures_block(SHIPPED, labels)
    assert "`extra.csv`, patient=p1, 3 slices with (`infection=1`) and 4 without: AUC 0.917." in block
    with pytest.raises(ValueError, match="measure again"):
        figures_block(SHIPPED, labels | {"sha256": "other"})
