# %% [markdown]
# (how-to-cite)=
# # How to cite
#
# Whoever uses a number of this book should name the commit that it came from;
# for a recorded run it stands at the chapter's end. Whoever uses a theorem
# should cite its paper; the {ref}`scoreboard <scoreboard>` says which sentence
# of which paper a number belongs to.
#
# ```bibtex
# @misc{connectedlandscape,
#   author = {{The Connected Landscape}},
#   title  = {The Connected Landscape: three papers on mode connectivity, run and certified},
#   note   = {Jupyter book with tested kernels; state the commit that you used},
#   year   = {2026},
# }
#
# @inproceedings{kuditipudi2019,
#   author    = {Rohith Kuditipudi and Xiang Wang and Holden Lee and Yi Zhang and Zhiyuan Li and Wei Hu and Rong Ge and Sanjeev Arora},
#   title     = {Explaining landscape connectivity of low-cost solutions for multilayer nets},
#   booktitle = {Neural Information Processing Systems (NeurIPS)},
#   pages     = {14601--14610},
#   year      = {2019},
# }
#
# @inproceedings{shevchenko2020,
#   author    = {Alexander Shevchenko and Marco Mondelli},
#   title     = {Landscape connectivity and dropout stability of {SGD} solutions for over-parameterized neural networks},
#   booktitle = {International Conference on Machine Learning (ICML)},
#   pages     = {8773--8784},
#   year      = {2020},
# }
#
# @misc{nguyen2021,
#   author       = {Quynh Nguyen and Pierre Br{\'e}chet and Marco Mondelli},
#   title        = {On connectivity of solutions in deep learning: the role of over-parameterization and feature quality},
#   howpublished = {arXiv:2102.09671},
#   year         = {2021},
# }
# ```
