from framehub._events import default_compatibility, named

EVENT = {"type": "resize", "timestamp": 1.5, "ratio": 2.0, "width": 3.0}


def test_new_names_alone() -> None:
    assert named(EVENT, 2) == EVENT


def test_old_names_alone() -> None:
    assert named(EVENT, 1) == {"event_type": "resize", "time_stamp": 1.5, "pixel_ratio": 2.0, "width": 3.0}


def test_both_names() -> None:
    assert named(EVENT, 3) == {**EVENT, "event_type": "resize", "time_stamp": 1.5, "pixel_ratio": 2.0}


def test_lists_become_tuples() -> None:
    event = named({"type": "pointer_down", "buttons": [1, 2], "modifiers": ["Shift"]}, 2)
    assert event["buttons"] == (1, 2)
    assert event["modifiers"] == ("Shift",)


def test_the_event_itself_stays_as_it_was() -> None:
    event = {"type": "pointer_down", "buttons": [1]}
    named(event, 3)
    assert event == {"type": "pointer_down", "buttons": [1]}


def test_classes_of_rendercanvas_get_old_names_and_others_both() -> None:
    canvas = type("Canvas", (), {"__module__": "rendercanvas.jupyter"})
    assert default_compatibility(type("Derived", (canvas,), {})) == 1
    assert default_compatibility(type("Other", (), {})) == 3
