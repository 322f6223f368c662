"""python -m lib COMMAND: the command line (cli.py), which ends in one sentence whatever happens."""

import contextlib
import os
import resource
import signal
import sys

STOPPED = "Stopped; the same command goes on from here."
LEAST = 2 << 30  # bytes of addresses; with fewer, linear algebra may wait for memory for ever while it is loaded


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


def limited() -> bool:
    """Whether this process may have less memory than it needs to begin with, as by `ulimit -v`."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return most != resource.RLIM_INFINITY and most < LEAST


if __name__ == "__main__":
    fill()
    if limited():
        sys.exit("Error: Memory is limited to less than the 2 GB that are needed; `ulimit -v unlimited` lifts that.")
    signal.signal(signal.SIGINT, leave)  # before anything that takes long to load
    try:
        from lib import cli

        status = cli.call()
    except KeyboardInterrupt:
        leave()
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "lib":
            raise
        sys.exit(
            f"Error: What the project needs cannot be loaded ({error}); `make .venv/ready` sets up an environment, "
            "whose Python is .venv/bin/python."
        )
    except MemoryError:
        sys.exit("Error: The memory is too small.")
    sys.exit(status)
