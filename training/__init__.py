"""Training: adapters as PEFT tuners, the masked-language-modelling step, and the one loop that trains everything."""
