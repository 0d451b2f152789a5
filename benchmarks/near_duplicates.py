"""Near-duplicate pairs among made-up 64-bit hashes, distance ≤ 10, against imagededup's search.

    python benchmarks/near_duplicates.py --rival-env FOLDER [--sizes 117000 1000000] [--rival-hashes 30000]
        [--sample 2000]

FOLDER is a separate virtual environment with imagededup, created with uv if it does not exist. Imagededup compares
every pair, so its time at N hashes is its time at `--rival-hashes` times the squared ratio. Recall is measured on a
sample of `--sample` hashes, each compared with every other. Beside the seconds by the clock stand those of the
processor, and the largest memory so far, the made-up hashes included.

With `--every 128` the index compares only one key of 128, at random, and the seconds of the processor are multiplied:
for numbers of hashes that would take too long. There is no recall then.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import crawled_project
from mtf.faces import hamming_index

DISTANCE = 10
TARGET = 200
UV = crawled_project.ROOT / ".venv" / "bin" / "uv"

RIVAL = """
import json, multiprocessing, random, sys, time, warnings
warnings.filterwarnings("ignore")
from imagededup.methods import PHash
def main():
    rng = random.Random(0)
    hashes = {f"{n}.jpg": f"{rng.getrandbits(64):016x}" for n in range(int(sys.argv[1]))}
    began = time.perf_counter()
    PHash(verbose=False).find_duplicates(encoding_map=hashes, max_distance_threshold=10)
    print(json.dumps(time.perf_counter() - began))
if __name__ == "__main__":
    main()
"""


def made_up(count: int) -> np.ndarray:
    """Random hashes, a tenth of them another one with up to 10 bits flipped."""
    rng = np.random.default_rng(count)
    values = rng.integers(0, 2**64, count, dtype=np.uint64)
    copies = rng.choice(count, count // 10, replace=False)
    values[copies] = values[rng.integers(0, count, len(copies))] ^ flips(rng, len(copies))
    return values


def flips(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbers with 0 to 10 bits set, at random places."""
    order = rng.random((count, 64)).argsort(axis=1)
    flipped = order < rng.integers(0, DISTANCE + 1, count)[:, None]
    return np.packbits(flipped, axis=1).view(np.uint64).ravel()


def recall(values: np.ndarray, pairs: np.ndarray, *, size: int) -> tuple[float, int]:
    """Recall of the pairs of a sample of `size` hashes with all others, and the number of these pairs."""
    sample = np.random.default_rng(1).choice(len(values), min(size, len(values)), replace=False)
    codes = pairs[:, 0] * len(values) + pairs[:, 1]
    wanted: list[np.ndarray] = []
    for place in sample:
        others = np.flatnonzero(np.bitwise_count(values ^ values[place]) <= DISTANCE)
        others = others[others != place]
        wanted.append(np.minimum(others, place) * len(values) + np.maximum(others, place))
    all_wanted = np.unique(np.concatenate(wanted))
    return float(np.isin(all_wanted, codes).mean()), len(all_wanted)


def estimated_processor_s(values: np.ndarray, every: int) -> float:
    """Seconds for all keys of the index, from one key of `every` in each chunk."""
    total = 0.0
    rng = np.random.default_rng(2)
    for chunk, radius in enumerate(hamming_index._radii(DISTANCE)):
        began = time.process_time()
        keys = hamming_index._keys(values, chunk)
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], values[order]
        starts = hamming_index._starts(keys)
        sorted_at = time.process_time()
        present = np.flatnonzero(np.diff(starts))
        wanted = rng.choice(present, len(present) // every, replace=False)
        for _ in hamming_index._of_tables(ordered, starts, wanted, hamming_index._masks(radius), DISTANCE):
            pass
        total += sorted_at - began + (time.process_time() - sorted_at) * every
    return total


def rival_seconds(environment: Path, count: int) -> float:
    python = environment / "bin" / "python"
    if not python.is_file():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        subprocess.run([UV, "venv", "--quiet", "--python", version, environment], check=True)
        subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "imagededup"], check=True)
    script = environment / "rival.py"
    script.write_text(RIVAL)
    done = subprocess.run([python, script, str(count)], check=True, capture_output=True, text=True)
    return float(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rival-env", type=Path, help="virtual environment with imagededup; without it, no ratio")
    parser.add_argument("--rival-hashes", type=int, default=30_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[117_000, 1_000_000])
    parser.add_argument("--sample", type=int, default=2000, help="hashes that are compared with all others")
    parser.add_argument("--every", type=int, help="compare one key of so many, and estimate the time of all")
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    if arguments.every:
        for size in arguments.sizes:
            seconds = estimated_processor_s(made_up(size), arguments.every)
            mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{size:,} hashes: about {seconds:,.0f} s of the processor, {mib:,.0f} MiB", flush=True)
        return
    rival = None
    if arguments.rival_env:
        rival = rival_seconds(arguments.rival_env.resolve(), arguments.rival_hashes)
        print(f"imagededup, {arguments.rival_hashes:,} hashes: {rival:.1f} s")
    else:
        print("no --rival-env, so no ratio")
    columns = f"{'hashes':>10}{'seconds':>9}{'processor':>10}{'MiB':>7}{'pairs':>11}{'recall':>8}{'of pairs':>10}"
    print(f"{columns}{'imagededup s':>14}{'ratio':>9}")
    for size in arguments.sizes:
        values = made_up(size)
        began, worked = time.perf_counter(), time.process_time()
        pairs = hamming_index.near_pairs(values, distance=DISTANCE)
        seconds, processor = time.perf_counter() - began, time.process_time() - worked
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        share, checked = recall(values, pairs, size=arguments.sample)
        line = f"{size:10,}{seconds:9.1f}{processor:10.1f}{mib:7,.0f}{len(pairs):11,}{share:8.4f}{checked:10,}"
        if rival is not None:
            scaled = rival * (size / arguments.rival_hashes) ** 2
            line += f"{scaled:14,.0f}{scaled / seconds:9.0f}"
        print(line, flush=True)
    print(f"targets: ratio at least {TARGET}, recall 1")


if __name__ == "__main__":
    main()
