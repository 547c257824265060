"""The Sphinx side of the book: static explorers, an execution cache that follows the
package, and the table of claims.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import os
import re
from collections import Counter
from html import escape
from pathlib import Path

import chapters
from citations import papers
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parent.parent
ROOT = BOOK.parent
#: What a page's outputs depend on besides its own cells.
SOURCES = (
    "dit_lite/**/*.py",
    "dit_lite/**/*.mjs",
    "dit_lite/**/*.css",
    "book/claims.yml",
    "data/results/**/*.json",
    "data/checkpoints/**/*",
)


#: What the pages depend on besides those.
PAGES = (
    "_config.yml",
    "_toc.yml",
    "book/chapters.yml",
    "book/**/*.md",
    "book/**/*.ipynb",
    "book/**/*.bib",
    "book/_ext/*",
    "book/_static/*",
)
STAMP = ".sources"
#: The system's theme is known before anything is drawn, so that only one logo takes up
#: room; and on paper every page is light.
THEME = """
{
  const page = document.documentElement.dataset;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (page.theme === "auto") page.theme = dark ? "dark" : "light";
  let theme;
  addEventListener("beforeprint", () => { theme = page.theme; page.theme = "light"; });
  addEventListener("afterprint", () => { page.theme = theme; });
}
"""
#: A formula inside a sentence, with the signs that must not be torn from it.
FORMULA = re.compile(
    r'([(“]?)(<span class="math notranslate nohighlight">[^<]*</span>)([.,;:!?)”’]*)'
)
PRINTED = re.compile(
    r'(<div class="output stream[^"]*)">(<div class="highlight"><pre>)(.*?)</pre>', re.S
)
#: The card of a claim.
CARD = re.compile(
    r"<details><summary><strong>([A-Z0-9]+-\d+)</strong>(.*?)</p></details>", re.S
)
CITE = re.compile(r"<cite>.*?</cite>")
#: A paper in the source of a claim: by its number at arXiv, or by its doi.
PAPER = re.compile(r"(?<![\d./])(\d{4}\.\d{4,5})\b|\bdoi (10\.[^\s,;)<]+)")
#: What holds no sentences. Then the spaces at which a line must not end, 39 % and w =
#: 1, the place of the space that Python's own format of a share leaves out, and a
#: hyphen that is a minus.
KEPT = re.compile(r"(<(pre|style|code|svg|script)\b.*?</\2>)", re.S)
TORN = re.compile(
    r"(?<=\d) (?=%)|(?<=\b[A-Za-zβγ]) (?== [\d−-])|(?<=\b[A-Za-zβγ] =) (?=[\d−-])"
)
SHARE = re.compile(r"(?<=\d)(?=%(?![\w%]))")
MINUS = re.compile(r"(?<![^\s(])-(?=\d)")
NO_BREAK = "\N{NO-BREAK SPACE}"
#: A value in a cell, up to its ±: where the table is too wide, the spread goes below.
SPREAD = re.compile(r"<td[^>]*><p>[^<]*\d\N{NARROW NO-BREAK SPACE}(?=±)")
STYLE = re.compile(r"<style>.*?</style>", re.S)
#: What stands where the button of Colab would be.
NO_COLAB = {
    "type": "group",
    "tooltip": "Colab: this copy of the book names no repository",
    "icon": "fas fa-rocket",
    "label": "launch-buttons",
    "buttons": [
        {
            "type": "link",
            "text": "Colab needs the repository's address",
            "tooltip": "How to read the book, and what Colab needs",
            "icon": "fas fa-circle-info",
            "label": "no-colab",
        }
    ],
}
ICONS = re.compile(
    r"\n[^\n]*<!-- So that users can add custom icons -->"
    r"|<script[^>]*fontawesome\.js[^>]*></script>"
)


def sources_hash(patterns: tuple[str, ...] = SOURCES) -> str:
    """A hash of the files that match; by default everything outside a notebook that
    its outputs depend on.
    """
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and not {
                "__pycache__",
                "_build",
                ".ipynb_checkpoints",
            } & set(path.parts):
                digest.update(
                    str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes()
                )
    return digest.hexdigest()[:12]


def execution_cache(built: Path) -> Path:
    """Where executed chapters are kept, by the state of their sources: below
    `built`, and those of budget smoke in one place for all builds.
    """
    folder = (
        BOOK / "_build/.smoke_cache"
        if os.environ.get("DIT_LITE_BUDGET") == "smoke"
        else built / ".jupyter_cache"
    )
    now = sources_hash()
    for old in folder.glob("*"):
        if old.is_dir() and old.name != now:
            _remove(old)
    return folder / now


def prepare(app, config) -> None:
    """Kernels inherit the variable and emit explorers as static fragments; what they
    made is kept as long as the sources stay. The buttons that lead to a repository are
    there when it has an address.
    """
    os.environ["DIT_LITE_STATIC"] = "1"
    config.nb_execution_cache_path = str(execution_cache(Path(app.outdir).parent))
    theme = config.html_theme_options
    owned = bool(theme.get("repository_url"))
    theme |= {"use_repository_button": owned, "use_issues_button": owned}
    if not owned:
        theme["launch_buttons"] = {}


def reexecute(app, env, added, changed, removed) -> list[str]:
    """All pages are read again when the sources of their outputs, or this file, have
    changed.
    """
    before, now = (
        getattr(env, "dit_sources", None),
        sources_hash((*SOURCES, "book/_ext/*.py")),
    )
    env.dit_sources = now
    return sorted(env.found_docs) if before != now else []


def lighten(app, error) -> None:
    """Drop the theme's fontawesome.js (1.5 MB): it only draws once more the icons
    that the style sheet has already set from its fonts.
    """
    if error is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            if (lighter := ICONS.sub("", text)) != text:
                page.write_text(lighter, encoding="utf-8")
        (Path(app.outdir) / "_static/scripts/fontawesome.js").unlink(missing_ok=True)


def stamp(app, error) -> None:
    """Leave a hash of everything that went into a finished build beside its pages."""
    if error is None:
        (Path(app.outdir) / STAMP).write_text(sources_hash(SOURCES + PAGES))


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def once(body: str) -> str:
    """The body of a page with every style in it once. An output carries its own, for
    JupyterLab and Colab; on a page many outputs bring the same.
    """
    seen = set()

    def first(found: re.Match) -> str:
        new = found[0] not in seen
        seen.add(found[0])
        return found[0] if new else ""

    return STYLE.sub(first, body)


def plain(text: str | float) -> str:
    """Text in which nothing is markup but exponents and indices: P*P*C is a product
    and no emphasis.
    """
    from dit_lite.checks.claims import typeset

    parts = re.split(r"(</?su[bp]>)", typeset(str(text)))
    parts[::2] = (re.sub(r"([\\`*_\[\]<>$^~{}])", r"\\\1", part) for part in parts[::2])
    return "".join(parts)


def wrap(printed: re.Match) -> str:
    """What a cell prints, marked as sentences where no columns are aligned in it:
    those may go on in the next line on a phone.
    """
    columns = any("  " in line.strip() for line in printed[3].splitlines())
    return (
        printed[0]
        if columns
        else f'{printed[1]} dit-sentences">{printed[2]}{printed[3]}</pre>'
    )


def whole(body: str) -> str:
    """The body of a page with its numbers kept whole: 39 % and w = 1 on one line and
    every share with its space, also in an explorer's data, and a minus before what is
    negative.
    """

    def spaced(text: str) -> str:
        return SHARE.sub(NO_BREAK, TORN.sub(NO_BREAK, text))

    def sentence(found: re.Match) -> str:
        return (
            found[0]
            if r"\(" in found[0] or r"\[" in found[0]
            else MINUS.sub("−", spaced(found[0]))
        )

    def data(part: str) -> str:
        return (
            spaced(part) if part.startswith('<script type="application/json"') else part
        )

    parts = KEPT.split(body)  # what lies between, what is kept, and its tag, in turns
    return "".join(
        data(part) if i % 3 else re.sub(r"(?:(?<=>)|\A)[^<]+", sentence, part)
        for i, part in enumerate(parts)
        if i % 3 < 2
    )


def deepen(app, doctree, docname) -> None:
    """Close every section "Deeper: ..." of a page, as JupyterLab and Colab close it
    by the metadata of its heading.
    """
    for section in list(doctree.findall(nodes.section)):
        title = section.next_node(nodes.title)
        if title is None or not title.astext().startswith("Deeper: "):
            continue
        anchors = "".join(f'<span id="{name}"></span>' for name in section["ids"])
        opening = (
            f'<details class="dit-deeper">{anchors}'
            f"<summary>{escape(title.astext())}</summary>"
        )
        section.replace_self(
            [
                nodes.raw("", opening, format="html"),
                *(child for child in section.children if child is not title),
                nodes.raw("", "</details>", format="html"),
            ]
        )


class ClaimTable(SphinxDirective):
    """`{claims}`: every claim of the source text that the book has judged so far,
    with the right statement and a link to the cell that tests it; buttons that count
    the verdicts and a field filter the list.
    """

    def run(self) -> list[nodes.Node]:
        import yaml

        self.env.note_dependency(str(BOOK / "claims.yml"))
        claims = yaml.safe_load((BOOK / "claims.yml").read_text())
        tested = tested_in()
        lines = []
        for name, claim in claims.items():
            cells = " ".join(
                f'<a href="../{page}.html#claim-{name}">'
                f"chapter {int(page.split('/')[1][:2])}</a>"
                for page in tested.get(name, [])
            )
            lines += [
                f":::{{admonition}} {name}: {claim['verdict']}",
                f":class: claim claim-{claim['verdict']}",
                f":name: {name}",
                f"*{plain(claim['statement'])}*",
                "",
                f"*The right statement.* {plain(claim['right'])} "
                f"({with_papers(plain(claim['source']), '[{label}]({address})')})",
                *(["", f"*Tested in* {cells}"] if cells else []),
                ":::",
                "",
            ]
        script = (BOOK / "_ext/claims.js").read_text()
        return [
            nodes.raw("", claim_filter(claims), format="html"),
            *self.parse_text_to_nodes("\n".join(lines)),
            nodes.raw("", f"<script>{script}</script>", format="html"),
        ]


def with_papers(source: str, form: str) -> str:
    """The source of a claim with every paper in a form such as "[{label}]({address})":
    author and year where references.bib has them, its number where not.
    """
    labels = {address: label for label, address in papers().values()}

    def paper(found: re.Match) -> str:
        number, doi = found.groups()
        where = f"arxiv.org/abs/{number}" if number else f"doi.org/{doi}"
        address = f"https://{where}"
        return form.format(label=escape(labels.get(address, found[0])), address=address)

    return PAPER.sub(paper, source)


def tested_in() -> dict[str, list[str]]:
    """{claim: the chapters with a cell that tests it}."""
    found = {}
    for path in sorted((BOOK / "chapters").glob("*.ipynb")):
        names = re.findall(r'\bclaim\(\s*\\"([A-Z0-9-]+)', path.read_text())
        for name in dict.fromkeys(names):
            found.setdefault(name, []).append(f"chapters/{path.stem}")
    return found


def claim_filter(claims: dict) -> str:
    """A button for each verdict, with its count, and a field for words."""
    counts = Counter(claim["verdict"] for claim in claims.values())
    buttons = "".join(
        f'<button type="button" data-verdict="{verdict}" aria-pressed="false">'
        f"{verdict} <b>{count}</b></button>"
        for verdict, count in counts.most_common()
    )
    return (
        '<form class="dit-filter" role="search" aria-label="Filter the claims">'
        f"{buttons}"
        '<input type="search" placeholder="words, or an id" '
        'aria-label="Words in a claim, or its id">'
        f'<output aria-live="polite">{len(claims)} claims</output></form>'
    )


class RoomNames(SphinxDirective):
    """`{rooms}`: the public functions and classes of each room named, with the first
    sentence of what they say of themselves.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        lines = []
        for name in " ".join(self.content).split():
            room = importlib.import_module(f"dit_lite.{name}")
            lines += [f":::{{dropdown}} `dit_lite.{name}`", first(room), ""]
            lines += ["| name | |", "|---|---|"]
            for public in sorted(room.__all__, key=str.lower):
                value = getattr(room, public)
                if inspect.isfunction(value) or inspect.isclass(value):
                    lines += [f"| `{public}` | {first(value)} |"]
            lines += [":::", ""]
        return self.parse_text_to_nodes("\n".join(lines))


class Fields(SphinxDirective):
    """`{fields} NAME`: what a configuration of the package says of itself, and its
    fields with their defaults.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        import dit_lite

        config = getattr(dit_lite, self.arguments[0])
        lines = [cell(inspect.getdoc(config)), ""]
        lines += ["| field | default | |", "|---|---|---|"]
        for field in dataclasses.fields(config):
            default = (
                "" if field.default is dataclasses.MISSING else repr(field.default)
            )
            value = f"`{default}`" if default else "required"
            lines += [f"| `{field.name}` | {value} | {cell(field.metadata['help'])} |"]
        return self.parse_text_to_nodes("\n".join(lines))


def first(documented) -> str:
    """The first sentence of a docstring."""
    paragraph = " ".join(inspect.getdoc(documented).split("\n\n")[0].split())
    return cell(re.split(r"(?<=[.?])\s+(?=[A-Z`])", paragraph)[0])


def cell(text: str) -> str:
    """Text of a docstring as Markdown that may stand in a table."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    parts[::2] = map(plain, parts[::2])
    return "".join(parts).replace("|", r"\|")


def linked(body: str, pathto) -> str:
    """The body of a page whose cards of claims can be linked to, and link to the
    ledger.
    """
    seen = set()

    def link(found: re.Match) -> str:
        name = found[1]
        place = "" if name in seen else f' id="claim-{name}"'
        seen.add(name)
        where = f"{pathto('appendix/claims')}#{name.lower()}"
        said = CITE.sub(
            lambda cite: with_papers(cite[0], '<a href="{address}">{label}</a>'),
            found[2],
        )
        return (
            f"<details{place}><summary><strong>{name}</strong>{said}"
            f' <a href="{where}">In the ledger.</a></p></details>'
        )

    return CARD.sub(link, body)


def mend(app, pagename, templatename, context, doctree) -> None:
    """Say what the page is about, and mend what the theme and docutils get wrong.

    The scripts of thebe, which the theme adds (twice) although the book does not use
    it, go; the theme's first mode gets a name; an entry of the bibliography takes the
    role that a list asks of its parts (docutils writes one that ARIA has withdrawn). A
    number stays beside its spread, a formula beside its comma, and GAP-12 whole; the
    tick of a table needs no font of emoji. Colab opens notebooks only, and the theme
    offers it for every page with cells; without an address of the repository its place
    says what is missing.
    """

    def kept(script) -> bool:
        text = str(getattr(script, "filename", script)) + str(
            getattr(script, "attributes", {})
        )
        return "thebe" not in text.lower()

    for kind in ("script_files", "css_files"):
        context[kind] = [script for script in context.get(kind, []) if kept(script)]
    context["default_mode"] = "auto"
    if said := chapters.descriptions(chapters.read()).get(pagename):
        context["metatags"] += f'<meta name="description" content="{escape(said)}">'
    notebook = str(app.env.doc2path(pagename)).endswith(".ipynb")
    if not notebook:
        context["header_buttons"] = [
            button
            for button in context.get("header_buttons", [])
            if button.get("label") != "launch-buttons"
        ]
    elif not app.config.html_theme_options.get("repository_url"):
        where = f"{context['pathto']('index')}#how-to-read-it"
        link = NO_COLAB["buttons"][0] | {"url": where}
        context["header_buttons"].append(NO_COLAB | {"buttons": [link]})
    if "body" in context:
        body = (
            linked(context["body"], context["pathto"])
            .replace('role="doc-biblioentry"', 'role="listitem"')
            .replace("\N{WHITE HEAVY CHECK MARK}", "\N{CHECK MARK}")
        )
        body = re.sub(
            r"(?<=\d) ± (?=\d)",
            "\N{NARROW NO-BREAK SPACE}±\N{NARROW NO-BREAK SPACE}",
            body,
        )
        body = SPREAD.sub(r"\g<0><wbr>", body)
        body = re.sub(
            r"(?<=>)[A-Z]+\d*-\d+(?=</)", r'<span class="dit-whole">\g<0></span>', body
        )
        body = PRINTED.sub(wrap, whole(once(body)))
        context["body"] = FORMULA.sub(
            lambda found: (
                f'<span class="dit-whole">{found[0]}</span>'
                if found[1] or found[3]
                else found[0]
            ),
            body,
        )


def setup(app) -> dict:
    app.add_directive("claims", ClaimTable)
    app.add_directive("fields", Fields)
    app.add_directive("rooms", RoomNames)
    app.connect("config-inited", prepare)
    app.connect("env-get-outdated", reexecute)
    app.connect("build-finished", lighten)
    app.connect("build-finished", stamp)
    app.connect("doctree-resolved", deepen)
    app.connect("html-page-context", mend, priority=900)
    app.add_css_file("dit_book.css")
    app.add_js_file(None, body=THEME)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
