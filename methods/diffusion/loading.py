"""Loading a frozen diffusion model from safetensors: Stable Diffusion 1.x, 2.x and XL, and the small model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.utils import logging
from torch import Tensor

from methods.base import MethodError
from methods.diffusion.weights import WITHOUT_WEIGHTS, ModelFiles, stem_of, weight_files
from methods.layout import memory_format

# Entries of a scheduler's config that set the noise level, whichever scheduler it is.
SCHEDULE = {
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
}
# Stable Diffusion XL is given (height, width) of the image, the corner of its crop, and the target size.
SIZES = 6


@dataclass(frozen=True)
class PipelineSettings:
    """Which pipeline a method uses, and how.

    ``image_size`` is the side of the images in pixels, 0 for the one that the pipeline was made for. Latents get the
    noise of ``timestep``, or none with ``noise`` off. ``keep_null_tokens`` encodes the empty caption. ``dtype`` names
    the torch dtype of the UNet.
    """

    files: ModelFiles
    image_size: int = 0
    timestep: int = 0
    noise: bool = True
    keep_null_tokens: bool = False
    dtype: str = "float32"


@dataclass(frozen=True)
class Parts:
    """The modules and numbers of a pipeline, frozen and on one device.

    ``autoencoder`` may have another dtype than ``unet`` (float32 where float16 overflows in it): cast images to
    ``autoencoder.dtype``. A noisy latent is ``signal * latent + deviation * noise``. ``null_tokens`` (n, width) are
    the empty caption's, None unless kept. ``conditions`` are further keyword arguments of every call of the UNet, for
    batches of any size. ``image_size`` and ``latent_side`` are the sides of images and latents in pixels,
    ``token_width`` the number of channels of a token.
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


def load(settings: PipelineSettings, device: torch.device | str) -> Parts:
    """The parts of a pipeline, read from safetensors only.

    The UNet's training target (noise or velocity) does not matter to its attention and features; the noise level
    does. Raises MethodError, one line, where weights are missing or incomplete, where the model is of another kind,
    and where a setting does not fit it.
    """
    logging.disable_progress_bar()  # diffusers draws one for shards
    device, files = torch.device(device), settings.files
    dtype: torch.dtype = getattr(torch, settings.dtype)
    unet, autoencoder = files.read_config("unet"), files.read_config("vae")
    _refuse_other_kinds(files, unet, autoencoder)
    signal, deviation = _noise_level(settings)
    image_size = settings.image_size or files.image_side()
    names = files.parts_read(settings.keep_null_tokens)
    folder = _Folder(files, files.fetch(names))
    for part in sorted(set(names) - WITHOUT_WEIGHTS):
        files.read_config(part)  # refuses a part of another class
    null_tokens, pooled = _empty_caption(settings, folder, unet, torch.promote_types(dtype, torch.float32))
    return Parts(
        unet=folder.module(UNet2DConditionModel, "unet", dtype, device),
        autoencoder=folder.module(AutoencoderKL, "vae", autoencoder_dtype(autoencoder, dtype), device),
        signal=signal,
        deviation=deviation,
        null_tokens=None if null_tokens is None else null_tokens.to(device),
        conditions={} if pooled is None else sizes_and_caption(pooled.to(device, dtype), image_size),
        image_size=image_size,
        latent_side=image_size // files.reduction(),
        token_width=int(unet["cross_attention_dim"]),
    )


def autoencoder_dtype(config: dict[str, Any], dtype: torch.dtype) -> torch.dtype:
    """The dtype of the autoencoder beside a UNet of ``dtype``: float32 where its config says that float16 overflows."""
    return torch.float32 if dtype == torch.float16 and config.get("force_upcast", False) else dtype


def surviving_signal(schedule: dict[str, Any]) -> Tensor:
    """The share of a latent's variance that is left at each timestep: the cumulative product of 1 - beta, in float64.

    ``schedule`` is the config of a scheduler; its entries that do not set the noise level have no effect.
    """
    known = {name: value for name, value in schedule.items() if name in SCHEDULE}
    return (1 - DDPMScheduler(**known).betas.double()).cumprod(0)


@dataclass(frozen=True)
class _Folder:
    """The folder with all parts of a model."""

    files: ModelFiles
    path: Path

    def module(self, kind: Any, part: str, dtype: torch.dtype, device: torch.device | str = "cpu") -> Any:
        """A part with all of its weights, without gradients. Raises MethodError where one is missing."""
        _, variant = weight_files((file.name for file in (self.path / part).iterdir()), stem_of(part))
        options = {("dtype" if part.startswith("text") else "torch_dtype"): dtype, "variant": variant}
        module, found = self.read(kind, part, use_safetensors=True, output_loading_info=True, **options)
        lacking = sorted(found["missing_keys"])
        if lacking:
            raise self._unusable(part, f"the file lacks {len(lacking)} of its tensors, such as {lacking[0]}")
        layout = memory_format(device) if part in ("unet", "vae") else torch.preserve_format
        return module.to(device, memory_format=layout).requires_grad_(False).eval()

    def read(self, kind: Any, part: str, **options: Any) -> Any:
        """``kind.from_pretrained`` of a part. Raises MethodError, one line, where that fails."""
        from safetensors import SafetensorError

        try:
            return kind.from_pretrained(self.path, subfolder=part, local_files_only=True, **options)
        except Exception as error:  # broken configs raise many kinds
            said = isinstance(error, (OSError, ValueError, TypeError, RuntimeError, SafetensorError))
            reason = str(error).strip().split("\n")[0]
            raise self._unusable(part, reason if said and reason else f"{type(error).__name__}: {reason}") from error

    def _unusable(self, part: str, reason: str) -> MethodError:
        return self.files.missing(str(self.path / part), reason)


def _refuse_other_kinds(files: ModelFiles, unet: dict[str, Any], autoencoder: dict[str, Any]) -> None:
    """Raise MethodError for a model with further inputs: it would run without them, but mean nothing."""
    width = unet.get("cross_attention_dim")
    added = unet.get("addition_embed_type")
    taken, given = unet.get("in_channels", 4), autoencoder.get("latent_channels", 4)
    inputs = ("class_embed_type", "num_class_embeds", "encoder_hid_dim", "encoder_hid_dim_type")
    further = [name for name in inputs if unet.get(name) is not None]
    normalised = [name for name in ("shift_factor", "latents_mean", "latents_std") if autoencoder.get(name) is not None]
    if not isinstance(width, int):
        raise files.other_kind(f"its unet's cross_attention_dim is {width}")
    if taken != given:
        raise files.other_kind(
            f"its unet takes {taken!r} channels, its autoencoder gives {given!r}: for inpainting or upscaling?"
        )
    if added not in (None, "text_time"):
        raise files.other_kind(f"its unet's addition_embed_type is {added}")
    if further:
        raise files.other_kind(f"its unet has further inputs: {', '.join(further)}")
    if normalised:
        raise files.other_kind(f"its autoencoder normalises latents by {', '.join(normalised)}")


def _noise_level(settings: PipelineSettings) -> tuple[float, float]:
    """Factors of signal and noise at the timestep: sqrt(a), sqrt(1 - a), a the cumulative product of 1 - beta."""
    files, timestep = settings.files, settings.timestep
    schedule = files.read_config("scheduler", "scheduler_config.json")
    if not {"beta_start", "trained_betas"} & schedule.keys():
        raise files.other_kind(f"its {schedule.get('_class_name', 'scheduler')} has no betas")
    try:
        alphas = surviving_signal(schedule)
    except Exception as error:  # values of other types raise many kinds
        raise files.other_kind(f"its scheduler's config cannot be used: {error}".split("\n")[0]) from error
    if timestep >= len(alphas):
        raise files.error(f"timestep is {timestep}, expected at most {len(alphas) - 1}")
    alpha = float(alphas[timestep])
    return (alpha**0.5, (1 - alpha) ** 0.5) if settings.noise else (1.0, 0.0)


def sizes_and_caption(pooled: Tensor, image_size: int) -> dict[str, Any]:
    """Conditions of Stable Diffusion XL: an image of this size, uncropped, with the pooled caption (1, p)."""
    sizes = [image_size, image_size, 0, 0, image_size, image_size]
    time_ids = torch.tensor([sizes], dtype=torch.float32, device=pooled.device)
    return {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": time_ids}}


def _empty_caption(
    settings: PipelineSettings, folder: _Folder, unet: dict[str, Any], dtype: torch.dtype
) -> tuple[Tensor | None, Tensor | None]:
    """Tokens (n, width) of the empty caption, if kept, and its pooled embedding (1, p), if the UNet takes one.

    Both are zeros where the pipeline says so, as Stable Diffusion XL does.
    """
    files, keep = settings.files, settings.keep_null_tokens
    if unet.get("addition_embed_type") != "text_time":
        return (_encode(folder, "", dtype)[0] if keep else None), None
    width = files.number("text_encoder_2", "projection_dim")
    taken = unet.get("projection_class_embeddings_input_dim")
    given = width + SIZES * files.number("unet", "addition_time_embed_dim")
    if taken != given:
        raise files.other_kind(f"its unet takes added conditions of width {taken}, not {given}: a refiner?")
    if files.empty_caption_is_zero():
        length = files.number("text_encoder_2", "max_position_embeddings")
        tokens = torch.zeros(length, files.number("unet", "cross_attention_dim"), dtype=dtype)
        return (tokens if keep else None), torch.zeros(1, width, dtype=dtype)
    tokens, pooled = _encode(folder, "_2", dtype)
    return (torch.cat([_encode(folder, "", dtype, -2)[0], tokens], -1) if keep else None), pooled


@torch.no_grad()
def _encode(folder: _Folder, which: str, dtype: torch.dtype, layer: int = -1) -> tuple[Tensor, Tensor | None]:
    """Tokens (n, width) and pooled embedding (1, p) that a text encoder gives for the empty caption.

    Stable Diffusion 1.x and 2.x take the normalised output of the last layer; XL takes its input. The encoder runs on
    the CPU, so that the result does not depend on the device, and is not kept.
    """
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    encoder = folder.module(CLIPTextModelWithProjection if which else CLIPTextModel, f"text_encoder{which}", dtype)
    tokenizer = folder.read(CLIPTokenizer, f"tokenizer{which}")
    length, longest = tokenizer.model_max_length, encoder.config.max_position_embeddings
    if length > longest:
        raise folder.files.other_kind(f"its tokenizer{which} gives {length} tokens, its encoder takes {longest}")
    ids = tokenizer("", padding="max_length", max_length=length, return_tensors="pt").input_ids
    output = encoder(ids, output_hidden_states=True)
    if which:
        return output.hidden_states[-2][0], output.text_embeds
    return (output.last_hidden_state if layer == -1 else output.hidden_states[layer])[0], None
