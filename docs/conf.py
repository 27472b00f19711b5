"""Sphinx settings."""

import physnn

project = "physnn"
author = "The physnn developers"
copyright = "2026, the physnn developers"
version = release = physnn.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2
html_theme = "furo"
html_title = f"physnn {version}"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]
default_role = "code"
