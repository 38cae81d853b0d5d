"""Clusters of any frozen features as keypoints: what ``dift_kmeans`` and ``dino_kmeans`` have in common."""
