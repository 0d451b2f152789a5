"""Embeddings of FaceNet by TensorFlow and by this project from the same checkpoint: the largest difference.

The network in TensorFlow is the FaceNet library's own file, `src/models/inception_resnet_v1.py` of
github.com/davidsandberg/facenet, with the layer `Bottleneck`. Its weights are random, not those of a published
model. TensorFlow writes the checkpoint and embeds; `mtf models convert` reads the checkpoint.

    python -m venv FOLDER && FOLDER/bin/pip install tensorflow-cpu tf-slim tf-keras
    python benchmarks/facenet_tensorflow.py inception_resnet_v1.py --tensorflow FOLDER/bin/python

The pictures are faces of LFW at 160 px. Both normalisations of the library are measured: picture by picture, of its
models with 128 numbers, and fixed, of those with 512.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PICTURES = "pictures.npy"
EMBEDDINGS = "embeddings.npy"
CHECKPOINT = "model.ckpt-1"
LFW = Path(__file__).parent.parent.parent / "shared" / "data" / "lfw" / "faces.tar"
SIZE_PX = 160
SEED = 1
# TensorFlow 1 had both modules elsewhere. With this decay, one batch gives the means and variances.
AS_OF_TODAY = {
    "import tensorflow as tf": "import tensorflow.compat.v1 as tf",
    "import tensorflow.contrib.slim as slim": "import tf_slim as slim",
    "'decay': 0.995": "'decay': 0.0",
}


def write(source: Path, folder: Path, numbers: int) -> None:
    """Random weights as a checkpoint, and the embeddings of the pictures in `folder`; runs in TensorFlow's Python."""
    os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    import tensorflow.compat.v1 as tf
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import control_flow_ops

    ops.Tensor, control_flow_ops.cond = tf.Tensor, tf.cond  # where tf-slim 1.1.0 looks for them
    tf.disable_eager_execution()
    code = source.read_text(encoding="utf-8")
    for old, new in AS_OF_TODAY.items():
        code = code.replace(old, new)
    library = types.ModuleType("inception_resnet_v1")
    exec(code, vars(library))  # noqa: S102
    shown, training = tf.placeholder(tf.float32, (None, SIZE_PX, SIZE_PX, 3)), tf.placeholder(tf.bool)
    tf.set_random_seed(SEED)
    random = np.random.default_rng(SEED)
    before_norm, _ = library.inference(shown, 1.0, phase_train=training, bottleneck_layer_size=numbers)
    embedding = tf.nn.l2_normalize(before_norm, 1, 1e-10)
    pictures = library_input(np.load(folder / PICTURES), numbers)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for variable in tf.global_variables():
            if variable.op.name.endswith(("beta", "biases")):  # initially 0
                variable.load(random.normal(0, 0.2, variable.shape.as_list()), session)
        # Means and variances of these pictures, without which all random embeddings are nearly the same.
        session.run(embedding, {shown: pictures, training: True})
        tf.train.Saver().save(session, str(folder / "model.ckpt"), global_step=1, write_meta_graph=False)
        np.save(folder / EMBEDDINGS, session.run(embedding, {shown: pictures, training: False}))
    print(f"TensorFlow {tf.__version__}")


def library_input(pictures: np.ndarray, numbers: int) -> np.ndarray:
    """Pictures (n, size, size, 3), 0 to 255, as the library's models with so many numbers got them."""
    if numbers == 512:
        return (pictures.astype(np.float32) - 127.5) / 128
    each = pictures.astype(np.float64)
    std = each.std(axis=(1, 2, 3), keepdims=True).clip(min=1 / np.sqrt(each[0].size))
    return ((each - each.mean(axis=(1, 2, 3), keepdims=True)) / std).astype(np.float32)


def faces(count: int) -> np.ndarray:
    """(count, size, size, 3) uint8 RGB, of different people."""
    from mtf.core import shards
    from mtf.training import input_cache

    members = shards.members(LFW)
    first = {file.split("/")[-2]: file for file in sorted(members, reverse=True) if file.endswith(".jpg")}
    chosen = [members[file] for _, file in sorted(first.items())[:count]]
    found = [input_cache.decoded(shards.read(LFW, *place), size_px=SIZE_PX) for place in chosen]
    return np.stack([each for each in found if each is not None])


def own(folder: Path, numbers: int) -> np.ndarray:
    """Embeddings of the pictures in `folder` by the converted checkpoint."""
    import torch

    from mtf.faces.networks import tensorflow_facenet
    from mtf.faces.networks.inception_resnet import InceptionResnetV1
    from mtf.training import augmentation

    network = InceptionResnetV1(numbers).eval()
    network.load_state_dict(tensorflow_facenet.convert(folder / f"{CHECKPOINT}.index"))
    pictures = augmentation.as_input(torch.from_numpy(np.load(folder / PICTURES)))
    with torch.inference_mode():
        return network(augmentation.normalised(pictures, "facenet")).numpy()


def compare(source: Path, python: Path, count: int, widths: Sequence[int]) -> None:
    print("| numbers | pictures | largest difference of a number | the same between two pictures, at least |")
    print("|---|---|---|---|")
    for numbers in widths:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            np.save(folder / PICTURES, faces(count))
            command = [python, __file__, source, "--write", folder, "--numbers", str(numbers)]
            without_own_packages = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run(command, check=True, env=without_own_packages)
            theirs, ours = np.load(folder / EMBEDDINGS), own(folder, numbers)
        different = np.abs(ours[:, None] - theirs[None]).max(axis=2)
        others = different[~np.eye(len(different), dtype=bool)]
        print(f"| {numbers} | {len(ours)} | {np.diag(different).max():.1e} | {others.min():.1e} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the library's inception_resnet_v1.py")
    parser.add_argument("--tensorflow", type=Path, help="Python with tensorflow and tf-slim")
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--numbers", type=int, nargs="+", choices=(128, 512), default=[128, 512])
    options = parser.parse_args()
    if options.write is not None:
        write(options.source, options.write, options.numbers[0])
    elif options.tensorflow is not None:
        compare(options.source, options.tensorflow, options.pictures, options.numbers)
    else:
        parser.error("--tensorflow is missing")


if __name__ == "__main__":
    main()
