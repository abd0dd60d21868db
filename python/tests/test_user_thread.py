import asyncio
import signal
import threading

import pytest
from framehub._user_thread import MAIN, UserThread, current, interruptible


def test_a_loop_makes_the_calls_in_order_on_its_thread() -> None:
    main = UserThread()
    made: list[tuple[int, threading.Thread]] = []

    async def program() -> None:
        main.adopt_loop()
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def submit() -> None:
            for number in range(5):
                main.submit(lambda number=number: made.append((number, threading.current_thread())))
            main.submit(done.set)

        await loop.run_in_executor(None, submit)
        await done.wait()

    asyncio.run(program())
    assert made == [(number, threading.main_thread()) for number in range(5)]


def test_calls_wait_for_a_loop() -> None:
    main = UserThread()
    made: list[str] = []
    main.submit(lambda: made.append("early"))
    assert not main.served

    async def program() -> None:
        main.adopt_loop()
        assert main.served
        while not made:
            await asyncio.sleep(0)

    asyncio.run(program())
    assert made == ["early"]
    assert not main.served


def test_a_closed_loop_is_replaced_by_the_next() -> None:
    main = UserThread()
    made: list[int] = []

    async def program(number: int) -> None:
        main.adopt_loop()
        main.submit(lambda: made.append(number))
        while number not in made:
            await asyncio.sleep(0)

    asyncio.run(program(1))
    asyncio.run(program(2))
    assert made == [1, 2]


def test_a_loop_that_was_closed_with_a_call_ahead_of_it_is_replaced_by_the_next() -> None:
    main = UserThread()
    made: list[int] = []

    async def ends() -> None:
        main.adopt_loop()

    ended = asyncio.new_event_loop()
    ended.run_until_complete(ends())
    main.submit(lambda: made.append(1))
    ended.close()

    async def program() -> None:
        main.adopt_loop()
        main.submit(lambda: made.append(2))
        await asyncio.wait_for(drained(), 30)

    async def drained() -> None:
        while len(made) < 2:
            await asyncio.sleep(0)

    asyncio.run(program())
    assert made == [1, 2]


def test_a_call_never_runs_within_another_even_where_that_runs_the_loop() -> None:
    main = UserThread()
    log: list[str] = []

    async def program() -> None:
        main.adopt_loop()
        done = asyncio.Event()

        def outer() -> None:
            log.append("outer begins")
            main.submit(lambda: (log.append("inner"), done.set()))
            # As a nested event loop would: the callback that makes the next call runs now.
            main._on_loop()
            log.append("outer ends")

        main.submit(outer)
        await done.wait()

    asyncio.run(program())
    assert log == ["outer begins", "outer ends", "inner"]


def test_a_call_that_raises_does_not_stop_the_next() -> None:
    main = UserThread()
    made: list[str] = []

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        main.adopt_loop()
        main.submit(lambda: 1 / 0)
        main.submit(lambda: made.append("next"))
        while not made:
            await asyncio.sleep(0)

    asyncio.run(program())
    assert made == ["next"]


def test_the_users_code_can_be_interrupted_where_the_process_ignores_that_otherwise() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_script_serves_without_a_loop() -> None:
    main = UserThread()
    made: list[threading.Thread] = []
    threading.Thread(target=lambda: main.submit(lambda: made.append(threading.current_thread()))).start()
    main.serve(until=lambda: bool(made))
    assert made == [threading.main_thread()]


def test_code_on_a_thread_with_a_loop_has_its_calls_made_there_and_what_lives_there_ends_with_it() -> None:
    made: list[threading.Thread] = []

    class Guest:
        closed = False

        def close(self) -> None:
            self.closed = True

    guest = Guest()

    async def program() -> None:
        here = current()
        assert here is current() is not MAIN
        here.close_at_end(guest)
        threading.Thread(target=lambda: here.submit(lambda: made.append(threading.current_thread()))).start()
        while not made:
            await asyncio.sleep(0)
        assert not guest.closed

    thread = threading.Thread(target=lambda: asyncio.run(program()))
    thread.start()
    thread.join()
    assert made == [thread]
    assert guest.closed


def test_code_on_the_main_thread_or_on_one_without_a_loop_has_its_calls_made_on_the_main_thread() -> None:
    found: list[UserThread] = []

    async def program() -> None:
        found.append(current())
        await asyncio.to_thread(lambda: found.append(current()))

    asyncio.run(program())
    assert found == [MAIN, MAIN]
