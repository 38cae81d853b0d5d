"""The settings of a random warp."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat


class WarpConfig(BaseModel):
    """Standard deviations of a random warp: those of its affine part, and those of its spline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotation_degrees: NonNegativeFloat = Field(
        default=0.0, description="Standard deviation of the rotation, in degrees."
    )
    scale: NonNegativeFloat = Field(default=0.0, description="Standard deviation of the scale factor, whose mean is 1.")
    translation: NonNegativeFloat = Field(
        default=0.0, description="Standard deviation of the shift along each axis, in halves of the image."
    )
    bend: tuple[NonNegativeFloat, NonNegativeFloat] = Field(
        default=(0.0, 0.0),
        description="Standard deviations of a control point's coefficient and of a second term, added to it with "
        "probability 1/2; zeros leave the warp affine.",
    )
