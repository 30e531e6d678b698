"""The order of the paper's methods: one number for each, from Table 1 as it is printed."""

import math
from collections.abc import Mapping

from unlearn_bench.leaderboards.reported.printed import METHODS, ReportedTables


def printed_scores(reported: ReportedTables) -> Mapping[str, float]:
    """By this project's names, the mean of a method's printed Avg. Scores over the forget datasets of Table 1.

    Table 1 is of CLIP RN50. Lip has no printed score on StanfordCars, where its row breaks off: its mean is over the
    three others. No method changes its place in the order if all means are over these three.
    """
    found: dict[str, list[float]] = {name: [] for name in METHODS.values()}
    for row in reported.table1:
        if row.score is not None:
            found[METHODS[row.method]].append(row.score)
    return {name: math.fsum(scores) / len(scores) for name, scores in found.items() if scores}
