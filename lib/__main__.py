"""python -m lib COMMAND: the command line (cli.py), which ends in one sentence whatever happens."""

import contextlib
import os
import signal
import sys

STOPPED = "Stopped; the same command goes on from here."


def leave(*_) -> None:
    """Ends at once, as Ctrl-C asks while nothing is trained; training has a handler of its own (workers.stoppable)."""
    with contextlib.suppress(OSError):  # nobody may be left to read it
        os.write(2, f"{STOPPED}\n".encode())
    os._exit(130)


def fill() -> None:
    """Puts a stream to nowhere where one was closed; else the first file to be opened would be taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))


if __name__ == "__main__":
    fill()
    signal.signal(signal.SIGINT, leave)  # before anything that takes long to load
    from lib import cli

    try:
        status = cli.call()
    except KeyboardInterrupt:
        leave()
    sys.exit(status)
