import io
import re
from base64 import b64decode

import numpy as np
import pytest
from framehub._png import png
from framehub._snapshot import Snapshot, css_pixels
from PIL import Image


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4), (1, 1, 3)])
def test_a_png_has_the_arrays_pixels(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(png(array))))
    expected = np.repeat(array[:, :, None], 3, 2) if array.ndim == 2 else array[:, :, :3]
    assert np.array_equal(decoded, expected)


def test_a_snapshot_is_an_image_with_size_and_alternative_text() -> None:
    array = np.full((4, 6, 3), 9, np.uint8)
    html = Snapshot(array, 300, 200, 'A "plot"')._repr_html_()
    assert 'alt="A &quot;plot&quot;"' in html
    assert 'width="300" height="200"' in html
    data = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert data is not None
    assert Image.open(io.BytesIO(b64decode(data[1]))).size == (6, 4)


def test_a_snapshots_data_is_the_array() -> None:
    array = np.zeros((2, 2), np.uint8)
    assert Snapshot(array, 1, 1).data is array


@pytest.mark.parametrize(
    ("length", "pixels"),
    [("640px", 640), (" 12.5px ", 12.5), ("100%", 500), ("auto", 500), ("calc(1px)", 500), ("px", 500)],
)
def test_lengths_that_only_a_browser_knows_are_the_default(length: str, pixels: float) -> None:
    assert css_pixels(length, "width") == pixels
