# %% [markdown]
# (scoreboard)=
# # Scoreboard
#
# Every claim that the chapters take from the three papers, beside what we
# measured. Each quotes the sentence it rests on, and says how its tolerance
# follows from that sentence. The tolerance was written down before the run
# that judges it, but for the rows that say that they were added when the
# record existed. Where a later reading changed one, the row keeps the old one
# and says why. Two rows, on the width from which N21's networks are dropout
# stable, failed while they were asked of 1000 neurons as well, and are now
# asked of more than 1000, as the paper says. The run at the papers' scale
# judges what they measured, the laptop's what holds at any size, like the
# number of segments of a path.

# %% tags=["remove-cell"]
import sys
from pathlib import Path

here = Path(globals().get("__file__", "chapter.py")).resolve()
root = next(p for p in here.parents if (p / "_config.yml").exists())
sys.path.insert(0, str(root))

# %% tags=["remove-input"]
from book.tools import scores
from book.tools.chapter import show

show(scores.meanings())

# %% tags=["remove-input"]
show(scores.summary())

# %% [markdown]
# What cannot fail is no claim: a bound of $10^4$ on a loss of 2, or a count
# that the construction fixes. Such statements are checked in the chapters and
# not counted here.
#
# In the picture of a row the bar is the accepted range, on a scale on which
# its limits lie equally far from the middle; beyond them the scale is
# logarithmic. The dot is our mean, the line through it one standard deviation
# over the $n$ repetitions, and a triangle lies outside the picture. The words
# beside it say the same.

# %% tags=["remove-input"]
show(scores.filters())

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
# ## When are solutions connected?
#
# The claims of {cite:t}`nguyen2021`, Part III.

# %% tags=["remove-input"]
show(scores.table("n21"))
