from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from model.card import SHIPPED_WEIGHTS, read_card
from webapp.guide import COLLECTIONS, summary_of


def text_of(client: FlaskClient) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", client.get("/help").text).split())


def test_it_tells_the_figures_of_the_card(client: FlaskClient) -> None:
    overall = read_card(SHIPPED_WEIGHTS)["validation"]["overall"]
    text = text_of(client)
    assert f"{overall['lesion_dice']:.2f} for lesions" in text
    assert f"{100 * overall['lesion_recall']:.0f} % of the pixels" in text
    for collection in COLLECTIONS.values():
        assert collection in text


def test_a_card_is_summed_up() -> None:
    patients = {"a": {"lesion_dice": 0.5}, "b": {"lesion_dice": None}, "c": {"lesion_dice": 0.75}}
    summed = summary_of(
        {
            "model_id": "mine-1",
            "data": {
                "sources": ["radiopaedia", "elsewhere"],
                "patients": {"train": ["x", "y", "z"], "val": ["a", "b", "c"]},
                "slices": {"train": 30, "val": 20},
            },
            "training": [{"further_slices": [{"sources": ["elsewhere", "covid-ct-md"]}]}, {}],
            "validation": {"threshold": 0.4, "overall": {}, "patients": patients},
        }
    )
    assert (summed["lowest_dice"], summed["highest_dice"]) == (0.5, 0.75)
    assert (summed["train_patients"], summed["val_slices"], summed["threshold"]) == (3, 20, 0.4)
    assert summed["sources"] == [COLLECTIONS["radiopaedia"], "elsewhere"]
    assert summed["further"] == [COLLECTIONS["covid-ct-md"]]


@pytest.mark.parametrize("content", [None, "{}", "no card"])
def test_without_a_card_nothing_is_claimed(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "mine.json").write_text(content)
    text = text_of(create_app({"weights": tmp_path / "mine.xml"}).test_client())
    assert "have no card" in text
    assert "groundglass-" not in text


def test_limits_are_those_of_the_settings() -> None:
    text = text_of(create_app({"max_upload_mb": 7, "result_minutes": 5.0, "threshold": 0.35}).test_client())
    for told in ("Largest upload 7 MB", "5 minutes after that", "0.35 unless you choose another"):
        assert told in text


@pytest.mark.parametrize("address", ["/", "/help", "/results/none"])
def test_every_page_links_to_it(client: FlaskClient, address: str) -> None:
    assert 'href="/help"' in client.get(address, headers={"Accept": "text/html"}).text


def test_every_link_on_it_leads_somewhere(client: FlaskClient) -> None:
    page = client.get("/help").text
    links = re.findall(r'href="#([^"]+)"', page)
    assert len(links) > 8
    assert [link for link in links if f'id="{link}"' not in page] == []
