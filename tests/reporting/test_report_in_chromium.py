"""The report in a browser: it fits, it can be read, and nothing goes wrong."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from fairrep.reporting.html import write
from fairrep.reporting.saved import read_folder
from tests.reporting.saved_results import front, point, write_run, write_sweep

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (400, 800, 1400)
LIGHT, DARK = 1, 0
BLUE = {LIGHT: (0x00, 0x72, 0xB2), DARK: (0x3F, 0x9F, 0xDB)}
LONG = ("a group whose name is far longer than a column of any table ought to be", "m")
POLICY = "default-src 'none'"
# a browser's window has a least width, a frame has none
FRAME = """<!doctype html>
<iframe src="copy.html" style="width:{width}px;height:900px;border:0"></iframe>
<script>onmessage = (event) => {{
  const result = document.createElement("pre");
  result.id = "checks";
  result.textContent = event.data;
  document.body.append(result);
}}</script>"""
CHECKS = (Path(__file__).parent / "page_checks.js").read_text()

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module", params=["run", "sweep"])
def report(request, tmp_path_factory) -> Path:
    """A report with everything in it and long names."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "run":
        write_run(folder, groups=LONG)
    else:
        content = front()
        content["points"] += [point(w, 0.6 + w / 100, w / 100) for w in range(4, 30)]
        content["command"] += " 'sweep.weights.values=[" + "0.1," * 60 + "1]'"
        write_sweep(folder, content)
    return write(read_folder(folder), folder)


def chromium(tmp_path: Path, *options: str, page: Path, width: int, theme: int = LIGHT) -> Any:
    """Run a headless browser with a profile of its own."""
    return subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900",
            f"--blink-settings=preferredColorScheme={theme}",
            "--virtual-time-budget=2000",
            "--enable-logging=stderr",
            *options,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )


def checked(report: Path, tmp_path: Path, width: int, theme: int) -> dict[str, Any]:
    """What a script finds that is put into a copy of the page, and what the console said."""
    source = report.read_text()
    assert POLICY in source  # the page itself runs no script at all
    allowed = source.replace(POLICY, f"{POLICY}; script-src 'unsafe-inline'")
    script = f"<script>{CHECKS}</script></body>"
    (tmp_path / "copy.html").write_text(allowed.replace("</body>", script))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width))
    done = chromium(tmp_path, "--dump-dom", page=frame, width=width + 100, theme=theme)
    found = re.search(r'<pre id="checks">(.*?)</pre>', done.stdout, re.S)
    assert found is not None, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return {**json.loads(html.unescape(found.group(1))), "console": console}


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_reads_and_is_quiet(report, tmp_path, width):
    found = checked(report, tmp_path, width, LIGHT)
    assert found["innerWidth"] == width
    assert found["scrollWidth"] <= found["clientWidth"] <= width
    assert found["outside"] == []  # nothing sticks out but what scrolls in its own box
    assert found["texts"] > 100
    assert found["faint"] == []
    assert found["unnamed"] == 0
    assert found["console"] == []


def test_a_dark_page_reads_as_well(report, tmp_path):
    found = checked(report, tmp_path, 800, DARK)
    assert found["dark"]
    assert found["faint"] == []


def test_the_untouched_page_says_nothing_to_the_console(report, tmp_path):
    done = chromium(tmp_path, "--dump-dom", page=report, width=800)
    assert "</html>" in done.stdout
    assert "CONSOLE" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("width", WIDTHS)
def test_figures_are_painted_in_the_themes_colours(report, tmp_path, width, theme):
    """A screenshot of the whole page, whose figures' blue is that of the theme."""
    height = int(checked(report, tmp_path, width, theme)["height"])
    picture = tmp_path / "page.png"
    options = f"--screenshot={picture}", f"--window-size={width},{height}", "--hide-scrollbars"
    chromium(tmp_path, *options, page=report, width=width, theme=theme)
    pixels = (image.imread(picture)[..., :3] * 255).round().astype(int)
    assert pixels.shape[1] == width
    ground = pixels[0, 0].mean()
    assert (ground > 200) == (theme == LIGHT)
    assert (np.abs(pixels - BLUE[theme]).max(-1) <= 2).sum() > 50
