"""What makes training quick: layers and losses that each equal PyTorch's own."""
