import numpy as np
import pytest
from framehub._frames import as_rgb, checked, copied


@pytest.mark.parametrize(
    ("shape", "format"), [((2, 3), "gray8"), ((2, 3, 1), "gray8"), ((2, 3, 3), "rgb8"), ((2, 3, 4), "rgba8")]
)
def test_pixels_are_rows_from_the_top_without_padding(shape: tuple[int, ...], format: str) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    pixels = copied(checked(array))
    assert (pixels.width, pixels.height, pixels.format) == (3, 2, format)
    assert bytes(pixels.data) == array.tobytes()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda a: a[::-1, ::2], id="strided"),
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda a: np.broadcast_to(a[:1], a.shape), id="broadcast"),
        pytest.param(lambda a: a.view(np.ndarray), id="view"),
    ],
)
def test_memory_layout_does_not_matter(view) -> None:
    array = view(np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8))
    assert bytes(copied(checked(array)).data) == np.ascontiguousarray(array).tobytes()


def test_read_only_arrays_are_taken() -> None:
    array = np.full((2, 2), 7, np.uint8)
    array.flags.writeable = False
    assert bytes(copied(checked(array)).data) == b"\7\7\7\7"


def test_pixels_do_not_change_with_the_array() -> None:
    array = np.zeros((2, 2), np.uint8)
    pixels = copied(checked(array))
    array[:] = 255
    assert bytes(pixels.data) == bytes(4)


def test_memory_is_used_again_if_it_fits() -> None:
    array = np.ones((4, 5, 3), np.uint8)
    buffer = bytearray(60)
    assert copied(array, buffer).data.obj is buffer
    assert copied(array, bytearray(61)).data.obj is not buffer


def test_an_array_without_pixels_is_no_frame() -> None:
    assert checked(np.zeros((0, 5), np.uint8)) is None


@pytest.mark.parametrize("dtype", [float, bool, np.int16, np.uint16])
def test_another_type_is_refused_by_name(dtype: type) -> None:
    with pytest.raises(ValueError, match=rf"{np.dtype(dtype)} \(shape \(2, 3, 3\)\)"):
        checked(np.zeros((2, 3, 3), dtype))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 2), (2, 3, 5), (1, 2, 3, 3)])
def test_another_shape_is_refused_by_its_numbers(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"not \({shape[0]}"):
        checked(np.zeros(shape, np.uint8))


def test_what_is_no_array_is_refused() -> None:
    with pytest.raises(TypeError, match="not list"):
        checked([[1, 2], [3, 4]])


class ForeignArray:
    """An array of another library, as the seed takes it."""

    shape = (1, 2)
    dtype = np.dtype(np.uint8)

    def __array__(self, dtype=None, copy=None):
        return np.array([[1, 2]], np.uint8)


def test_arrays_of_other_libraries_are_taken() -> None:
    assert bytes(copied(checked(ForeignArray())).data) == b"\1\2"


def test_arrays_with_rules_of_their_own_are_taken() -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1, 2], [3, 4]], np.uint8)
    assert bytes(copied(checked(matrix)).data) == b"\1\2\3\4"
    masked = np.ma.masked_array(np.array([[1, 2]], np.uint8), [[False, True]])
    assert bytes(copied(checked(masked)).data) == b"\1\2"


def test_rgb_leaves_out_alpha_and_repeats_gray() -> None:
    assert as_rgb(np.array([[[1, 2, 3, 4]]], np.uint8)).tolist() == [[[1, 2, 3]]]
    assert as_rgb(np.array([[5]], np.uint8)).tolist() == [[[5, 5, 5]]]
