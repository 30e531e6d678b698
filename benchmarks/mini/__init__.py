"""The embedded suite `mini`: rendered datasets, their captions, and the command that trains the two small
CLIP models.

Everything is made from code of this repository, scikit-learn's handwritten digits and the typefaces that
ship with matplotlib, so the suite needs no download. `concepts` says what there is, `images` draws it,
`captions` describes it, and `python -m unlearn_bench.benchmarks.mini.train --help` makes the weights.
"""
