"""One style for the book's figures: a colour-blind-safe palette, lines labelled
directly, text in the page's colour.
"""

import base64
import io
import itertools
import re
import struct
import zlib
from collections.abc import Sequence
from html import escape

import numpy as np

from .arrays import as_array, check_text, check_whole, to_pixels
from .explorer import Html, text

#: Okabe and Ito's palette without yellow and black, which vanish on a light or a dark
#: page. On the page each follows the theme.
PALETTE = {
    "blue": "#0072b2",
    "red": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "sky": "#56b4e9",
    "amber": "#e69f00",
}
# mid-grey where matplotlib draws by itself; the colour of the text and a faint line in
# a figure of the book
INK, GRID = "#767c83", "#767c84"
_count = itertools.count(1)


def use_style() -> None:
    """Set matplotlib's defaults for the book. Figures are 5 inches wide, so that
    their text stays readable on a phone.
    """
    plt = _pyplot()
    plt.rcParams.update({
        "figure.figsize": (5.2, 3.1), "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "figure.facecolor": "none", "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.prop_cycle": plt.cycler(color=list(PALETTE.values())),
        "image.cmap": "viridis", "image.interpolation": "nearest",
        "text.color": INK, "axes.labelcolor": INK, "axes.titlecolor": INK,
        "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK,
        "axes.grid": True, "grid.color": GRID, "grid.alpha": 0.22,
        "grid.linewidth": 0.7, "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
        "axes.titlelocation": "left",
        "font.size": 11, "axes.titlesize": 11, "axes.labelsize": 11,
        "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 10,
        "legend.frameon": False, "lines.linewidth": 2, "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
    })  # fmt: skip


def figure(fig, alt: str, caption: str = "") -> Html:
    """A matplotlib figure as inline SVG that follows the theme: text and axes take the
    page's colour and font.

    `alt` states the finding for those who cannot see it; `caption` says what to look
    for and may contain <em>, <code> and <sub>. The figure is closed. Raises ValueError
    for an empty alt, TypeError for something that is not a matplotlib figure.
    """
    plt = _pyplot()
    if not isinstance(fig, plt.Figure):
        raise TypeError(
            f"fig has type {type(fig).__name__}; expected a matplotlib figure"
        )
    check_text("alt", alt, inline=False)
    check_text("caption", caption, empty=True)
    buffer = io.StringIO()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dit-lite"}):
        fig.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    plt.close(fig)
    return _wrap(_inline(buffer.getvalue(), alt, fig.get_figwidth()), caption)


def label_line(ax, x: float, y: float, text: str, color=None, **options):
    """Write `text` beside a line, at the data point (x, y), in its colour: a direct
    label instead of a legend.
    """
    options = {
        "ha": "left",
        "va": "center",
        "xytext": (5, 0),
        "fontsize": 10,
        "fontweight": "bold",
    } | options
    return ax.annotate(
        text,
        (x, y),
        textcoords="offset points",
        color=color or INK,
        annotation_clip=False,
        **options,
    )


def band(ax, x, values, color: str, label: str = "", **options):
    """A line through the means of `values` (len(x), seeds) over x, in a colour of the
    palette, with a band from lowest to highest.

    `label` names the line in a legend; `options` go to matplotlib's plot. Returns the
    line. Raises ValueError for another shape.
    """
    values = as_array("values", values).astype(float)
    if values.ndim != 2 or len(values) != len(x):
        raise ValueError(
            f"values has shape {values.shape}; expected ({len(x)}, seeds), one row for "
            "each x"
        )
    ax.fill_between(
        x, values.min(1), values.max(1), color=PALETTE[color], alpha=0.22, lw=0
    )
    return ax.plot(x, values.mean(1), color=PALETTE[color], label=label, **options)[0]


def plain_ticks(axis, values: Sequence[float]) -> None:
    """Ticks at `values` only, written as plain numbers: for a logarithmic `ax.xaxis` or
    `ax.yaxis`.
    """
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def image_grid(
    images,
    alt: str,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    caption: str = "",
    size: int | None = None,
    rows: Sequence[str] = (),
) -> Html:
    """Images (n, C, H, W) in [-1,1] as a grid of crisp tiles, `columns` in a row, each
    at most `size` pixels wide.

    titles: one per image; rows: one per row, written above it; alt and caption as in
    `figure`. Raises ValueError or TypeError, naming the argument.
    """
    check_text("alt", alt, inline=False)
    check_text("caption", caption, empty=True)
    images = as_array("images", images)
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images has shape {images.shape}; expected (n, C, H, W) with n of "
            "at least 1 and C = 1 or 3"
        )
    check_whole("columns", columns, 1)
    if titles is not None and len(titles) != len(images):
        raise ValueError(
            f"titles has {len(titles)} entries; expected {len(images)}, one per image"
        )
    if rows and len(rows) != -(-len(images) // columns):
        raise ValueError(
            f"rows has {len(rows)} entries; expected {-(-len(images) // columns)}, one "
            "per row"
        )
    names = (
        [""] * len(images)
        if titles is None
        else [f"<span>{escape(str(title))}</span>" for title in titles]
    )
    cells = [('<div><img alt="" '
        f'src="data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}">{name}</div>')
             for pixels, name in zip(to_pixels(images), names,
             strict=True)]  # fmt: skip
    for i, row in reversed(list(enumerate(rows))):
        cells.insert(
            i * columns, f'<span class="dit-grid-row">{escape(str(row))}</span>'
        )
    size = size or max(64, min(128, 640 // min(columns, len(images))))
    grid = (
        f'<div class="dit-grid-images" role="img" aria-label="{escape(alt)}" '
        f'style="--columns:{min(columns, len(images))};--size:{size}px">'
    )
    return _wrap(grid + "".join(cells) + "</div>", caption)


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            'figures need matplotlib: pip install "dit-lite[notebook]"'
        ) from error
    return plt


def _wrap(inner: str, caption: str) -> Html:
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return Html(
        f"<style>{text('theme.css')}</style><figure "
        f'class="dit-figure">{inner}{below}</figure>'
    )


def _inline(svg: str, alt: str, inches: float) -> str:
    """matplotlib's SVG as part of a page: no XML header, unique ids, the page's colours
    and font.
    """
    key = f"f{next(_count)}"
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]+)"', body)[1]
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{key}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", body).replace(
        "xlink:href", "href"
    )
    body = re.sub(r'href="#([^"]+)"', rf'href="#{key}-\1"', body)
    body = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--dit-font)", body)
    body = body.replace(INK, "currentColor").replace(GRID, "currentColor")
    for name, color in PALETTE.items():
        body = body.replace(color, f"var(--dit-{name})")
    return (
        f'<svg viewBox="{box}" role="img" aria-label="{escape(alt)}" '
        f'style="max-width:{inches * 104:.0f}px">{body}'
    )


def _png(pixels: np.ndarray) -> bytes:
    """uint8 pixels (H, W) or (H, W, 3) as a PNG file."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # filter 0: none

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(
        ">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )
