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
            "whose Python is .venv/bin/python, and `ulimit -v` says whether memory is limited."
        )
    except MemoryError:
        sys.exit("Error: The memory is too small; `ulimit -v` says whether it is limited.")
    sys.exit(status)
