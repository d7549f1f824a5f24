"""Publishing adapters on the Hugging Face hub: what belongs there, and the model card."""
