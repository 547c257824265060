import base64
import io
import re

import numpy as np
import pytest
import torch

from dit_lite.widgets import (
    PALETTE,
    figure,
    image_grid,
    label_line,
    plain_ticks,
    use_style,
)

plt = pytest.importorskip("matplotlib.pyplot")
ALT = "the loss falls"


@pytest.fixture(autouse=True)
def style():
    plt.switch_backend("agg")
    with plt.rc_context():
        use_style()
        yield


def draw():
    fig, ax = plt.subplots()
    for color in PALETTE.values():
        ax.plot([0, 1], [0, 1], color=color)
        ax.scatter([0.5], [0.5], clip_on=True)
    label_line(ax, 1, 1, "a line", PALETTE["blue"])
    ax.set(xlabel="images seen", ylabel="loss", title="Loss", yscale="log")
    return fig


def test_figure_takes_the_colours_and_the_font_of_the_page():
    data = figure(draw(), ALT, "Look at the <em>end</em>.").data
    svg = data[data.index("<svg") :]
    assert f'role="img" aria-label="{ALT}"' in data
    assert "<figcaption>Look at the <em>end</em>.</figcaption>" in data
    assert "currentColor" in svg
    assert not set(re.findall(r"#[0-9a-fA-F]{6}", svg)) - {"#000000"}, (
        "no colour is fixed"
    )
    assert {f"var(--dit-{name})" for name in PALETTE} <= set(
        re.findall(r"var\(--dit-\w+\)", svg)
    )
    assert "DejaVu" not in svg
    assert "images seen</text>" in svg, "text stays text"


def test_figure_refers_to_nothing_outside_and_to_its_own_ids():
    figures = [figure(draw(), ALT).data for _ in range(2)]
    assert not any(
        re.search(r"https?:|<\?xml|<!DOCTYPE|<metadata|xlink", data) for data in figures
    )
    ids = [set(re.findall(r'\bid="([^"]+)"', data)) for data in figures]
    assert not ids[0] & ids[1]
    for data, own in zip(figures, ids, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', data)) <= own


def test_ticks_stand_at_the_values_alone_as_plain_numbers():
    fig, ax = plt.subplots()
    ax.plot([0.05, 2000], [1, 2])
    ax.set(xscale="log")
    plain_ticks(ax.xaxis, [0.05, 1, 1024])
    fig.canvas.draw()
    assert list(ax.get_xticks()) == [0.05, 1, 1024]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.05", "1", "1024"]
    assert not len(ax.get_xticks(minor=True))
    plt.close(fig)


def test_figure_is_closed_so_that_a_notebook_does_not_show_it_twice():
    fig = draw()
    figure(fig, ALT)
    assert not plt.fignum_exists(fig.number)


def test_image_grid_holds_the_pixels():
    image = pytest.importorskip("PIL.Image")
    images = torch.rand(7, 3, 4, 5) * 2 - 1
    data = image_grid(
        images, ALT, [f"<{i}>" for i in range(7)], columns=4, caption="Seven."
    ).data
    assert f'role="img" aria-label="{ALT}"' in data
    assert "&lt;6&gt;" in data
    pngs = re.findall(r"data:image/png;base64,([^\"]+)", data)
    assert len(pngs) == 7
    shown = np.asarray(image.open(io.BytesIO(base64.b64decode(pngs[3]))))
    np.testing.assert_allclose(
        shown, (images[3].permute(1, 2, 0).numpy() + 1) * 127.5, atol=0.51
    )


def test_image_grid_names_a_row_above_it():
    data = image_grid(
        np.zeros((3, 1, 4, 4)), ALT, columns=2, rows=["<one>", "two"]
    ).data
    cells = re.findall(r'dit-grid-row">([^<]+)<|<(img)', data)
    assert [name or tag for name, tag in cells] == [
        "&lt;one&gt;",
        "img",
        "img",
        "two",
        "img",
    ]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: figure(draw(), ""), ValueError, "alt is empty"),
        (lambda: figure(draw(), " "), ValueError, "alt is empty"),
        (lambda: figure(draw(), None), TypeError, "alt has type NoneType"),
        (
            lambda: figure("plot.png", ALT),
            TypeError,
            "fig has type str; expected a matplotlib figure",
        ),
        (
            lambda: figure(draw(), ALT, "<b>bold</b>"),
            ValueError,
            "caption contains <b>",
        ),
        (lambda: image_grid(np.zeros((2, 1, 4, 4)), ""), ValueError, "alt is empty"),
        (
            lambda: image_grid(np.zeros((2, 4, 4)), ALT),
            ValueError,
            r"images has shape \(2, 4, 4\); expected \(n, C, H, W\)",
        ),
        (lambda: image_grid(np.zeros((2, 2, 4, 4)), ALT), ValueError, "C = 1 or 3"),
        (
            lambda: image_grid(np.zeros((2, 1, 4, 4)), ALT, ["a"]),
            ValueError,
            "titles has 1 entries; expected 2",
        ),
        (
            lambda: image_grid(np.zeros((3, 1, 4, 4)), ALT, columns=2, rows=["a"]),
            ValueError,
            "rows has 1 entries; expected 2",
        ),
        (
            lambda: image_grid(np.zeros((2, 1, 4, 4)), ALT, columns=0),
            ValueError,
            "columns=0",
        ),
    ],
)
def test_errors_name_the_argument(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"dit-lite\[notebook\]"):
        use_style()
