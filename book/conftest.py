"""Under pytest --nbmake the live parts of the chapters run at budget smoke."""

import os

os.environ["DIT_LITE_BUDGET"] = "smoke"
os.environ.setdefault("OMP_NUM_THREADS", "2")
