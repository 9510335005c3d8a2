"""What a backbone's weights were trained on, and whether TCGA was among it: a model scored on TCGA must say so."""

_IMAGENET = "trained on ImageNet, photographs of everyday things: no slide, so none of TCGA"
_BY_NAME = {
    "stain": "computed, not trained: it has no weights, so it has seen no slide",
    "resnet18": _IMAGENET,
    "resnet50": _IMAGENET,
    "vgg16": _IMAGENET,
    "inception_v3": _IMAGENET,
    "dinov2": "trained on LVD-142M, images of the web: its authors name no collection of slides as a source",
    "uni": "trained on about 100,000 slides of Mass General Brigham and GTEx; by its authors' word not on TCGA",
}
"""By the authors of each.

Sources: timm's model cards; DINOv2, arXiv:2304.07193; UNI, doi 10.1038/s41591-024-02857-3.
"""


def origin_of(backbone: str) -> str:
    """In words; of a network that this version does not know, that nobody here can say."""
    unknown = "not known to this version: see the model card of its weights for whether they were trained on TCGA"
    return _BY_NAME.get(backbone, unknown)
