"""How good are the images? Scores that say what they were measured against."""

from .accuracy import class_accuracy
from .digits import DigitsReport, evaluate_digits, real_images
from .judge import Judge, load_judge, train_judge
from .precision_recall import PrecisionRecall, precision_recall

__all__ = [
    "DigitsReport",
    "Judge",
    "PrecisionRecall",
    "class_accuracy",
    "evaluate_digits",
    "load_judge",
    "precision_recall",
    "real_images",
    "train_judge",
]
