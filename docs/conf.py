# docs/conf.py - Sphinx configuration of the manual; scripts/build-docs runs it.
import os
import re

with open(os.path.join(os.path.dirname(__file__), "..", "meson.build")) as f:
    release = version = re.search(r"version: '([^']+)'", f.read()).group(1)

project = "Mynah"
author = "the Mynah developers"
copyright = author
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
master_doc = "index"
html_theme = "alabaster"
html_theme_options = {"description": "A machine emulator with a fast translator", "fixed_sidebar": True, "page_width": "1080px"}
html_show_sourcelink = False
exclude_patterns = ["_build", "man"]
man_pages = [("mynah-img", "mynah-img", "disk images", "", 1), ("mynah-io", "mynah-io", "single requests to disk images", "", 1)]
myst_heading_anchors = 3
# Examples of row files and tables are no language that Pygments knows.
highlight_language = "none"
