"""All that callers need to score keypoints: the protocols by id, and the functions that apply them."""

from metrics.points import Points
from metrics.protocol import Need, Protocol
from metrics.scoring import Score, score, score_all
from metrics.variants import PROTOCOLS

__all__ = ["PROTOCOLS", "Need", "Points", "Protocol", "Score", "score", "score_all"]
