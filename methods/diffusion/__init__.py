"""A frozen diffusion pipeline: find its files, load it, encode images to latents, add noise, run its UNet."""
