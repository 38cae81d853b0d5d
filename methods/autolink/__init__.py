"""AutoLink (He et al., NeurIPS 2022): keypoints that are linked by learned edges, drawn, and painted from.

Importing this package imports no torch.
"""

from methods.autolink.config import AutoLinkConfig
from methods.autolink.method import AutoLink

__all__ = ["AutoLink", "AutoLinkConfig"]
