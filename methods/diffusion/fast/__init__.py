"""The UNet and the autoencoder's encoder of diffusers, run on a GPU with fewer copies and fewer kernels."""
