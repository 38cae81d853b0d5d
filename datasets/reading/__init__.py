"""What the plugins share to read files: tables, images, pickles, text, a custom dataset."""
