import os
import signal

import pytest
from processes import RankError, run


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_rank_that_dies_is_named_with_what_ended_it():
    with pytest.raises(RankError, match=r"rank 0 ended without a result, .* -9"):
        run(1, die, group=False)


def test_a_rank_that_crashes_shows_its_stack():
    with pytest.raises(RankError, match=r"exit code -6\n(.*\n)+.*in _rank"):
        run(1, os.abort, group=False)
