import os
import signal

import pytest
from processes import RankError, run


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_rank_that_dies_is_named_with_what_ended_it():
    with pytest.raises(RankError, match=r"rank 0 ended without a result, .* -9"):
        run(1, die, group=False)
