from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from model.card import SHIPPED_WEIGHTS, file_sha256, read_card
from tests.training.stub import result
from training.model_card import DOCUMENTS, REPORT, blocks, figures_block, main, refresh, summary_block
from training.report.build import Evaluation, write_report

ROOT = Path(__file__).parents[2]
SHIPPED = json.loads((ROOT / REPORT).read_text(encoding="utf-8"))
LABELS = json.loads((ROOT / "docs" / "report" / "slice-labels.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_say_what_report_and_card_say(name: Path) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    found = blocks(SHIPPED, read_card(SHIPPED_WEIGHTS), LABELS)
    assert refresh(document, found) == document, "run make report, or python -m training.model_card"


def test_the_report_is_of_the_shipped_weights() -> None:
    assert SHIPPED["sha256"] == file_sha256(SHIPPED_WEIGHTS.with_suffix(".bin"))
    assert LABELS["sha256"] == SHIPPED["sha256"]
    assert SHIPPED["weights"] == SHIPPED_WEIGHTS.name


def test_robustness_says_how_coarse_it_is() -> None:
    # 1 / 24 of the clean share.
    report = SHIPPED | {"robustness": SHIPPED["robustness"] | {"left_out_slices": 24}}
    assert "There are no intervals, and one slice is 0.04 of the clean share." in figures_block(report)
    report["robustness"]["left_out_slices"] = 0
    assert "of the clean share" not in figures_block(report)


def test_the_committed_report_was_written_with_the_card_at_hand() -> None:
    assert all(stage["history"] for run in read_card(SHIPPED_WEIGHTS)["training"] for stage in run["epochs"])
    page = (ROOT / REPORT).with_name("report.html").read_text(encoding="utf-8")
    assert page.count("Loss and lesion Dice of each epoch") >= 1, "run make report once more, now that there is a card"


def test_the_committed_report_shows_no_scan_and_no_path_of_a_machine() -> None:
    folder = (ROOT / REPORT).parent
    for name in ("report.html", "report.json", "report.md"):
        content = (folder / name).read_text(encoding="utf-8")
        assert "<img" not in content
        assert not re.search(r"[\"'( ]/(home|work|tmp|root|Users)/", content)


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    about = {"model_id": "m", "sha256": "s", "weights": "w", "manifest": "i.csv", "split": "val", "threshold": 0.5}
    about |= {"architecture": "unet", "size": 256, "quality": False}
    results = [result(number, patient=f"p{number}", missed_rows=number, disagreement=number / 9) for number in range(4)]
    return write_report(Evaluation(about, results), tmp_path)


NO_DATA: dict[str, Any] = {}
"""A card that does not tell who was trained on."""


def block(name: str, content: str) -> str:
    return f"<!-- {name}: begin -->\n{content}\n<!-- {name}: end -->"


def test_blocks_stand_between_their_comments(tmp_path: Path, report: dict[str, Any]) -> None:
    (tmp_path / "w.json").write_text('{"model_id": "m", "sha256": {"w.bin": "s"}}', encoding="utf-8")
    documents = [tmp_path / "card.md", tmp_path / "readme.md"]
    documents[0].write_text(f"# Card\n\n{block('figures', 'old')}\n\n{block('summary', 'old')}\n", encoding="utf-8")
    documents[1].write_text(f"{block('summary', 'old')}\nEnd", encoding="utf-8")
    command = ["--report", str(tmp_path / "report.json"), "--weights", str(tmp_path / "w.xml")]
    main([*command, "--document", *map(str, documents)])
    figures, summary = block("figures", figures_block(report)), block("summary", summary_block(report, NO_DATA))
    assert documents[0].read_text(encoding="utf-8") == f"# Card\n\n{figures}\n\n{summary}\n"
    assert documents[1].read_text(encoding="utf-8") == f"{summary}\nEnd"
    assert "| Lesion Dice, pooled |" in figures


def test_the_summary_has_the_figures_of_the_report(report: dict[str, Any]) -> None:
    report["overall"]["all"] |= {"lesion_dice": 0.8, "lung_dice": 0.97, "clean_share": 0.9434, "finding_auc": None}
    report["by_patient"] = {name: {"lesion_dice": dice} for name, dice in (("a", 0.7), ("b", 0.9), ("c", None))}
    text = summary_block(report, NO_DATA)
    assert text.startswith("On 4 slices of the 4 validation patients")
    for part in ("Dice **0.800**, by patient 0.700 to 0.900", "lung Dice **0.970**", "94 % have", "AUC of –."):
        assert part in text
    assert "validation patients, who chose" in text


def trained_on(*patients: str) -> dict[str, Any]:
    return {"data": {"patients": {"train": list(patients), "val": []}}}


def test_the_summary_says_that_nobody_was_trained_on_where_the_card_shows_it(report: dict[str, Any]) -> None:
    text = summary_block(report, trained_on("q0", "q1"))
    assert "the 4 validation patients, none of whom it was trained on, though they chose" in text
    assert "on the 4 slices with a lung mask" in summary_block(
        report | {"overall": {"all": report["overall"]["all"] | {"lung_slices": 4}}}, NO_DATA
    )


def test_the_summary_refuses_a_patient_who_was_trained_on(report: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the network was trained on p1, p3, of whom the report is"):
        summary_block(report, trained_on("p3", "q0", "p1"))
    # Two sources with patients of one name.
    report["by_patient"]["a: q0"] = report["by_patient"]["p0"]
    with pytest.raises(ValueError, match="trained on q0"):
        summary_block(report, trained_on("q0"))


def test_the_summary_refuses_another_split(report: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the report is of split 'train'"):
        summary_block(report | {"split": "train"}, NO_DATA)


def test_nothing_is_written_where_one_document_cannot_be_refreshed(
    tmp_path: Path, report: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.json").write_text('{"model_id": "m", "sha256": {"w.bin": "s"}}', encoding="utf-8")
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(block("figures", "old"), encoding="utf-8")
    bad.write_text("# Card\n", encoding="utf-8")
    command = ["--report", str(tmp_path / "report.json"), "--weights", str(tmp_path / "w.xml")]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--document", str(good), str(bad)])
    assert stopped.value.code == 1
    assert "has no block" in capsys.readouterr().err
    assert good.read_text(encoding="utf-8") == block("figures", "old")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("# Card\n", "has no block"),
        ("<!-- figures: begin -->\n", "must be followed by"),
        ("<!-- figures: end -->\n<!-- figures: begin -->", "must be followed by"),
        (block("other", ""), "be one of figures, summary"),
    ],
)
def test_it_refuses_a_document_without_whole_blocks(document: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        refresh(document, {"figures": "new", "summary": "new"})


def test_it_refuses_the_card_of_other_weights(report: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the card is of other, the report of m"):
        blocks(report, {"model_id": "other", "sha256": {"other.bin": "x"}})


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
    text = figures_block(SHIPPED, labels)
    assert "`extra.csv`, patient=p1, 3 slices with (`infection=1`) and 4 without: AUC 0.917." in text
    with pytest.raises(ValueError, match="measure again"):
        figures_block(SHIPPED, labels | {"sha256": "other"})
