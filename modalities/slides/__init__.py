"""From a scanner's file to tile features: shared by the slide modalities, and the only importer of openslide.

A modality imports `modalities.slides.config` and `modalities.slides.source`; both load without the `slides` extra.
"""
