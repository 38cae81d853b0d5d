"""Loading a frozen diffusion model from safetensors: Stable Diffusion 1.x, 2.x and XL, and the small model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor

from methods.base import MethodError
from methods.diffusion import weights
from methods.layout import memory_format
from methods.stable_keypoints.config import StableKeypointsConfig

# What of a scheduler's config decides the noise level, whichever scheduler it is.
SCHEDULE = {
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
}
# Stable Diffusion XL is told (height, width) of an image, the corner it was cropped at, and the size aimed at.
SIZES = 6


@dataclass(frozen=True)
class Parts:
    """What a pipeline gives to the method, frozen and on one device.

    ``autoencoder`` may be of another dtype than ``unet`` (float32 where float16 overflows in it): cast images to
    ``autoencoder.dtype``. A noisy latent is ``signal * latent + deviation * noise``. ``null_tokens`` (n, width) are
    the empty caption's, None unless kept. ``conditions`` are further keyword arguments of every call of the UNet, for
    batches of any size. ``image_size`` is the side in pixels of the images, ``latent_side`` that of their latents;
    ``token_width`` the channels of a token.
    """

    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    signal: float
    deviation: float
    null_tokens: Tensor | None
    conditions: dict[str, Any]
    image_size: int
    latent_side: int
    token_width: int


def load(config: StableKeypointsConfig, device: torch.device | str, dtype: torch.dtype) -> Parts:
    """The parts of ``config.model`` with a UNet of ``dtype``, read from safetensors only.

    What a UNet was trained to predict (noise or velocity) does not matter to its maps; the noise level does. Raises
    MethodError, one line, where weights are missing or incomplete, where the model is of another kind, and where a
    setting does not fit it.
    """
    device = torch.device(device)
    model, revision = config.model, config.revision
    unet = weights.read_config(model, revision, "unet")
    autoencoder = weights.read_config(model, revision, "vae")
    _refuse_other_kinds(model, unet, autoencoder)
    signal, deviation = _noise_level(config)
    image_size = config.image_size or weights.image_side(model, revision)
    parts = weights.parts_read(model, revision, config.keep_null_tokens)
    files = _Files(model, weights.fetch(model, revision, parts))
    null_tokens, pooled = _empty_caption(config, files, unet, torch.promote_types(dtype, torch.float32))
    upcast = dtype == torch.float16 and autoencoder.get("force_upcast", False)
    return Parts(
        unet=files.module(UNet2DConditionModel, "unet", dtype, device),
        autoencoder=files.module(AutoencoderKL, "vae", torch.float32 if upcast else dtype, device),
        signal=signal,
        deviation=deviation,
        null_tokens=None if null_tokens is None else null_tokens.to(device),
        conditions={} if pooled is None else _sizes_and_caption(pooled.to(device, dtype), image_size),
        image_size=image_size,
        latent_side=image_size // 2 ** (len(autoencoder["block_out_channels"]) - 1),
        token_width=int(unet["cross_attention_dim"]),
    )


@dataclass(frozen=True)
class _Files:
    """The folder that all parts of a model lie in."""

    model: str
    folder: Path

    def module(self, kind: Any, part: str, dtype: torch.dtype, device: torch.device | str = "cpu") -> Any:
        """A part with all of its weights, without gradients. Raises MethodError where they are not all there."""
        _, variant = weights.weight_files(file.name for file in (self.folder / part).iterdir())
        options = {("dtype" if part.startswith("text") else "torch_dtype"): dtype, "variant": variant}
        module, found = self.read(kind, part, use_safetensors=True, output_loading_info=True, **options)
        lacking = sorted(found["missing_keys"])
        if lacking:
            raise self._unusable(part, f"the file lacks {len(lacking)} of its tensors, such as {lacking[0]}")
        layout = memory_format(device) if part in ("unet", "vae") else torch.preserve_format
        return module.to(device, memory_format=layout).requires_grad_(False).eval()

    def read(self, kind: Any, part: str, **options: Any) -> Any:
        """``kind.from_pretrained`` of a part, its errors in one line. Raises MethodError."""
        from safetensors import SafetensorError

        try:
            return kind.from_pretrained(self.folder, subfolder=part, local_files_only=True, **options)
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            raise self._unusable(part, str(error).strip().split("\n")[0]) from error

    def _unusable(self, part: str, reason: str) -> MethodError:
        return weights.missing(self.model, str(self.folder / part), reason)


def _refuse_other_kinds(model: str, unet: dict[str, Any], autoencoder: dict[str, Any]) -> None:
    """A model with further inputs would run, but its maps would mean nothing: refuse it by its JSON configs."""
    kind = unet.get("_class_name", "UNet2DConditionModel")
    width = unet.get("cross_attention_dim")
    added = unet.get("addition_embed_type")
    taken, given = unet.get("in_channels", 4), autoencoder.get("latent_channels", 4)
    inputs = ("class_embed_type", "num_class_embeds", "encoder_hid_dim", "encoder_hid_dim_type")
    further = [name for name in inputs if unet.get(name) is not None]
    normalised = [name for name in ("shift_factor", "latents_mean", "latents_std") if autoencoder.get(name) is not None]
    if kind != "UNet2DConditionModel":
        raise _other_kind(model, f"its unet is a {kind}")
    if not isinstance(width, int):
        raise _other_kind(model, f"its unet's cross_attention_dim is {width}")
    if taken != given:
        raise _other_kind(
            model, f"its unet takes {taken} channels, its autoencoder gives {given}: for inpainting or upscaling?"
        )
    if added not in (None, "text_time"):
        raise _other_kind(model, f"its unet's addition_embed_type is {added}")
    if further:
        raise _other_kind(model, f"its unet has further inputs: {', '.join(further)}")
    if normalised:
        raise _other_kind(model, f"its autoencoder normalises latents by {', '.join(normalised)}")


def _other_kind(model: str, reason: str) -> MethodError:
    return MethodError(
        f"stable_keypoints: '{model}' cannot be used ({reason}); expected a text-to-image model laid out as Stable "
        f"Diffusion 1.x, 2.x or XL, such as --set stable_keypoints.model={weights.EXAMPLE}"
    )


def _noise_level(config: StableKeypointsConfig) -> tuple[float, float]:
    """Factors of signal and noise at the timestep: sqrt(a), sqrt(1 - a), a the cumulative product of 1 - beta."""
    schedule = weights.read_config(config.model, config.revision, "scheduler", "scheduler_config.json")
    if not {"beta_start", "trained_betas"} & schedule.keys():
        raise _other_kind(config.model, f"its {schedule.get('_class_name', 'scheduler')} has no betas")
    known = {name: value for name, value in schedule.items() if name in SCHEDULE}
    alphas = (1 - DDPMScheduler(**known).betas.double()).cumprod(0)
    if config.timestep >= len(alphas):
        raise MethodError(f"stable_keypoints: timestep is {config.timestep}, expected at most {len(alphas) - 1}")
    alpha = float(alphas[config.timestep])
    return (alpha**0.5, (1 - alpha) ** 0.5) if config.noise else (1.0, 0.0)


def _sizes_and_caption(pooled: Tensor, image_size: int) -> dict[str, Any]:
    """Conditions of Stable Diffusion XL: an image of this size, uncropped, with the pooled caption (1, p)."""
    sizes = [image_size, image_size, 0, 0, image_size, image_size]
    time_ids = torch.tensor([sizes], dtype=torch.float32, device=pooled.device)
    return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": time_ids}}


def _empty_caption(
    config: StableKeypointsConfig, files: _Files, unet: dict[str, Any], dtype: torch.dtype
) -> tuple[Tensor | None, Tensor | None]:
    """Tokens (n, width) of the empty caption, if kept, and its pooled embedding (1, p), if the UNet takes one.

    Both are zeros where the pipeline says so, as Stable Diffusion XL does.
    """
    keep = config.keep_null_tokens
    if unet.get("addition_embed_type") != "text_time":
        return (_encode(files, "", dtype)[0] if keep else None), None
    encoder = weights.read_config(config.model, config.revision, "text_encoder_2")
    width = int(encoder["projection_dim"])
    taken, given = unet.get("projection_class_embeddings_input_dim"), width + SIZES * unet["addition_time_embed_dim"]
    if taken != given:
        raise _other_kind(config.model, f"its unet takes added conditions of width {taken}, not {given}: a refiner?")
    if weights.empty_caption_is_zero(config.model, config.revision):
        tokens = torch.zeros(int(encoder["max_position_embeddings"]), int(unet["cross_attention_dim"]), dtype=dtype)
        return (tokens if keep else None), torch.zeros(1, width, dtype=dtype)
    tokens, pooled = _encode(files, "_2", dtype)
    return (torch.cat([_encode(files, "", dtype, -2)[0], tokens], -1) if keep else None), pooled


@torch.no_grad()
def _encode(files: _Files, which: str, dtype: torch.dtype, layer: int = -1) -> tuple[Tensor, Tensor | None]:
    """Tokens (n, width) and pooled embedding (1, p) that a text encoder gives for the empty caption.

    Stable Diffusion 1.x and 2.x take what leaves the last layer, normalised; XL what enters it. One short caption: on
    the CPU, so that it is the same whatever the device, and the encoder is dropped again.
    """
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    encoder = files.module(CLIPTextModelWithProjection if which else CLIPTextModel, f"text_encoder{which}", dtype)
    tokenizer = files.read(CLIPTokenizer, f"tokenizer{which}")
    ids = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt").input_ids
    output = encoder(ids, output_hidden_states=True)
    if which:
        return output.hidden_states[-2][0], output.text_embeds
    return (output.last_hidden_state if layer == -1 else output.hidden_states[layer])[0], None
