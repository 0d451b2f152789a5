"""Face embeddings: one class each, chosen by `screen.embedding`. A new one is a registered class like
`Embedding`.

- `appearance` recognises the same shot in two pictures (a burst, another size or compression, other light). It needs no
  weights.
- `dlib` recognises the same person in two shots. It needs the extra `dlib`.
- `sface` recognises the same person in two shots. It needs OpenCV's model file.
- `facenet` does, too. It needs the public weights, or a file that a training here wrote.
"""

from mtf.faces.embeddings.appearance import Appearance, appearance
from mtf.faces.embeddings.dlib_resnet import DlibResnet
from mtf.faces.embeddings.facenet import FaceNet
from mtf.faces.embeddings.protocol import EMBEDDINGS, Embedding, create, distance_warning, distinguishes_people
from mtf.faces.embeddings.sface import SFace

__all__ = [
    "EMBEDDINGS",
    "Appearance",
    "DlibResnet",
    "Embedding",
    "FaceNet",
    "SFace",
    "appearance",
    "create",
    "distance_warning",
    "distinguishes_people",
]
