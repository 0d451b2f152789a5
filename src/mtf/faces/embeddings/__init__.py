"""Face embeddings: one class each, chosen by `screen.embedding`. To add one, register a class that is an `Embedding`.

`appearance` needs no weights. It sees the same shot in two pictures (a burst, another size or compression, other
light), not the same person in two shots; for that there is `sface`, which needs OpenCV's model file.
"""

from mtf.faces.embeddings.appearance import Appearance, appearance
from mtf.faces.embeddings.protocol import EMBEDDINGS, Embedding, create
from mtf.faces.embeddings.sface import SFace

__all__ = ["EMBEDDINGS", "Appearance", "Embedding", "SFace", "appearance", "create"]
