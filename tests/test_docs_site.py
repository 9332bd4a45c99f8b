"""The built site: every link arrives, nothing comes from a network, every law has its section.

``make docs`` builds the site and runs this; elsewhere it is skipped unless the site is there.
"""

from __future__ import annotations

import os
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from steering_strength.figures.gallery import FIGURES
from steering_strength.theory.laws import CLAIMS, LAWS

ROOT = Path(__file__).resolve().parent.parent
SITE = Path(os.environ.get("DOCS_SITE", ROOT / "out" / "docs")).resolve()

pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").is_file(), reason=f"no site in {SITE}: build it with make docs"
)

LOADING = {
    ("link", "href"), ("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"),
    ("source", "src"), ("video", "src"), ("audio", "src"), ("object", "data"), ("embed", "src"),
}  # fmt: skip


class Reader(HTMLParser):
    """Ids, links and loads of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif tag == "a" and name == "href" and value:
                self.links.append(value)
            elif (tag, name) in LOADING and value:
                self.loads.append(value)


@cache
def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def pages() -> list[Path]:
    # The explorer is a page of its own making, with tests of its own.
    return [path for path in sorted(SITE.rglob("*.html")) if path.name != "explorer.html"]


def external(address: str) -> bool:
    return bool(re.match(r"(?:[a-z][a-z+.-]*:)?//", address))


def broken(path: Path, site: Path = SITE) -> list[str]:
    """Addresses of a page that lead nowhere within the site."""
    found = []
    for address in (*read(path).links, *read(path).loads):
        if external(address) or address.startswith(("data:", "mailto:")):
            continue
        place, _, anchor = unquote(address).partition("#")
        target = (path.parent / place.partition("?")[0]).resolve() if place else path
        if not target.is_file() or (
            anchor and target.suffix == ".html" and anchor not in read(target).ids
        ):
            found.append(f"{path.relative_to(site)}: {address}")
    return found


def test_every_link_arrives():
    found = [address for path in pages() for address in broken(path)]
    assert found == []


def test_a_broken_link_would_be_seen(tmp_path):
    (tmp_path / "b.html").write_text('<p id="there">b</p>')
    page = tmp_path / "a.html"
    page.write_text('<a href="b.html#there">x</a><a href="b.html#gone">y</a><img src="no.png">')
    assert broken(page, tmp_path) == ["a.html: b.html#gone", "a.html: no.png"]


def test_nothing_is_loaded_from_a_network():
    loads = [(path, load) for path in pages() for load in read(path).loads]
    assert loads
    assert [f"{path}: {load}" for path, load in loads if external(load)] == []
    for sheet in SITE.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", text), sheet
        assert not re.search(r"@import\s+(?:url\()?['\"]?(?:https?:)?//", text), sheet


def test_every_law_has_its_section_with_its_steps_and_every_claim_its_own():
    theory = {path: path.read_text(encoding="utf-8") for path in (SITE / "theory").glob("*.html")}
    for name, law in LAWS.items():
        homes = [path for path in theory if name in read(path).ids]
        assert len(homes) == 1, name
        text = theory[homes[0]]
        section = text[text.index(f'id="{name}"') :]
        section = section[: section.find("</section>")]
        assert f"Derivation, {len(law.steps)} step" in section, name
        derived = section.partition("Derivation, ")[2].partition("In Coq, ")[0]
        badges = re.findall(r'<p><strong class="badge [a-z]+">([^<]+)</strong>', derived)
        # Which status each step has, `test_laws.py` asks the kernel.
        assert badges == ["proved" if s.by is None else "proved with rules" for s in law.steps]
        assert f"python -m proofs_check {name} " in section, name
    errata = read(SITE / "errata.html").ids
    assert {f"reading-{name.replace('/', '-')}" for name in CLAIMS} <= errata


def test_every_figure_is_there_with_its_files():
    for name in FIGURES:
        for kind in ("svg", "png", "pdf", "npz"):
            assert (SITE / "figures" / f"{name}.{kind}").stat().st_size > 0


def test_every_formula_is_typeset():
    for path in pages():
        text = path.read_text(encoding="utf-8")
        assert 'class="tex"' not in text, path
        glyphs = set(re.findall(r'<use href="#([^"]+)"', text))
        assert glyphs <= read(path).ids, path


def test_notebooks_show_what_they_printed():
    for name in ("derive", "verify", "redraw"):
        text = (SITE / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert "cell_output" in text
        assert "Traceback" not in text
        assert "SURVIVED (" not in text  # as printed; the code has the word as well
