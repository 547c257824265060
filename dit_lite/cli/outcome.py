"""How a command ends: its status, and the one line that says why."""

import os
import sys
import warnings
from collections.abc import Callable

from ..files.system_errors import in_one_line

DONE, FAILED, WRONG, STOPPED = 0, 1, 2, 130


def outcome(run: Callable[[], int | None], command: str) -> int:
    """Run a command: 0 done, 1 failed, 2 wrong use, 130 stopped by Ctrl-C. Errors and
    warnings of the package are one line each on standard error, the same one once.

    Only errors that name their way out end like this: a bug in the package keeps its
    traceback, which its authors need.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot print é
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        shown, said = warnings.showwarning, set()

        def remark(message, category, *where, **how):
            note = f"note: {' '.join(str(message).split())}"
            if not issubclass(category, UserWarning):
                shown(message, category, *where, **how)
            elif note not in said:
                said.add(note)
                print(note, file=sys.stderr)

        warnings.showwarning = remark
        return _run(run, command)


def _run(run: Callable[[], int | None], command: str) -> int:
    def say(text: str, status: int, error: Exception | None = None) -> int:
        # only the first process prints what all of them raise
        if int(os.environ.get("RANK", "0")) and getattr(error, "everywhere", False):
            return status
        print(f"dit_lite {command}: {' '.join(text.split())}", file=sys.stderr)
        return status

    try:
        return run() or DONE
    except KeyboardInterrupt as stop:
        return say(str(stop) or "stopped", STOPPED)
    except BrokenPipeError:  # `| head` has stopped reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        # our own errors are complete sentences, and have no errno
        text = str(error) if error.errno is None else in_one_line(error)
        return say(text, WRONG, error)
    except ImportError as error:
        if (error.name or "").split(".")[0] == "dit_lite":
            raise
        return say(f"{error}; install it with pip", FAILED)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        return say(f"out of memory{reason}; ask for less at a time", FAILED)
    except (ValueError, TypeError) as error:
        from ..training import DivergedError

        status = FAILED if isinstance(error, DivergedError) else WRONG
        return say(str(error), status, error)
    except RuntimeError as error:
        if not type(error).__name__.startswith("OutOfMemory"):
            raise
        return say(
            f"the GPU is out of memory ({str(error).splitlines()[0]}); ask for less at "
            "a time, such as a smaller --batch-size",
            FAILED,
        )
