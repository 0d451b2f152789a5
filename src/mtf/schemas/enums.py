"""Enumerations of the tables: outcomes of downloads and detection, license results, funnel steps, reasons."""

from __future__ import annotations

from enum import StrEnum

SLUG = r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$"
SHA256 = r"^[0-9a-f]{64}$"
FACE_ID = r"^[0-9a-f]{32}$"


class FetchOutcome(StrEnum):
    """Outcome of the download from one address."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection_failed"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    OPTED_OUT = "opted_out"
    REFUSED_ADDRESS = "refused_address"
    TAKEN_DOWN = "taken_down"
    MISSING = "missing_file"


class VisitResult(StrEnum):
    """State of a stored picture's page or file when it was requested again."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    GONE = "gone"
    UNREAD = "unread"


class EvidenceStatus(StrEnum):
    """Result of the request to the source for a picture's license."""

    STATED = "stated"
    UNSTATED = "unstated"
    CONTRADICTION = "contradiction"
    UNREACHABLE = "unreachable"


class DetectionOutcome(StrEnum):
    """Outcome of face detection in one image."""

    CROPPED = "cropped"
    NO_FACE = "no_face"
    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"


class Step(StrEnum):
    """Built-in steps of the funnel (MTF, section 3.2; the first three are additions).

    Other packages can register more: `mtf.schemas.funnel_steps` has all, in their order.
    """

    TAKEDOWN = "takedown"
    LICENSE = "license"
    ONE_PERSON = "one_person"
    FACE = "face"
    IDENTITY = "identity"
    QUALITY = "quality"
    DUPLICATE = "duplicate"
    TASK_FIT = "task_fit"
    ENOUGH_IMAGES = "enough_images"


class Reason(StrEnum):
    """Reasons why a face is not in the data set. Steps of other packages may have further reasons."""

    TAKEN_DOWN = "taken_down"
    OPTED_OUT = "opted_out"
    NO_EVIDENCE = "no_evidence"
    CLAIM_ONLY = "claim_only"
    NOT_PERMITTED = "license_not_permitted"
    CONTRADICTION = "license_contradiction"
    EVIDENCE_TOO_OLD = "evidence_too_old"
    NO_ATTRIBUTION = "no_attribution"
    CONSENT_MISSING = "consent_missing"
    CONSENT_SCOPE = "consent_scope"
    CONSENT_EXPIRED = "consent_expired"
    CONSENT_REVOKED = "consent_revoked"
    GUARDIAN_MISSING = "guardian_missing"
    SEVERAL_PEOPLE = "several_people"
    NOT_A_FACE = "not_a_face"
    PARTIAL_FACE = "partial_face"
    WRONG_PERSON = "wrong_person"
    OBSTRUCTED = "obstructed"
    NOT_A_PHOTOGRAPH = "not_a_photograph"
    UNNATURAL = "unnatural"
    BLURRED = "blurred"
    TOO_SMALL = "too_small"
    BADLY_EXPOSED = "badly_exposed"
    TURNED_AWAY = "turned_away"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    WRONG_AGE_GROUP = "wrong_age_group"
    CHILDHOOD = "childhood"
    TOO_FEW_IMAGES = "too_few_images"
    UNDECIDED = "undecided"
    CONFLICT = "conflict"


class ConsentScope(StrEnum):
    """Purposes that a person may consent to."""

    TRAINING = "training"
    EVALUATION = "evaluation"
    PUBLICATION = "publication"
    BIOMETRIC_IDENTIFICATION = "biometric_identification"
    DERIVED_WORKS = "derived_works"


class ConsentGiver(StrEnum):
    """Person who signed a consent: the subject, or a guardian."""

    SELF = "self"
    GUARDIAN = "guardian"


SPLITS = ("train", "val", "test")
