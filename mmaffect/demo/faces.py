"""Identities: the portrait in other proportions, colours and light, one per demo subject."""

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from .portrait import FRAME_SIZE, Portrait, mirror_points

JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
EYES = (slice(36, 42), slice(42, 48))
MOUTH = slice(48, 68)


@dataclass(frozen=True)
class Identity:
    """What makes one face differ from another; proportions are factors of the portrait's own.

    Args:
        face_width, face_length, jaw_width, eye_spacing, eye_size, nose_width, nose_length, mouth_width: factors near 1.
        lip_thickness: factor of the lips' height.
        brow_height: pixels that the brows sit higher.
        hair_size: factor of the hair's distance from the face.
        skin, hair, suit, background: RGB factors of the region's colour.
        gamma, contrast, blur: exponent of the picture, factor about mid grey, standard deviation in pixels.
        light_angle, light_strength: direction in radians and depth in [0, 1) of a linear fall-off of light.
        mirror: the portrait is mirrored.
        head: translation (x, y) in pixels, rotation in degrees and scale at which the head rests.
        expressiveness: factors of what valence and arousal do to this face.
    """

    face_width: float
    face_length: float
    jaw_width: float
    eye_spacing: float
    eye_size: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_thickness: float
    brow_height: float
    hair_size: float
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    suit: tuple[float, float, float]
    background: tuple[float, float, float]
    gamma: float
    contrast: float
    blur: float
    light_angle: float
    light_strength: float
    mirror: bool
    head: tuple[float, float, float, float]
    expressiveness: tuple[float, float]

    def as_dict(self) -> dict:
        """All values as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True)
class Face:
    """An identity, ready to be warped.

    Args:
        picture: uint8 (256, 256, 3) RGB, recoloured and lit, in the geometry of the portrait.
        source: float64 (68, 2), where the landmarks are in `picture`.
        neutral: float64 (68, 2), where they are when this person looks neutral and keeps the head at rest.
        source_outline, outline: float64 (K, 2), the same two for points round the hair.
        body: float64 (A, 2), points of neck and shoulders in `picture`.
        identity: what the face was made of.
    """

    picture: np.ndarray
    source: np.ndarray
    neutral: np.ndarray
    source_outline: np.ndarray
    outline: np.ndarray
    body: np.ndarray
    identity: Identity


def draw_identity(rng: np.random.Generator) -> Identity:
    """A random identity.

    Args:
        rng: its state decides everything.
    """

    def factor(spread: float) -> float:
        return round(float(rng.uniform(1 - spread, 1 + spread)), 4)

    def colour(spread: float, lightness: tuple[float, float]) -> tuple[float, float, float]:
        value = rng.uniform(*lightness) * rng.uniform(1 - spread, 1 + spread, 3)
        return tuple(round(float(part), 4) for part in value)

    tone = rng.uniform(0.0, 1.0)
    dark_skin = 1 - tone * np.array([0.45, 0.55, 0.62])
    # Hair is never greener than it is red.
    hair = rng.uniform(0.3, 1.3) * np.array([1.0, rng.uniform(0.72, 0.95), rng.uniform(0.5, 1.0)])
    return Identity(
        face_width=factor(0.1),
        face_length=factor(0.07),
        jaw_width=factor(0.12),
        eye_spacing=factor(0.05),
        eye_size=factor(0.1),
        nose_width=factor(0.2),
        nose_length=factor(0.08),
        mouth_width=factor(0.1),
        lip_thickness=factor(0.2),
        brow_height=round(float(rng.uniform(-2, 2)), 4),
        hair_size=factor(0.08),
        skin=tuple(round(float(part), 4) for part in dark_skin * rng.uniform(0.98, 1.02, 3)),
        hair=tuple(round(float(part), 4) for part in hair),
        suit=colour(0.5, (0.4, 1.1)),
        background=colour(0.35, (0.3, 1.2)),
        gamma=factor(0.15),
        contrast=factor(0.15),
        blur=round(float(rng.uniform(0.0, 0.9)), 4),
        light_angle=round(float(rng.uniform(-np.pi, np.pi)), 4),
        light_strength=round(float(rng.uniform(0.0, 0.4)), 4),
        mirror=bool(rng.random() < 0.5),
        head=tuple(
            round(float(part), 4)
            for part in (rng.uniform(-4, 4), rng.uniform(-2, 3), rng.uniform(-4, 4), rng.uniform(0.95, 1.05))
        ),
        expressiveness=(factor(0.15), factor(0.15)),
    )


def make_face(identity: Identity, portrait: Portrait) -> Face:
    """The face of an identity.

    Args:
        identity: proportions and colours.
        portrait: the picture that they are applied to.
    """
    picture, source, outline, body = _recolour(identity, portrait), portrait.landmarks, portrait.outline, portrait.body
    if identity.mirror:
        flip = np.array([-1.0, 1.0]), np.array([FRAME_SIZE - 1.0, 0.0])
        picture, source = np.ascontiguousarray(picture[:, ::-1]), mirror_points(source)
        outline, body = outline * flip[0] + flip[1], body * flip[0] + flip[1]
    centre = source[27:31].mean(axis=0)
    shaped = _shape(identity, _relax(source))
    stretch = np.array([identity.face_width, 1.0]) * identity.hair_size
    return Face(picture, source, shaped, outline, centre + (outline - centre) * stretch, body, identity)


def _relax(landmarks: np.ndarray) -> np.ndarray:
    """Takes the smile out of the portrait: mouth closed and straight, chin raised by what the mouth closes."""
    points = landmarks.copy()
    centre_x, line_y = points[[48, 54], 0].mean(), points[61:68, 1].mean() - 0.3
    points[MOUTH, 0] = centre_x + (points[MOUTH, 0] - centre_x) * 0.93
    height = {48: -0.3, 54: -0.3, 60: -0.2, 64: -0.2, 61: -0.6, 62: -0.6, 63: -0.6, 65: 0.6, 66: 0.6, 67: 0.6}
    height |= {49: -2.8, 50: -4.0, 51: -3.6, 52: -4.0, 53: -2.8, 55: 3.4, 56: 5.6, 57: 6.2, 58: 5.6, 59: 3.4}
    for index, offset in height.items():
        points[index, 1] = line_y + offset
    points[6:11, 1] -= 2.0
    return points


def _shape(identity: Identity, points: np.ndarray) -> np.ndarray:
    """Moves relaxed landmarks into the proportions of an identity."""
    points = points.copy()
    centre_x, brow_y = points[27, 0], points[27, 1]
    for eye in EYES:
        middle = points[eye].mean(axis=0)
        points[eye] = middle + (points[eye] - middle) * identity.eye_size
        points[eye, 0] += (middle[0] - centre_x) * (identity.eye_spacing - 1)
    points[BROWS, 1] -= identity.brow_height
    points[BROWS, 0] = centre_x + (points[BROWS, 0] - centre_x) * identity.eye_spacing
    nose_x = points[30, 0]
    points[31:36, 0] = nose_x + (points[31:36, 0] - nose_x) * identity.nose_width
    points[NOSE, 1] = brow_y + (points[NOSE, 1] - brow_y) * identity.nose_length
    mouth_middle = points[[48, 54]].mean(axis=0)
    points[MOUTH] = mouth_middle + (points[MOUTH] - mouth_middle) * (identity.mouth_width, identity.lip_thickness)
    down = np.clip((points[JAW, 1] - brow_y) / (points[8, 1] - brow_y), 0, 1)
    points[JAW, 0] = centre_x + (points[JAW, 0] - centre_x) * (1 + (identity.jaw_width - 1) * down)
    lower = points[:, 1] > brow_y
    points[lower, 1] = brow_y + (points[lower, 1] - brow_y) * identity.face_length
    points[:, 0] = centre_x + (points[:, 0] - centre_x) * identity.face_width
    return points


def _recolour(identity: Identity, portrait: Portrait) -> np.ndarray:
    picture = portrait.picture.copy()
    for region in ('background', 'hair', 'skin', 'suit'):
        mask = portrait.masks[region]
        picture *= 1 - mask + mask * np.array(getattr(identity, region), np.float32)
    picture = np.clip(picture, 0, 1) ** identity.gamma
    picture = (picture - 0.45) * identity.contrast + 0.45
    axis = np.linspace(-0.5, 0.5, FRAME_SIZE, dtype=np.float32)
    slope = np.cos(identity.light_angle) * axis[None, :] + np.sin(identity.light_angle) * axis[:, None]
    picture *= 1 + 1.5 * identity.light_strength * slope[..., None]
    if identity.blur > 0.1:
        picture = cv2.GaussianBlur(picture, (0, 0), identity.blur)
    return np.clip(picture * 255, 0, 255).round().astype(np.uint8)
