"""Readers that the dataset plugins share: tables, images, pickles, text files, custom datasets."""
