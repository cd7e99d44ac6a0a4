# %% [markdown]
# # Bibliography
#
# The works that the chapters cite.
#
# ```{bibliography}
# ```
