"""The documents as a site: built without a warning, every link leads somewhere, and nothing comes from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests import ROOT

OWN = re.compile(r"http://127\.0\.0\.1[:/]")


class Page(HTMLParser):
    """What a page names: its anchors, where it leads, and what a browser fetches with it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.anchors |= {named[name] for name in ("id", "name") if name in named}
        for name in {"href", "src"} & set(named):
            (self.links if tag == "a" else self.fetched).append(named[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def broken(folder: Path) -> list[str]:
    """Links that lead nowhere, and whatever is fetched from elsewhere; not of the page that only a server shows."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html") if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        found += [f"{path.name} fetches {link}" for link in page.fetched if re.match(r"\w+:|//", link)]
        for link in (*page.links, *page.fetched):
            place, _, anchor = unquote(link).partition("#")
            target = (path.parent / place).resolve() if place else path
            if OWN.match(link) or (target.is_file() and (not anchor or anchor in pages[target].anchors)):
                continue
            if target.is_dir() and not place.strip("./"):
                continue  # the theme's link to the first page
            found.append(f"{path.name}: {link}")
    return found


@pytest.mark.slow
def test_the_site_is_whole_and_fetches_nothing_from_elsewhere(site: Path) -> None:
    names = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {"index.html", "ARCHITECTURE.html", "reference/commands.html", "tutorials/auditor.html"} <= names
    assert broken(site) == []
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        assert not re.search(r"fonts\.g|unpkg|cdn\.|analytics", path.read_text("utf-8")), path
    assert not list(site.rglob("*.py"))


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    links = "".join(f'<a href="{link}">a link</a>' for link in ("#a", "#b", "other.html"))
    (tmp_path / "page.html").write_text(f'<h1 id="a">A</h1>{links}<script src="//x/y.js"></script>')
    assert broken(tmp_path) == [
        "page.html fetches //x/y.js",
        "page.html: #b",
        "page.html: other.html",
        "page.html: //x/y.js",
    ]
