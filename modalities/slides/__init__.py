"""From a scanner's file to tile features: shared by the slide modalities, and the only importer of openslide.

A plug-in imports `slides.config`, `slides.plugin` and `slides.reading.source`; all load without the extra `slides`.
"""
