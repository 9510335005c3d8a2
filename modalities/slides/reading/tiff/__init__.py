"""TIFF files beyond what OpenSlide reads of them, or reads fast enough."""
