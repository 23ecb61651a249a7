from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.__main__ import main
from model.decode.picture import decode_picture
from model.phantom import EXAMPLES, draw_phantom


def test_the_same_arguments_give_the_same_pixels() -> None:
    np.testing.assert_array_equal(draw_phantom(EXAMPLES["many"]), draw_phantom(EXAMPLES["many"]))


def test_opacities_brighten_the_lung_where_they_are_and_nowhere_else() -> None:
    (blob,) = EXAMPLES["one"]
    difference = draw_phantom(EXAMPLES["one"]).astype(int) - draw_phantom()
    assert difference[blob.y - 5 : blob.y + 6, blob.x - 5 : blob.x + 6].mean() > 30
    assert np.abs(difference[:, 256:]).max() == 0


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_command_line_draws_every_example(kind: str, tmp_path: Path) -> None:
    assert main(["phantom", kind, str(tmp_path / "a.png")]) == 0
    np.testing.assert_array_equal(
        decode_picture((tmp_path / "a.png").read_bytes()).pixels, draw_phantom(EXAMPLES[kind])
    )


def test_a_phantom_that_cannot_be_written_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phantom", "one", str(tmp_path / "none" / "a.png")]) == 2
    assert "a.png: No such file or directory" in capsys.readouterr().err


def test_it_is_not_symmetric() -> None:
    picture = draw_phantom().astype(int)
    assert np.abs(picture - picture[:, ::-1]).mean() > 10
