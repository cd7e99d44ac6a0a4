"""What lies beyond the constructions, and why."""

from torch import nn

_REASONS = {
    (nn.Softmax, nn.LogSoftmax): (
        "the losses here read the outputs before it; the module without it "
        "will do"
    ),
    (nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm): (
        "it normalises each input by that input's own statistics, so that it "
        "is not linear in eval mode and cannot be folded"
    ),
}


def why_not(module: nn.Module) -> str:
    """Why the constructions do not reach a module.

    Parameters
    ----------
    module : of a kind that :func:`from_module` does not know
    """
    for kinds, why in _REASONS.items():
        if isinstance(module, kinds):
            return why
    if type(module).__module__ == "torch.nn.modules.activation":
        return (
            "the constructions and the certificates are proved for ReLU, the "
            "same in every layer"
        )
    return (
        "the constructions reach Linear, Conv2d, BatchNorm, ReLU, max and "
        "average pooling, Flatten, Dropout and Identity"
    )
