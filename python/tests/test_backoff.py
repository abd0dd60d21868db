from framehub._backoff import Backoff


def test_waits_grow_to_a_bound_that_is_wider_after_a_minute() -> None:
    now = 0.0
    backoff = Backoff(chance=lambda: 1.0, now=lambda: now)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 1.5, 1.5, 1.5]
    now = 61.0
    assert backoff.next() == 16.0
    assert backoff.next() == 30.0


def test_waits_are_random_from_zero() -> None:
    assert Backoff(chance=lambda: 0.0).next() == 0.0


def test_an_outage_that_is_over_starts_again() -> None:
    backoff = Backoff(chance=lambda: 1.0)
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.5
