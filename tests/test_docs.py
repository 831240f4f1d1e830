"""The documentation: it builds, its links lead somewhere, its commands and examples are real."""

from __future__ import annotations

import ast
import doctest
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from fairrep.app.configs import compose_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
COMMAND = re.compile(
    r"(?:\$ )?(?:(?:python )?(?P<script>(?:scripts|benchmarks)/\w+\.py)|fairrep (?P<name>\w+))\b"
)
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


def blocks(page: Path, *languages: str) -> list[str]:
    """Fenced code of these languages ('' has none)."""
    fences = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [code for language, code in fences if language in languages]


def commands(page: Path) -> list[str]:
    """Commands of code blocks, continued lines joined, and of code within sentences."""
    shell = "\n".join(blocks(page, "", "text")).replace("\\\n", " ")
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = [*shell.splitlines(), *re.findall(r"`([^`\n]+)`", prose)]
    return [line.removeprefix("$ ") for line in found if COMMAND.match(line)]


COMMANDS = [(page, line) for page in PAGES for line in commands(page)]


def test_there_are_pages_and_commands():
    assert len(PAGES) > 20
    assert len(COMMANDS) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_composes(page):
    """Scripts exist, and what is passed to them is a setting that they have."""
    for line in (line for own, line in COMMANDS if own == page):
        found = COMMAND.match(line)
        script = Path(found["script"] or f"scripts/{found['name']}.py")
        assert (ROOT / script).is_file(), line
        rest = re.sub(r"\s+[#…&].*", "", line[found.end() :])
        rest = re.sub(r"=(\S*/)?…", "=any", rest)
        overrides = [word for word in shlex.split(rest) if "=" in word]
        if script.parent.name == "scripts" and (ROOT / "conf" / f"{script.stem}.yaml").exists():
            compose_config(script.stem, single_values(overrides))


def single_values(overrides: list[str]) -> list[str]:
    """One value of each sweep; settings of launchers, which are plugins, are left out."""
    own = [one for one in overrides if not one.startswith(("hydra/", "hydra.launcher"))]
    parsed = OverridesParser.create().parse_overrides(own)
    return [
        f"{one.key_or_group}={next(one.sweep_string_iterator())}"
        if one.is_sweep_override()
        else text
        for one, text in zip(parsed, own)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_of_the_pages_imports(page):
    """It parses, and everything that it imports is there."""
    for code in blocks(page, "python"):
        if ">>>" not in code:
            tree = ast.parse(code)
            imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(imports, []), str(page), "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_with_a_prompt_print_what_stands_below_them(page):
    for code in blocks(page, "python"):
        examples = doctest.DocTestParser().get_doctest(code, {}, page.stem, str(page), 0)
        assert doctest.DocTestRunner().run(examples).failed == 0


class Page(HTMLParser):
    """What a page offers as anchors, links to, and loads."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if tag in LOADING and given.get(LOADING[tag]):
            self.loaded.add(given[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built as ``make docs`` builds it."""
    pytest.importorskip("material", reason="the documentation needs the docs extra: make docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return {file: Page(file) for file in folder.rglob("*.html")}


@pytest.mark.slow
def test_every_link_within_the_site_leads_to_a_page_and_a_place(site):
    for file, page in site.items():
        if file.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.exists(), f"{file.name}: {link}"
            if parts.fragment and target.suffix == ".html":
                known = site[target].anchors
                assert unquote(parts.fragment) in known | {"__skip"}, f"{file.name}: {link}"


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site):
    for file, page in site.items():
        for address in page.loaded:
            parts = urlsplit(address)
            assert not parts.netloc, f"{file.name}: {address}"
            if file.name != "404.html":
                assert (file.parent / unquote(parts.path)).exists(), f"{file.name}: {address}"
    folder = min(site, key=lambda file: len(file.parts)).parent
    for style in folder.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import)\s*[\"']?(https?:)?//", style.read_text())
        assert not addresses, style.name


@pytest.mark.slow
def test_formulas_and_all_settings_are_in_the_pages(site):
    pages = {file.relative_to(min(site).parent).name: file.read_text() for file in site}
    assert pages["mathematics.html"].count("<math ") > 200
    for text in pages.values():
        assert "arithmatex" not in text
        assert ":math:" not in text
    for file in (ROOT / "conf").glob("*.yaml"):
        assert f'id="{file.stem}py"' in pages["settings.html"]
