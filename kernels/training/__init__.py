"""Training and evaluating a `Network`: what K19 and N21 trained.

``train``      SGD with momentum, weight decay, schedules, unit-wise dropout
``evaluate``   loss and error on a set, with dropout on or off
``Recipe``     SGD's settings, for this training and others
``noted``      the recipes that trainings ran with
``StepDecay``, ``InverseTime``    schedules of the step size
``minibatches``    (a module) batches of a set in random order, resumable
``CropFlip``   random crops and mirror images, off unless asked for
"""

from kernels.training import minibatches
from kernels.training.augmentation import CropFlip
from kernels.training.dropout import forward
from kernels.training.evaluation import block_size, evaluate
from kernels.training.precision import Precision
from kernels.training.recipe import Recipe, noted
from kernels.training.schedules import InverseTime, StepDecay
from kernels.training.sgd import Snapshot, Training, train

__all__ = [
    "CropFlip",
    "InverseTime",
    "Precision",
    "Recipe",
    "Snapshot",
    "StepDecay",
    "Training",
    "block_size",
    "evaluate",
    "forward",
    "minibatches",
    "noted",
    "train",
]
