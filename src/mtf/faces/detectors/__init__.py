"""Face detectors: one class each, chosen by `crop.detector`. A new one is a registered class like `Detector`."""

from mtf.faces.detectors.centerface import CenterFace
from mtf.faces.detectors.haar import Haar
from mtf.faces.detectors.mtcnn import Mtcnn
from mtf.faces.detectors.protocol import DETECTORS, Detection, Detector, Landmarks, create, describe
from mtf.faces.detectors.yunet import YuNet

__all__ = [
    "DETECTORS",
    "CenterFace",
    "Detection",
    "Detector",
    "Haar",
    "Landmarks",
    "Mtcnn",
    "YuNet",
    "create",
    "describe",
]
