"""The engine that cuts: as ``certificates.engine`` asks for one."""

from kernels.certificates.engine import Task
from kernels.certificates.pieces.cover import Cover, refine
from kernels.certificates.pieces.interval import prepare

PIECES = 4  # pieces a sample that count as one interval of the budget


def cut(task: Task) -> bool:
    """Bound every general segment by pieces, the worst interval first.

    As ``engine.Task`` says.  ``task.budget`` counts chords and boxes; here it
    allows ``PIECES`` pieces a sample for each.  What is left of it once the
    loss is within its tolerance goes to the error's supremum.

    Cost: a forward pass at some sign changes / 12 places of a segment, and
    about five an output piece.  Memory: see ``interval.bound``; and twenty
    numbers a sample and interval.
    """
    data, covers = task.data, []
    for k in task.segments:
        ends = data.path.ends(k)
        segment = prepare(data.network, *ends, data.x, data.y, data.loss)
        covers.append(Cover(segment, ((0.0, 1.0, task.known[k].cap, 1.0),)))
    complete = refine(
        covers,
        task.tolerance,
        floor=max(known.attained for known in task.known),
        budget=task.budget * PIECES * len(data.x),
    )
    for k, cover in zip(task.segments, covers):
        known = task.known[k]
        for _, t in {cover.attained(), cover.error_attained()}:
            loss, slack, error, _ = data.at(k, t)
            if loss > known.attained or known.rounding == 0:
                known.rounding = slack
            known.found(loss, error, t)
        known.upper = max(cover.upper, known.attained)
        known.error_upper = max(cover.error_upper, known.error_attained)
        known.intervals = cover.bounded
    return complete
