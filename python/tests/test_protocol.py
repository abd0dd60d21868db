import struct

import pytest
from framehub._protocol import ServerError, read


def test_text_is_a_message_without_bytes() -> None:
    assert read('{"type": "x", "a": 1}') == ({"type": "x", "a": 1}, b"")


def test_bytes_are_a_header_and_the_rest() -> None:
    header = b'{"type": "relay"}'
    assert read(struct.pack("<I", len(header)) + header + b"rest") == ({"type": "relay"}, b"rest")


@pytest.mark.parametrize("data", ["[]", "{}", '{"type": 1}', "x", b"", b"\1\0", b"\xff\0\0\0{}"])
def test_anything_else_is_refused(data: str | bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


def test_a_refusal_has_the_servers_words_code_and_field() -> None:
    error = ServerError({"code": "bad_trait", "message": "quality is 0", "field": "quality"})
    assert (str(error), error.code, error.field) == ("quality is 0", "bad_trait", "quality")
