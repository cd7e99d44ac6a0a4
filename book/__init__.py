"""The Connected Landscape: chapters, their tools, and ``python -m book``."""
