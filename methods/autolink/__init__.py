"""AutoLink (He et al., NeurIPS 2022): a masked image is restored from learned edges between its keypoints.

Importing this package imports no torch.
"""

from methods.autolink.config import AutoLinkConfig
from methods.autolink.method import AutoLink

__all__ = ["AutoLink", "AutoLinkConfig"]
