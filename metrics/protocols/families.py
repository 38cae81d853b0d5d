"""Families of protocols, one for each source of formulas, and the protocols to cite."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.protocols.catalogue import PROTOCOLS
from metrics.protocols.record import Protocol


@dataclass(frozen=True)
class Family:
    """The protocols whose ids begin with ``id`` and a slash: what they are, and when to cite their numbers."""

    id: str
    summary: str
    cite: str

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols of the family, in the order of the catalogue."""
        return tuple(protocol for protocol in PROTOCOLS.values() if protocol.family == self.id)


_PARITY = "to check that the released code gives the same number; for comparisons take {}, which has an exact solver"
_COMPARE = "to compare with numbers of {}, which were computed in the same way"

RECOMMENDED = ("strict/interocular", "strict/side", "strict/cumulative", "strict/pck6", "strict/human36m")
FAMILIES = {
    family.id: family
    for family in (
        Family(
            "sk",
            "errors of the paper Stable Keypoints: regression about the image centre, without bias, by an exact solver",
            _COMPARE.format("Stable Keypoints and of papers that follow it"),
        ),
        Family("sk_released", "sk, with the solver of the code released for Stable Keypoints", _PARITY.format("sk")),
        Family(
            "strict",
            "the recommended protocols: only visible landmarks count, exact solver, image centre, without bias unless "
            "the id says so",
            f"in a new paper, first of all {', '.join(RECOMMENDED)}; add the family of the paper that you compare with",
        ),
        Family(
            "autolink",
            "errors of the paper AutoLink: regression about the image corner, without bias, by an exact solver",
            _COMPARE.format("AutoLink and of papers that follow it"),
        ),
        Family(
            "autolink_released",
            "autolink, with the solver and the list of joints of the code released for AutoLink",
            _PARITY.format("autolink"),
        ),
        Family(
            "scops",
            "errors of the evaluation code released for SCOPS: regression with a bias; birds in units of their boxes",
            _COMPARE.format("SCOPS and of the papers on faces and birds that follow it"),
        ),
        Family(
            "sanchez",
            "errors of faces with a bias and a ridge: forward (keypoints predict landmarks) and backward (landmarks "
            "predict keypoints)",
            _COMPARE.format("Sanchez and Tzimiropoulos and of Mallis et al."),
        ),
        Family(
            "siarohin",
            "errors on Tai-Chi as sums of absolute differences in x and y, with a bias in the regression",
            _COMPARE.format("most methods before Stable Keypoints on Tai-Chi"),
        ),
        Family(
            "sides",
            "confusion of left and right: shares of landmarks near the right place, the mirror partner, and neither",
            "beside an error of landmarks, to say what kind of errors a method makes",
        ),
        Family(
            "parts",
            "agreement of landmarks and nearest keypoints, as papers on part discovery measure it",
            "to compare methods with each other; papers measure part maps, which have a label at every pixel",
        ),
        Family(
            "label_free",
            "properties of the keypoints themselves, measured without landmarks",
            "beside an error of landmarks, to say how methods differ; none of them is a score by itself",
        ),
    )
}
