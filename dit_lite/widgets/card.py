"""Cards: small pieces of HTML that carry their own style, so that they look the same on
the page, in JupyterLab and in Colab, light and dark.
"""

from .explorer import Html, text

ACCENTS = ("green", "amber", "red", "blue")


def card(inner: str, classes: str = "") -> Html:
    """HTML `inner` in a frame of the book's colours and font; `classes` are CSS
    classes of card.css.
    """
    names = " ".join(("dit-card", *classes.split()))
    style = text("theme.css") + text("card.css")
    return Html(f'<style>{style}</style><div class="{names}">{inner}</div>')


def note(inner: str, accent: str = "", classes: str = "") -> Html:
    """A card with a bar on its left in one of ACCENTS, or grey. Raises ValueError for
    another accent.
    """
    if accent and accent not in ACCENTS:
        raise ValueError(f"accent={accent!r}; choose one of {', '.join(ACCENTS)}")
    bar = f" dit-card-{accent}" if accent else ""
    return card(inner, f"dit-card-bar{bar} {classes}")
