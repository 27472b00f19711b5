"""Sphinx settings."""

import sys
from pathlib import Path

import physnn

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "physnn"
author = "The physnn developers"
copyright = "2026, the physnn developers"
version = release = physnn.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "gallery", "columns", "notebooks"]
html_math_renderer = "mathml"  # a page loads nothing from the network
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 2
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["physnn.css"]
html_title = f"physnn {version}"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]
default_role = "code"
