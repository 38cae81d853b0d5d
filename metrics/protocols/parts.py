"""The protocols that compare nearest keypoints with landmarks as papers on part discovery compare their part maps."""

from __future__ import annotations

from dataclasses import replace

from metrics.protocols.record import Protocol

_NMI = Protocol(
    id="parts/nmi",
    summary="normalised mutual information, times 100, of landmarks and the keypoints nearest to them",
    source="Choudhury et al. 2021, as in PDiscoNet, PDiscoFormer and MPAE, whose part maps give each landmark a part; "
    "here it is the nearest keypoint's",
    measures="parts_nmi",
    scale=100.0,
    unit="NMI %",
    higher_is_better=True,
)
_ARI = replace(
    _NMI,
    id="parts/ari",
    summary="adjusted Rand index, times 100, of landmarks and the keypoints nearest to them",
    measures="parts_ari",
    unit="ARI %",
)
_FAR = "landmarks 10 % of the image side or farther from all keypoints are background, a part of its own"
PARTS = (
    _NMI,
    _ARI,
    replace(_NMI, id="parts/nmi_background", summary=f"parts/nmi, where {_FAR}", threshold=10.0),
    replace(_ARI, id="parts/ari_background", summary=f"parts/ari, where {_FAR}", threshold=10.0),
)
