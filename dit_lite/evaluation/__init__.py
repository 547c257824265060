"""How good are the images? Scores that say what they were measured against."""

from .accuracy import class_accuracy
from .classification_accuracy_score import LEARNERS, classification_score
from .classifier import Classifier, load_classifier, train_classifier
from .comparison import JUDGES, training_reference
from .density_coverage import DensityCoverage, density_coverage, expected_coverage
from .digits import DigitsReport, evaluate_digits, real_images
from .estimate import network_calls
from .evaluate import evaluate_model
from .extractor import EXTRACTORS, Extracted, Extractor, extract, load_extractor
from .faults import FAULTS, inject, look_alike
from .frechet import Gaussian, frechet_between, frechet_distance, gaussian
from .inception_score import InceptionScore, inception_score
from .inputs import Finite, finite, require_classes
from .intervals import Interval, bootstrap, half_samples, share
from .judge import Judge, load_judge, train_judge
from .kernel import KernelDistance, kernel_distance, squared_mmd
from .label_penalty import LabelPenalty, label_penalty
from .linear_baseline import linear_loss_by_time
from .loss_by_time import Bins, LossByTime, loss_by_time
from .measure import SCORES, measure, real_against_real
from .memorisation import Memorisation, memorisation
from .neighbours import Neighbours, nearest
from .precision_recall import PrecisionRecall, precision, precision_recall
from .reference import (
    Reference,
    ReferenceError,
    load_reference,
    make_reference,
    save_reference,
)
from .report import Report
from .sample_size import Curve, Extrapolation, at_infinity, halves, sample_size_curve
from .scores import MixedScoresError, Scores, ScoreTable
from .spectrum import Spectrum, radial_spectrum, visible_frequency
from .validation import held_out, mean_loss, mislabelled, validation_loss

__all__ = [
    "EXTRACTORS", "FAULTS", "JUDGES", "LEARNERS", "SCORES", "Bins", "Classifier",
    "Curve", "DensityCoverage", "DigitsReport", "Extracted", "Extractor",
    "Extrapolation", "Finite", "Gaussian", "InceptionScore", "Interval", "Judge",
    "KernelDistance", "LabelPenalty", "LossByTime", "Memorisation", "MixedScoresError",
    "Neighbours", "PrecisionRecall", "Reference", "ReferenceError", "Report",
    "ScoreTable", "Scores", "Spectrum", "at_infinity", "bootstrap", "class_accuracy",
    "classification_score", "density_coverage", "evaluate_digits", "evaluate_model",
    "expected_coverage", "extract", "finite", "frechet_between", "frechet_distance",
    "gaussian", "half_samples", "halves", "held_out", "inception_score", "inject",
    "kernel_distance", "label_penalty", "linear_loss_by_time", "load_classifier",
    "load_extractor",
    "load_judge", "load_reference", "look_alike", "loss_by_time", "make_reference",
    "mean_loss", "measure", "memorisation", "mislabelled", "nearest", "network_calls",
    "precision", "precision_recall", "radial_spectrum", "real_against_real",
    "real_images", "require_classes", "sample_size_curve", "save_reference", "share",
    "squared_mmd", "train_classifier", "train_judge", "training_reference",
    "validation_loss", "visible_frequency",
]  # fmt: skip
