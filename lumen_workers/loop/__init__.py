"""The loop: samples, rules, and the sampler that takes them."""
