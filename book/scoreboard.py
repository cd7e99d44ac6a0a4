# %% [markdown]
# (scoreboard)=
# # Scoreboard
#
# Every number that the chapters take from the three papers, beside ours. The
# tolerance was written down before the run that judges it: the run at the
# papers' scale for what they measured, the laptop's for what holds at any
# size, like the number of segments of a path.
#
# *Reproduced* means that our mean lies within the tolerance, *not reproduced*
# that it does not, and *not attempted* that no run of ours has measured it.
# Measurements are mean ± standard deviation over $n$ repetitions. The chapter
# says how each was made, and what we make of a failure.

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import scores
from book.tools.chapter import show

show(scores.summary())

# %% [markdown]
# ## What did not come out
#
# Each line leads to its row below, and from there to the chapter.

# %% tags=["remove-input"]
show(scores.failed())

# %% [markdown]
# ## Explaining landscape connectivity
#
# The claims of {cite:t}`kuditipudi2019`, Part I.

# %% tags=["remove-input"]
show(scores.table("k19"))

# %% [markdown]
# ## Landscape connectivity and dropout stability
#
# The claims of {cite:t}`shevchenko2020`, Part II.

# %% tags=["remove-input"]
show(scores.table("s20"))

# %% [markdown]
# ## On connectivity of solutions
#
# The claims of {cite:t}`nguyen2021`, Part III.

# %% tags=["remove-input"]
show(scores.table("n21"))
