"""What axe-core has against a page: only what is serious or critical, each fault as
`rule: selector (what is wrong)`.
"""

from __future__ import annotations

from importlib.resources import files

COLOURS = ["color-contrast", "link-in-text-block"]
STRUCTURE = """async ([colours]) => {
    const off = Object.fromEntries(colours.map(rule => [rule, { enabled: false }]));
    return axe.run(document, { rules: off, preload: false, resultTypes: ['violations'] });
}"""
# Of all text that looks alike (element, classes, colour, size, ground) one piece is
# enough; all 10,000 of a chapter would take a minute.
CONTRAST = """async ([colours]) => {
    document.getAnimations().forEach(animation => animation.effect.getComputedTiming().endTime < Infinity && animation.finish()); // colours on their way
    const ground = node => {
        for (let at = node; at; at = at.parentElement) {
            const { backgroundColor, backgroundImage, opacity } = getComputedStyle(at);
            if (backgroundImage !== 'none' || opacity !== '1' || !backgroundColor.endsWith(' 0)')) return backgroundColor + backgroundImage + opacity;
        }
    };
    const seen = new Map();
    for (const node of document.querySelectorAll('body *')) {
        if (!node.checkVisibility() || ![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
        const { color, fill, fontSize, fontWeight } = getComputedStyle(node);
        seen.set([node.tagName, node.className, color, fill, fontSize, fontWeight, ground(node)].join(), node);
    }
    return axe.run({ include: [...seen.values()] }, { runOnly: colours, preload: false, resultTypes: ['violations'] });
}"""


def _run(page, script: str) -> list[str]:
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(
            (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
            + "; 0"
        )
    faults = [
        fault
        for fault in page.evaluate(script, [COLOURS])["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    return [
        f"{fault['id']}: {node['target']} ({node['failureSummary']})"
        for fault in faults
        for node in fault["nodes"]
    ]


def faults_of_structure(page) -> list[str]:
    """Names, roles, headings, tables, focus, languages: the same in light and dark."""
    return _run(page, STRUCTURE)


def faults_of_colour(page) -> list[str]:
    """Text and links that cannot be told from their ground or from the text around
    them.
    """
    return _run(page, CONTRAST)
