"""What mkdocs does beside its own: the pages outside this folder and those made from the program take part."""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.generated import pages

ROOT: Final = Path(__file__).parent.parent
OUTSIDE: Final = ("README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages beside the program's folders; README is the first page of the site."""
SECTIONS: Final = {"Tutorials": "tutorials", "How to": "how-to", "Reference": "reference", "Explanation": "explanation"}
_LINK: Final = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation follows the folders, so that a new page stands in it."""
    chinese = [*_named("tutorials/*.zh.md"), *(name for name in pages() if name.endswith(".zh.md"))]
    config.nav = [
        {"Levelbook": "index.md"},
        *({title: [name for name in _in_folder(folder) if name not in chinese]} for title, folder in SECTIONS.items()),
        {"Project": [_in_site(name) for name in OUTSIDE[2:]] + ["DECISIONS.md", "GLOSSARY.md"]},
        {"中文": [_in_site(name) for name in OUTSIDE if name.endswith(".zh.md") and (ROOT / name).exists()] + chinese},
    ]
    config.nav = [item for item in config.nav if all(item.values())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages that do not lie in this folder, and those made from the program."""
    made = {_in_site(name): (ROOT / name).read_text("utf-8") for name in OUTSIDE if (ROOT / name).exists()}
    for path, text in (made | pages()).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they are in the repository, as they are in the site; what is not in the site is named and not linked."""
    outside = {_in_site(name): name for name in OUTSIDE}
    here = outside.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def linked(found: re.Match[str]) -> str:
        sign, text, link, anchor = found.groups("")
        if re.match(r"\w+:", link):
            return found[0]
        target = normpath(PurePosixPath(here).parent / link)
        if target not in OUTSIDE and not target.startswith("docs/"):
            return text
        place = _in_site(target) if target in OUTSIDE else target.removeprefix("docs/")
        return f"{sign}[{text}]({relpath(place, PurePosixPath(page.file.src_uri).parent)}{anchor})"

    parts = re.split(r"(?ms)(^```.*?^```$)", markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(linked, part) for part in parts)


def _in_site(name: str) -> str:
    return "index.md" if name == "README.md" else name


def _in_folder(folder: str) -> list[str]:
    names = {*_named(f"{folder}/*.md"), *(name for name in pages() if name.startswith(f"{folder}/"))}
    return sorted(names, key=lambda name: (not name.endswith("/README.md"), name))


def _named(pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob(pattern))
