"""Quality components of a face against planted faults on LFW and FairFace: ROC areas, false alarms by group, pose.

    python benchmarks/quality.py [--pictures 300] [--detector centerface]
    python benchmarks/quality.py --fit [--pictures 1500]

Sunglasses, covered mouths, blur, bad exposure, lost resolution and second faces are drawn into pictures
(`planted_faults.py`), which then go through JPEG, the detector and the measures as in the stages crop and screen.

- ROC area of each measure between the pictures as they are and with the fault. Faults that the pictures have anyway
  (real sunglasses, hands, blur) count as sound, so the areas are lower bounds.
- The measures of visibility are fitted (`--fit`) on one half of FairFace, chosen by the digest of each picture. All
  figures come from the other half and from LFW, on which nothing was fitted.
- Limits: the value that 2 % of the fitting half's pictures fall below. False alarms by race on the other half.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

import crawled_project
import planted_faults as faults
from mtf.config import Crop
from mtf.faces import detectors, occlusion, opencv, quality, quality_components
from mtf.faces.detectors import Detector, Landmarks
from quality_pictures import Picture, fairface_groups, measured, pictures, same_face, saved

FALSE_ALARMS = 0.02
# Landmarks of another detector or another shot lie a little elsewhere: share of the distance of the eyes.
JITTER, JITTERED = 0.04, 2


# Fitting


def fit(detector: Detector, count: int) -> None:
    """Fit the visibility of eyes and mouth on FairFace's first half and write the weights."""
    rng = np.random.default_rng(1)
    rows: dict[str, list[tuple[np.ndarray, bool]]] = defaultdict(list)
    for picture in pictures("fairface/train.tar", detector, half=0, count=count):
        sound = saved(picture.pixels, picture.pixels, rng)
        for name, is_hidden, pixels in (
            ("eyes", False, sound),
            ("mouth", False, sound),
            ("eyes", True, saved(random_glasses(picture, rng), picture.pixels, rng)),
            ("mouth", True, saved(random_cover(picture, rng), picture.pixels, rng)),
        ):
            face = picture.face if not is_hidden else same_face(detector(pixels), picture.face.box)
            if face is None or face.landmarks is None:
                continue
            for _ in range(JITTERED):
                aligned = occlusion.aligned_grey(pixels, jittered(face.landmarks, rng))
                rows[name].append((occlusion.features(aligned, name), is_hidden))
    fitted = {name: _fitted(samples) for name, samples in rows.items()}
    about = (
        "Logistic regression of `mtf.faces.occlusion`; fitted by benchmarks/quality.py --fit on FairFace (CC BY 4.0)."
    )
    text = json.dumps({"about": about, **fitted}, indent=None)
    occlusion.WEIGHTS_FILE.write_text(text + "\n", encoding="utf-8")
    print({name: len(samples) for name, samples in rows.items()})


def _fitted(samples: list[tuple[np.ndarray, bool]]) -> dict[str, Any]:
    """Weights of the probability that a part is hidden, on the features as they are."""
    inputs, hidden = np.array([values for values, _ in samples]), np.array([is_hidden for _, is_hidden in samples])
    scaler = StandardScaler().fit(inputs)
    model = LogisticRegression(C=0.003, max_iter=1000, class_weight="balanced").fit(scaler.transform(inputs), hidden)
    weights = model.coef_[0] / scaler.scale_
    bias = model.intercept_[0] - float(weights @ scaler.mean_)
    return {"weights": [round(float(weight), 4) for weight in weights], "bias": round(float(bias), 4)}


def jittered(landmarks: Landmarks, rng: faults.Rng) -> Landmarks:
    unit = float(np.hypot(*faults.Frame.of(landmarks).down))
    return Landmarks(*map(tuple, np.asarray(landmarks) + rng.normal(0, JITTER * unit, (5, 2))))


def random_glasses(picture: Picture, rng: faults.Rng) -> np.ndarray:
    lens, tint = rng.choice(faults.LENSES), rng.choice(list(faults.TINTS))
    return faults.sunglasses(picture.pixels, picture.face.landmarks, rng, lens=lens, tint=tint)


def random_cover(picture: Picture, rng: faults.Rng) -> np.ndarray:
    return faults.covered_mouth(picture.pixels, picture.face.landmarks, rng, cover=rng.choice(faults.COVERS))


# Evaluation

Values = dict[str, list[dict[str, float]]]
# Faults by the measure that has to show them; each fault is (title, function of pixels, landmarks and generator).
LIMITED = (
    "eyes_visible",
    "mouth_occlusion_prevention",
    "sharpness",
    "under_exposure_prevention",
    "over_exposure_prevention",
)


def evaluated(
    archive: str, detector: Detector, crop: Crop, *, half: int | None, count: int
) -> tuple[Values, dict[str, int]]:
    """Measures of each picture by fault, and the number of pictures in which the fault lost the face."""
    rng = np.random.default_rng(2)
    values, lost = defaultdict(list), defaultdict(int)
    before: Picture | None = None
    for picture in pictures(archive, detector, half=half, count=count):
        sound = saved(picture.pixels, picture.pixels, rng)
        values["sound"].append(measured(sound, picture.face, [picture.face.box], crop=crop, with_eyes=True))
        for title, pixels in hidden_parts(picture, rng):
            shown = saved(pixels, picture.pixels, rng)
            face = same_face(detector(shown), picture.face.box)
            if face is None:
                lost[title] += 1
            else:
                values[title].append(measured(shown, face, [face.box], crop=crop, with_eyes=True))
        for title, pixels in spoilt_pixels(picture, rng):
            face = picture.face
            values[title].append(measured(saved(pixels, picture.pixels, rng), face, [face.box], crop=crop))
        if before is not None and picture.found == before.found == 1:
            boxes = [
                face.box for face in detector(faults.beside(picture.pixels, before.pixels, share=rng.uniform(0.5, 1)))
            ]
            values["second face"].append({"single_face_present": quality_components.single_face_present(boxes)})
            values["one face"].append(
                {"single_face_present": quality_components.single_face_present([picture.face.box])}
            )
        before = picture
    return values, lost


def hidden_parts(picture: Picture, rng: faults.Rng) -> Iterator[tuple[str, np.ndarray]]:
    pixels, landmarks = picture.pixels, picture.face.landmarks
    lens, tint, cover = rng.choice(faults.LENSES), rng.choice(list(faults.TINTS)), rng.choice(faults.COVERS)
    yield f"sunglasses: {tint}", faults.sunglasses(pixels, landmarks, rng, lens=lens, tint=tint)
    yield f"mouth: {cover}", faults.covered_mouth(pixels, landmarks, rng, cover=cover)
    for part, kinds in faults.UNSEEN_BY_FIT.items():
        kind = rng.choice(kinds)
        yield f"{part}, unseen by the fit: {kind}", faults.unseen(pixels, landmarks, rng, part=part, kind=kind)


def spoilt_pixels(picture: Picture, rng: faults.Rng) -> Iterator[tuple[str, np.ndarray]]:
    given = picture.pixels, picture.face.landmarks, rng
    for share in (0.03, 0.06, 0.12):
        yield f"Gaussian blur, sigma {share} of the eyes' distance", faults.gaussian_blur(*given, share=share)
    for share in (0.15, 0.3):
        yield f"motion blur, {share} of the eyes' distance", faults.motion_blur(*given, share=share)
    for eyes_px in (20, 10):
        yield f"enlarged from {eyes_px} px between the eyes", faults.upscaled(*given, eyes_px=eyes_px)
    for stops in (-4, -3, -2, 1, 2, 3):
        yield f"exposure {stops:+} stops", faults.exposed(*given, stops=stops)


MEASURE_OF = {
    "sunglasses": "eyes_visible",
    "eyes": "eyes_visible",
    "mouth": "mouth_occlusion_prevention",
    "Gaussian": "sharpness",
    "motion": "sharpness",
    "enlarged": "sharpness",
    "exposure -": "under_exposure_prevention",
    "exposure +": "over_exposure_prevention",
}
RIVALS = {
    "eyes_visible": ("eyes",),
    "under_exposure_prevention": ("brightness",),
    "over_exposure_prevention": ("brightness", "clipped_share"),
}


def area(sound: Sequence[dict[str, float]], faulty: Sequence[dict[str, float]], measure: str) -> float:
    """ROC area of a low value as the sign of the fault; of `brightness` and `clipped_share`, of either side."""
    pairs = [
        (row[measure], label)
        for rows, label in ((sound, 0), (faulty, 1))
        for row in rows
        if row.get(measure) is not None
    ]
    found = float(roc_auc_score([label for _, label in pairs], [-value for value, _ in pairs]))
    return max(found, 1 - found) if measure in ("brightness", "clipped_share") else found


def show_areas(title: str, values: Values, lost: dict[str, int]) -> None:
    sound = values["sound"]
    print(f"{title}: {len(sound)} sound pictures; ROC area, faulty pictures with a face, and without one")
    grouped = {name: rows for name, rows in values.items() if name not in ("sound", "second face", "one face")}
    for whole in ("sunglasses", "mouth", "eyes, unseen by the fit", "mouth, unseen by the fit"):
        merged = [row for name, rows in grouped.items() if name.split(":")[0] == whole for row in rows]
        grouped[f"{whole} (all)"] = merged
    for name in sorted(grouped):
        rows = grouped[name]
        measure = next(measure for start, measure in MEASURE_OF.items() if name.startswith(start))
        others = "  ".join(f"{other} {area(sound, rows, other):.3f}" for other in RIVALS.get(measure, ()))
        print(f"  {name:52}{area(sound, rows, measure):7.4f} {len(rows):5} {lost.get(name, 0):4}  {measure}  {others}")
    dark = grouped["sunglasses (all)"]
    for name, limit in (("eyes", 1), ("eyes_visible", 0.5)):
        shares = [np.mean([row[name] < limit for row in rows if row[name] is not None]) for rows in (sound, dark)]
        print(
            f"  {name} under {limit}: {shares[0]:.1%} of the sound pictures, {shares[1]:.1%} of those with sunglasses"
        )
    one, two = values["one face"], values["second face"]
    print(
        f"  {'second face':52}{area(one, two, 'single_face_present'):7.4f} {len(two):5}       single_face_present",
        flush=True,
    )


Rows = list[tuple[str, dict[str, float]]]


def sound_rows(detector: Detector, crop: Crop, *, half: int, count: int) -> Rows:
    """Race and measures of FairFace's pictures as they are."""
    rng = np.random.default_rng(3)
    rows = []
    for picture in pictures("fairface/train.tar", detector, half=half, count=count):
        sound = saved(picture.pixels, picture.pixels, rng)
        rows.append((picture.group, measured(sound, picture.face, [picture.face.box], crop=crop, with_eyes=True)))
    return rows


def show_false_alarms(halves: Sequence[Rows]) -> None:
    """Limits from FairFace's fitting half, and the share of the other half below them, by race."""
    names = sorted(set(fairface_groups().values()))
    sound = {name: [row for group, row in halves[1] if group == name] for name in names}
    print(f"false alarms of {len(halves[1])} FairFace pictures, limits from {len(halves[0])} others:")
    print(f"  {'measure':34}{'limit':>8}  " + "  ".join(f"{name} ({len(rows)})" for name, rows in sound.items()))
    for measure in LIMITED:
        limit = float(np.quantile([row[measure] for _, row in halves[0] if row[measure] is not None], FALSE_ALARMS))
        show_shares_below(limit, measure, sound)
    show_shares_below(1, "eyes", sound)


def show_shares_below(limit: float, measure: str, sound: dict[str, list[dict[str, float]]]) -> None:
    values = {
        name: np.array([row[measure] for row in rows if row[measure] is not None]) for name, rows in sound.items()
    }
    shares = "  ".join(f"{np.mean(of_group < limit):.1%}" for of_group in values.values())
    whole = np.concatenate(list(values.values()))
    print(f"  {measure:34}{limit:8.3f}  {shares}  all {np.mean(whole < limit):.1%}", flush=True)


def show_time(detector: Detector) -> None:
    """Processor time of the components, against the rest of the measures of the stage screen."""
    faces = [(picture.pixels, picture.face) for picture in pictures("lfw/faces.tar", detector, half=None, count=40)]
    began = time.process_time()
    for pixels, face in faces:
        quality_components.measure(pixels, face.box, face.landmarks, boxes=[face.box])
    components = time.process_time() - began
    began = time.process_time()
    for pixels, face in faces:
        quality.measure(pixels, face.box)
    others = time.process_time() - began
    print(
        f"processor time of a face: {1000 * components / len(faces):.2f} ms; other measures: {others / components:.1f}×"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, help="of each set; 250 by default, 1,500 to fit")
    parser.add_argument("--sound-pictures", type=int, default=1400, help="of each half of FairFace, for false alarms")
    parser.add_argument("--detector", default="centerface", help="one that finds landmarks")
    parser.add_argument("--fit", action="store_true", help="fit the visibility and write its weights")
    arguments = parser.parse_args()
    if not crawled_project.REAL_DATA.is_dir():
        sys.exit(f"quality: skipped, no real pictures at {crawled_project.REAL_DATA}")
    opencv.use_one_thread()
    crop = Crop(detector=arguments.detector)
    detector = detectors.create(crop, root=crawled_project.ROOT)
    if arguments.fit:
        fit(detector, arguments.pictures or 1500)
        return
    count = arguments.pictures or 250
    print(f"machine: {crawled_project.machine()}; detector {arguments.detector}")
    for archive, half in (("fairface/train.tar", 1), ("lfw/faces.tar", None)):
        show_areas(archive, *evaluated(archive, detector, crop, half=half, count=count))
    show_false_alarms([sound_rows(detector, crop, half=half, count=arguments.sound_pictures) for half in (0, 1)])
    show_time(detector)


if __name__ == "__main__":
    main()
