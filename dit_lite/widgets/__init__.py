"""Explorers that respond in the static page, and one style for every figure. They take
arrays and do not depend on models.
"""

from .arrays import to_pixels
from .attention import attention_explorer, pack_attention
from .budget_game import budget_game
from .card import card, note
from .cost import cost_calculator
from .evaluation import evaluation_explorer
from .explorer import Html, explorer
from .live_dit import live_dit_explorer
from .memory import memory_explorer
from .noise import noise_explorer
from .patches import example_picture, patch_explorer
from .pipeline import pipeline_explorer
from .planner import cluster_planner
from .predict import choose, predict
from .progress import progress
from .replay import run_replay_explorer
from .ring import all_reduce_explorer
from .sampling import pack_scores, sampling_explorer
from .scaling_law import scaling_law_explorer
from .source import show_source
from .style import PALETTE, band, figure, image_grid, label_line, plain_ticks, use_style
from .table import mean_range, mean_std, table
from .words import words_explorer
from .zero_init import zero_init_explorer

__all__ = [
    "PALETTE", "Html", "all_reduce_explorer", "attention_explorer", "band",
    "budget_game", "card", "choose", "cluster_planner", "cost_calculator",
    "evaluation_explorer", "example_picture", "explorer", "figure", "image_grid",
    "label_line", "live_dit_explorer", "mean_range", "mean_std", "memory_explorer",
    "noise_explorer", "note", "pack_attention", "pack_scores", "patch_explorer",
    "pipeline_explorer", "plain_ticks", "predict", "progress", "run_replay_explorer",
    "sampling_explorer", "scaling_law_explorer", "show_source", "table",
    "to_pixels", "use_style", "words_explorer", "zero_init_explorer",
]  # fmt: skip
