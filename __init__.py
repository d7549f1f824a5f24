"""lrl-adapt: small adapters that teach multilingual language models low-resource languages."""

__version__ = "0.1.0"
