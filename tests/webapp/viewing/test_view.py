from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from model.errors import InvalidOption
from model.overlay import Style
from webapp.viewing.view import ViewState, read_view


def options(*pairs: tuple[str, str]) -> MultiDict[str, str]:
    return MultiDict(pairs)


def test_without_options_it_is_as_it_was_read() -> None:
    state = read_view(options(), 0.333)
    assert state == ViewState(read_at=0.333, threshold=0.333, view="side", style=Style())
    assert not state.is_moved
    assert state.query() == {}


def test_all_options_are_read() -> None:
    state = read_view(
        options(("view", "mask"), ("threshold", "0.3"), ("opacity", "0.25"), ("colours", "magma"), ("outline", "0")),
        0.5,
    )
    assert state == ViewState(0.5, 0.3, "mask", Style(0.25, "magma", outline=False))
    assert state.is_moved


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("0", 0.01), ("-3", 0.01), ("1", 0.99), ("7e9", 0.99),
        ("1e308", 0.99), ("-1e308", 0.01), ("0.374", 0.37), ("0.376", 0.38), (" 0.2 ", 0.2),
        ("0.999", 0.999), ("", 0.999), ("0.9990000001", 0.999),
    ],
)  # fmt: skip
def test_the_threshold_is_one_that_can_be_shown(text: str, threshold: float) -> None:
    assert read_view(options(("threshold", text)), 0.999).threshold == threshold


@pytest.mark.parametrize(("text", "opacity"), [("-1", 0.0), ("0", 0.0), ("1", 1.0), ("99", 1.0), ("", 0.6)])
def test_the_opacity_is_brought_into_its_range(text: str, opacity: float) -> None:
    assert read_view(options(("opacity", text)), 0.5).style.opacity == opacity


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("threshold", "much"), ("threshold", "nan"), ("threshold", "inf"), ("opacity", "-inf"), ("opacity", "half"),
        ("opacity", "0_1"), ("threshold", "٠.٥"),
        ("colours", "jet"), ("outline", "yes"), ("view", "../mask"), ("bar", "no"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_said(name: str, text: str) -> None:
    with pytest.raises(InvalidOption, match=rf"The option {name} is '{text}'"):
        read_view(options((name, text)), 0.5)


def test_a_box_that_is_ticked_goes_before_its_hidden_field() -> None:
    assert read_view(options(("outline", "0"), ("outline", "1")), 0.5).style.outline
    assert not read_view(options(("outline", "0")), 0.5).style.outline
    assert read_view(options(("outline", "0"), ("outline", "")), 0.5).style.outline


def test_links_name_what_is_not_usual_and_keep_what_is_none_of_the_view() -> None:
    state = read_view(options(("threshold", "0.3"), ("force", "1"), ("slice", "3"), ("colours", "viridis")), 0.5)
    assert state.query() == {"threshold": "0.3", "force": "1"}
    assert state.query(view="mask") == {"threshold": "0.3", "force": "1", "view": "mask"}


def test_pictures_are_told_all() -> None:
    drawing = read_view(options(), 0.5).drawing()
    assert drawing == {"threshold": "0.5", "opacity": "0.6", "colours": "viridis", "outline": "1"}
