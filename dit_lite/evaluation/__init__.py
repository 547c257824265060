"""How good are the images? Scores that say what they were measured against."""

from .inputs import Finite, finite, require_classes
from .losses.label_penalty import LabelPenalty, label_penalty
from .losses.loss_by_time import Bins, LossByTime, loss_by_time
from .losses.validation import held_out, mean_loss, mislabelled, validation_loss
from .networks.classifier import Classifier, load_classifier, train_classifier
from .networks.extractor import (
    EXTRACTORS,
    Extracted,
    Extractor,
    extract,
    load_extractor,
)
from .networks.judge import Judge, load_judge, train_judge
from .reports.comparison import JUDGES, training_reference
from .reports.digits import DigitsReport, evaluate_digits, real_images
from .reports.estimate import network_calls
from .reports.evaluate import evaluate_model
from .reports.measure import SCORES, measure, real_against_real
from .reports.reference import (
    Reference,
    ReferenceError,
    load_reference,
    make_reference,
    save_reference,
)
from .reports.report import Report
from .reports.score_table import MixedScoresError, Scores, ScoreTable
from .scores.accuracy import class_accuracy
from .scores.classification_accuracy_score import LEARNERS, classification_score
from .scores.copy_power import (
    copy_power,
    found_by_distance,
    found_by_ratio,
    normalised,
    share_at_most,
)
from .scores.density_coverage import DensityCoverage, density_coverage
from .scores.faults import FAULTS, inject, look_alike
from .scores.frechet import Gaussian, frechet_between, frechet_distance, gaussian
from .scores.inception_score import InceptionScore, inception_score
from .scores.intervals import Interval, bootstrap, half_samples, share
from .scores.kernel import kernel_distance, squared_mmd
from .scores.memorisation import Memorisation, memorisation
from .scores.neighbours import Neighbours, nearest
from .scores.precision_recall import PrecisionRecall, precision, precision_recall
from .scores.sample_size import (
    Curve,
    Extrapolation,
    at_infinity,
    halves,
    sample_size_curve,
)
from .scores.spectrum import Spectrum, radial_spectrum, visible_frequency

__all__ = [
    "EXTRACTORS", "FAULTS", "JUDGES", "LEARNERS", "SCORES", "Bins", "Classifier",
    "Curve", "DensityCoverage", "DigitsReport", "Extracted", "Extractor",
    "Extrapolation", "Finite", "Gaussian", "InceptionScore", "Interval", "Judge",
    "LabelPenalty", "LossByTime", "Memorisation", "MixedScoresError", "Neighbours",
    "PrecisionRecall", "Reference", "ReferenceError", "Report", "ScoreTable", "Scores",
    "Spectrum", "at_infinity", "bootstrap", "class_accuracy", "classification_score",
    "copy_power", "density_coverage", "evaluate_digits", "evaluate_model", "extract",
    "finite", "found_by_distance", "found_by_ratio", "frechet_between",
    "frechet_distance", "gaussian", "half_samples", "halves", "held_out",
    "inception_score", "inject", "kernel_distance", "label_penalty", "load_classifier",
    "load_extractor", "load_judge", "load_reference", "look_alike", "loss_by_time",
    "make_reference", "mean_loss", "measure", "memorisation", "mislabelled", "nearest",
    "network_calls", "normalised", "precision", "precision_recall", "radial_spectrum",
    "real_against_real", "real_images", "require_classes", "sample_size_curve",
    "save_reference", "share", "share_at_most", "squared_mmd", "train_classifier",
    "train_judge", "training_reference", "validation_loss", "visible_frequency",
]  # fmt: skip
